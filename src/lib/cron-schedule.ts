// Cron schedules: five fields, names, steps, ranges, `@daily` and its like, `@every 1h30m`; in a time zone of the tz database.

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
  const every = /^@every (.+)$/.exec(text)
  if (every) {
    const period = Math.max(1000, Math.floor(durationMs(every[1]!) / 1000) * 1000)
    return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + period }
  }
  const spelled = NAMED[text] ?? text
  if (spelled.startsWith('@')) throw new RangeError(`unrecognized descriptor: ${text}`)
  const fields = spelled.trim().split(/\s+/)
  if (fields.length !== 5) throw new RangeError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`)
  const minutes = parseField(fields[0]!, { min: 0, max: 59 })
  const hours = parseField(fields[1]!, { min: 0, max: 23 })
  const days = parseField(fields[2]!, { min: 1, max: 31 })
  const months = parseField(fields[3]!, { min: 1, max: 12, names: MONTHS, firstName: 1 })
  const weekdays = parseField(fields[4]!, { min: 0, max: 7, names: DAYS, firstName: 0 })
  if (weekdays.values.has(7)) weekdays.values.add(0)
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
        if (!months.values.has(month) || !dayMatches(day, weekday)) time = nextMidnight(time, { hour, minute, day, wall })
        else if (!hours.values.has(hour)) time += (60 - minute) * MINUTE
        else if (!minutes.values.has(minute)) time += MINUTE
        else return time
      }
      return undefined
    },
  }
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

/** The coming midnight by the wall; days of 23 and 25 hours are met by looking again. */
function nextMidnight(
  time: number,
  { hour, minute, day, wall }: { hour: number; minute: number; day: number; wall(time: number): Wall },
): number {
  let next = time + ((24 - hour) * 60 - minute) * MINUTE
  const landed = wall(next)
  if (landed.day === day) next += ((24 - landed.hour) * 60 - landed.minute) * MINUTE
  else if (landed.hour > 0 && landed.hour < 12) next -= (landed.hour * 60 + landed.minute) * MINUTE
  return next
}

interface Field {
  values: Set<number>
  any: boolean
}

function parseField(text: string, bounds: { min: number; max: number; names?: readonly string[]; firstName?: number }): Field {
  const { min, max, names = [], firstName = 0 } = bounds
  const number = (word: string): number => {
    const named = names.indexOf(word.toLowerCase())
    const value = named >= 0 ? named + firstName : /^\d+$/.test(word) ? Number(word) : Number.NaN
    if (!(value >= min && value <= max)) throw new RangeError(`${word} is outside ${min}-${max}: ${text}`)
    return value
  }
  const values = new Set<number>()
  let any = false
  for (const part of text.split(',')) {
    const [range = '', step, ...rest] = part.split('/')
    if (rest.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) throw new RangeError(`bad step: ${text}`)
    const star = range === '*' || range === '?'
    const [low = '', high, ...more] = range.split('-')
    if (more.length > 0) throw new RangeError(`too many hyphens: ${text}`)
    const from = star ? min : number(low)
    const to = star ? (max === 7 ? 6 : max) : high !== undefined ? number(high) : step === undefined ? from : max === 7 ? 6 : max
    if (from > to) throw new RangeError(`beginning of range (${from}) beyond end of range (${to}): ${text}`)
    for (let value = from; value <= to; value += Number(step ?? 1)) values.add(value)
    // As robfig/cron: a star with a step restricts the field but still counts as free.
    any ||= star
  }
  return { values, any }
}

function durationMs(text: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  let total = 0
  let rest = text.trim()
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ms|h|m|s)/.exec(rest)
    if (!match) throw new RangeError(`failed to parse duration ${text}`)
    total += Number(match[1]) * units[match[2]!]!
    rest = rest.slice(match[0].length)
  }
  return total
}
