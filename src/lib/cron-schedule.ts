// Cron schedules: five fields, names, steps, ranges, `@daily` and its like, `@every 1h30m`; in a time zone of the tz database.
import { parseGoDuration } from './duration.ts'

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
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const MINUTE = 60_000
/** A schedule that never comes (30 February) is given up after five years. */
const HORIZON_MS = 5 * 366 * 86_400_000

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
  const wall = wallClock(timeZone)

  const dayMatches = (day: number, weekday: number) => {
    // Both restricted: either will do. Otherwise both must hold, which the free one always does.
    const [byDay, byWeekday] = [days.values.has(day), weekdays.values.has(weekday)]
    return days.any || weekdays.any ? byDay && byWeekday : byDay || byWeekday
  }
  return {
    next(afterMs) {
      const end = afterMs + HORIZON_MS
      let time = Math.floor(afterMs / MINUTE) * MINUTE + MINUTE
      while (time < end) {
        const { month, day, weekday, hour, minute } = wall(time)
        if (!months.values.has(month) || !dayMatches(day, weekday)) time = nextDay(time, wall)
        else if (!hours.values.has(hour)) time += (60 - minute) * MINUTE
        else if (!minutes.values.has(minute)) time += MINUTE
        else return time
      }
      return undefined
    },
  }
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
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours = '0', minutes = '0'] = /^GMT([+-])(\d\d):(\d\d)/.exec(name) ?? []
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
  const local = new Date(time + offset * MINUTE).toISOString().slice(0, 19)
  return offset === 0 ? `${local}Z` : `${local}${sign}${hours}:${minutes}`
}

interface Wall {
  month: number
  day: number
  weekday: number
  hour: number
  minute: number
}

function wallClock(timeZone: string): (time: number) => Wall {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') {
    return (time) => {
      const date = new Date(time)
      return {
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        weekday: date.getUTCDay(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
      }
    }
  }
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    month: 'numeric',
    day: 'numeric',
    weekday: 'short',
    hour: 'numeric',
    minute: 'numeric',
  })
  return (time) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]))
    const number = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type))
    const weekday = DAYS.indexOf((parts.get('weekday') ?? '').toLowerCase())
    return { month: number('month'), day: number('day'), weekday, hour: number('hour'), minute: number('minute') }
  }
}

/** When the next day begins by the wall, which need not be at midnight: clocks may be put forward just then. Always later than `time`. */
function nextDay(time: number, wall: (time: number) => Wall): number {
  const { day } = wall(time)
  let next = time
  for (let at = wall(next); at.day === day; at = wall(next)) next += ((24 - at.hour) * 60 - at.minute) * MINUTE
  // In a day that lost an hour that was too far.
  for (let at = wall(next - MINUTE); at.day !== day; at = wall(next - MINUTE)) next -= (at.hour * 60 + at.minute + 1) * MINUTE
  return Math.max(next, time + MINUTE)
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
  if (ms === undefined) throw new RangeError(`failed to parse duration ${text}: time: invalid duration ${JSON.stringify(given)}`)
  return ms
}
