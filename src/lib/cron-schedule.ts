// Cron schedules: five fields, names, steps, ranges, `@daily` and its like, `@every 1h30m`; in a time zone of the tz database.
import { formatTime } from './clock.ts'
import { goDurationFault, parseGoDuration } from './duration.ts'
import { LruMap } from './lru-map.ts'

const NAMED: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
/** A schedule that never comes (30 February) is given up after so many years. */
const HORIZON_YEARS = 5

export interface CronSchedule {
  /** The first time strictly after `afterMs`, in milliseconds since the epoch; undefined when there is none. */
  next(afterMs: number): number | undefined
}

/** Throws RangeError when `text` is no schedule or `timeZone` no zone. */
export function parseCronSchedule(text: string, timeZone = 'UTC'): CronSchedule {
  if (text.startsWith('@every ')) {
    const period = Math.max(1000, Math.floor(durationMs(text) / 1000) * 1000)
    return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + period }
  }
  const spelled = NAMED[text] ?? text
  if (spelled.startsWith('@')) throw new RangeError(`unrecognized descriptor: ${text}`)
  const fields = spelled.trim().split(/\s+/)
  if (spelled.trim() === '') throw new RangeError('empty spec string')
  if (fields.length !== 5) throw new RangeError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`)
  const minutes = parseField(fields[0]!, { min: 0, max: 59 })
  const hours = parseField(fields[1]!, { min: 0, max: 23 })
  const days = parseField(fields[2]!, { min: 1, max: 31 })
  const months = parseField(fields[3]!, { min: 1, max: 12, names: MONTHS, firstName: 1 })
  const weekdays = parseField(fields[4]!, { min: 0, max: 6, names: DAYS, firstName: 0 })
  const clock = wallClock(timeZone)

  const dayMatches = ({ day, weekday }: Wall) => {
    // Both restricted: either will do. Otherwise both must hold, which the free one always does.
    const [byDay, byWeekday] = [days.values.has(day), weekdays.values.has(weekday)]
    return days.any || weekdays.any ? byDay && byWeekday : byDay || byWeekday
  }
  const matches = {
    month: ({ month }: Wall) => months.values.has(month),
    day: dayMatches,
    hour: ({ hour }: Wall) => hours.values.has(hour),
  }
  const minute = (now: Wall) => minutes.values.has(now.minute)
  return { next: remembered((afterMs) => nextTime(clock, { ...matches, minute }, afterMs)) }
}

const MOST_REMEMBERED = 16

/** Whoever keeps a schedule asks about the same few times until the next one comes. */
function remembered(next: CronSchedule['next']): CronSchedule['next'] {
  const known = new LruMap<number, { time: number | undefined }>(MOST_REMEMBERED)
  return (afterMs) => {
    const before = known.get(afterMs)
    if (before) return before.time
    const time = next(afterMs)
    known.set(afterMs, { time })
    return time
  }
}

type Matches = Record<'month' | 'day' | 'hour' | 'minute', (at: Wall) => boolean>

/**
 * The way robfig/cron goes, with what comes of it where clocks are put forward: month, day, hour and minute one after the other, each from
 * its first value on once one before it has moved, and all over again where one begins anew.
 */
function nextTime({ wall, at }: WallClock, matches: Matches, afterMs: number): number | undefined {
  let time = Math.floor(afterMs / SECOND) * SECOND + SECOND
  let moved = false
  const last = wall(time).year + HORIZON_YEARS
  /** Moves until it matches; false where it began anew on the way. */
  const settle = (unit: keyof Matches, how: { start(now: Wall): number; step(now: Wall): number; anew(now: Wall): boolean }): boolean => {
    for (let now = wall(time); !matches[unit](now); now = wall(time)) {
      if (!moved) time = how.start(now)
      moved = true
      time = how.step(wall(time))
      if (how.anew(wall(time))) return false
    }
    return true
  }
  while (wall(time).year <= last) {
    const found =
      settle('month', {
        start: (now) => at({ ...now, day: 1, hour: 0, minute: 0, second: 0 }),
        step: (now) => at({ ...now, month: now.month + 1 }),
        anew: (now) => now.month === 1,
      }) &&
      settle('day', {
        start: (now) => at({ ...now, hour: 0, minute: 0, second: 0 }),
        step(now) {
          const next = at({ ...now, day: now.day + 1 })
          const { hour } = wall(next)
          // Midnight may be left out: then the day begins an hour before or after.
          return next + (hour > 12 ? 24 - hour : 0 - hour) * HOUR
        },
        anew: (now) => now.day === 1,
      }) &&
      settle('hour', {
        start: (now) => at({ ...now, minute: 0, second: 0 }),
        step: () => time + HOUR,
        anew: (now) => now.hour === 0,
      }) &&
      settle('minute', {
        start: () => Math.floor(time / MINUTE) * MINUTE,
        step: () => time + MINUTE,
        anew: (now) => now.minute === 0,
      })
    if (!found) continue
    if (wall(time).second === 0) return time
    time = (Math.floor(time / MINUTE) + 1) * MINUTE
    moved = true
  }
  return undefined
}

export function isTimeZone(name: string): boolean {
  try {
    return !/^[+-]/.test(new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone)
  } catch {
    return false
  }
}

/** RFC 3339 by the wall clock of the zone. */
export function formatTimeIn(time: number, timeZone = 'UTC'): string {
  // Formats of zones take long to make.
  if (isUtc(timeZone)) return formatTime(time)
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours = '0', minutes = '0'] = /^GMT([+-])(\d\d):(\d\d)/.exec(name) ?? []
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
  const local = new Date(time + offset * MINUTE).toISOString().slice(0, 19)
  return offset === 0 ? `${local}Z` : `${local}${sign}${hours}:${minutes}`
}

const isUtc = (timeZone: string): boolean => timeZone === 'UTC' || timeZone === 'Etc/UTC'

interface Wall {
  year: number
  month: number
  day: number
  weekday: number
  hour: number
  minute: number
  second: number
}

interface WallClock {
  wall(time: number): Wall
  /** The time when the wall shows that; of an hour that is left out, as Go's time.Date. */
  at(wall: Omit<Wall, 'weekday'>): number
}

function wallClock(timeZone: string): WallClock {
  const offsetAt = offsets(timeZone)
  return {
    wall(time) {
      const date = new Date(time + offsetAt(time))
      return {
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        weekday: date.getUTCDay(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(),
      }
    },
    at({ year, month, day, hour, minute, second }) {
      const shown = Date.UTC(year, month - 1, day, hour, minute, second)
      const guess = offsetAt(shown)
      return guess === 0 ? shown : shown - offsetAt(shown - guess)
    },
  }
}

/** How far the zone's wall clock is ahead, in milliseconds. */
function offsets(timeZone: string): (time: number) => number {
  if (isUtc(timeZone)) return () => 0
  const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...numeric })
  const ask = (time: number): number => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]))
    const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type)!
    const shown = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
    return shown - Math.floor(time / SECOND) * SECOND
  }
  // Clocks are not put forward and back within a day.
  let known = { from: 0, to: 0, offset: 0 }
  return (time) => {
    if (time >= known.from && time < known.to) return known.offset
    const offset = ask(time)
    if (ask(time + DAY) === offset) known = { from: time, to: time + DAY, offset }
    return offset
  }
}

interface Field {
  values: Set<number>
  any: boolean
}

interface Bounds {
  min: number
  max: number
  names?: readonly string[]
  /** The number of the first name. */
  firstName?: number
}

/** In the words of robfig/cron, which Kubernetes shows its users. */
function parseField(text: string, bounds: Bounds): Field {
  const { min, max } = bounds
  const values = new Set<number>()
  let any = false
  for (const part of text.split(',').filter((one) => one !== '')) {
    const [range = '', stepText, ...rest] = part.split('/')
    if (rest.length > 0) throw new RangeError(`too many slashes: ${part}`)
    const [low = '', high, ...more] = range.split('-')
    const star = low === '*' || low === '?'
    if (!star && more.length > 0) throw new RangeError(`too many hyphens: ${part}`)
    const from = star ? min : parseNumber(low, bounds)
    const single = high === undefined
    const to = star || (single && stepText !== undefined) ? max : single ? from : parseNumber(high, bounds)
    const step = stepText === undefined ? 1 : parseNumber(stepText)
    if (from < min) throw new RangeError(`beginning of range (${from}) below minimum (${min}): ${part}`)
    if (to > max) throw new RangeError(`end of range (${to}) above maximum (${max}): ${part}`)
    if (from > to) throw new RangeError(`beginning of range (${from}) beyond end of range (${to}): ${part}`)
    if (step === 0) throw new RangeError(`step of range should be a positive number: ${part}`)
    for (let value = from; value <= to; value += step) values.add(value)
    // A star with a step restricts the field.
    any ||= star && step === 1
  }
  return { values, any }
}

function parseNumber(text: string, { names = [], firstName = 0 }: { names?: readonly string[]; firstName?: number } = {}): number {
  const named = names.indexOf(text.toLowerCase())
  if (named >= 0) return named + firstName
  if (!/^[+-]?\d{1,15}$/.test(text))
    throw new RangeError(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  if (Number(text) < 0) throw new RangeError(`negative number (${Number(text)}) not allowed: ${text}`)
  return Number(text)
}

function durationMs(text: string): number {
  const given = text.slice('@every '.length)
  const ms = parseGoDuration(given)
  if (ms === undefined) throw new RangeError(`failed to parse duration ${text}: ${goDurationFault(given)}`)
  return ms
}
