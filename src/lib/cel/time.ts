// Timestamps and durations: reading and writing them as Go does, and what a timestamp is in a time zone.
import { LruMap } from '#lib/lru-map.ts'
import { quoted } from './quoted.ts'
import { Duration, Failure, Timestamp, type Value } from './values.ts'

const SECOND = 1_000_000_000n
const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
}
const MAX_NANOS = 2n ** 63n - 1n
/** The years 1 to 9999. */
const EARLIEST = -62135596800n * SECOND
const LATEST = 253402300799n * SECOND + 999_999_999n
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9})\d*)?(Z|[+-]\d{2}:\d{2})$/

export function timestampOf(text: string): Timestamp | Failure {
  const parts = text.length > 100 ? null : RFC3339.exec(text)
  const seconds = parts ? Date.parse(`${text.slice(0, 19)}${parts[8]}`) : Number.NaN
  const day = parts ? Number(parts[3]) : 0
  if (!parts || Number.isNaN(seconds) || day > daysIn(Number(parts[1]), Number(parts[2])))
    return new Failure(`parsing time ${quoted(text)} as "2006-01-02T15:04:05Z07:00": cannot parse`)
  return timestamp(BigInt(seconds) * 1_000_000n + BigInt((parts[7] ?? '').padEnd(9, '0')))
}

const daysIn = (year: number, month: number): number =>
  month === 2 ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31

export function timestamp(nanos: bigint): Timestamp | Failure {
  return nanos < EARLIEST || nanos > LATEST ? new Failure('timestamp overflow') : new Timestamp(nanos)
}

export function duration(nanos: bigint): Duration | Failure {
  return nanos > MAX_NANOS || nanos < -MAX_NANOS - 1n ? new Failure('duration overflow') : new Duration(nanos)
}

/** As Go's time.ParseDuration: `1h30m`, `-1.5s`. */
export function durationOf(text: string): Duration | Failure {
  const invalid = new Failure(`time: invalid duration ${quoted(text)}`)
  if (text.length > 200) return invalid
  const [, sign, rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return new Duration(0n)
  if (rest === '') return invalid
  let nanos = 0n
  let at = 0
  const term = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y
  while (at < rest.length) {
    term.lastIndex = at
    const match = term.exec(rest)
    if (!match || ((match[1] ?? '') === '' && (match[2] ?? '') === '')) return invalid
    const [whole, number = '', fraction = '', unit = ''] = match
    const scale = UNITS[unit]!
    nanos += BigInt(number || '0') * scale
    if (fraction !== '') nanos += (BigInt(fraction.slice(0, 18)) * scale) / 10n ** BigInt(Math.min(fraction.length, 18))
    at += whole.length
  }
  const result = duration(sign === '-' ? -nanos : nanos)
  return result instanceof Failure ? invalid : result
}

export function showTimestamp({ nanos }: Timestamp): string {
  const [seconds, fraction] = divide(nanos, SECOND)
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return fraction === 0n ? `${text}Z` : `${text}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}Z`
}

/** In seconds: `90s`, `0.5s`. */
export function showDuration({ nanos }: Duration): string {
  const magnitude = nanos < 0n ? -nanos : nanos
  const fraction = String(magnitude % SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${nanos < 0n ? '-' : ''}${magnitude / SECOND}${fraction === '' ? '' : `.${fraction}`}s`
}

/** Rounded down, the rest never negative. */
export function divide(value: bigint, by: bigint): [bigint, bigint] {
  const rest = ((value % by) + by) % by
  return [(value - rest) / by, rest]
}

export type Part =
  | 'getFullYear'
  | 'getMonth'
  | 'getDate'
  | 'getDayOfMonth'
  | 'getDayOfWeek'
  | 'getDayOfYear'
  | 'getHours'
  | 'getMinutes'
  | 'getSeconds'

export class Zones {
  readonly #formats = new LruMap<string, Intl.DateTimeFormat | Failure>(64)

  part({ nanos }: Timestamp, part: Part, zone: string): Value {
    const milliseconds = Number(divide(nanos, 1_000_000n)[0])
    const offset = this.#offset(milliseconds, zone)
    if (offset instanceof Failure) return offset
    const date = new Date(milliseconds + offset)
    switch (part) {
      case 'getFullYear':
        return BigInt(date.getUTCFullYear())
      case 'getMonth':
        return BigInt(date.getUTCMonth())
      case 'getDate':
        return BigInt(date.getUTCDate())
      case 'getDayOfMonth':
        return BigInt(date.getUTCDate() - 1)
      case 'getDayOfWeek':
        return BigInt(date.getUTCDay())
      case 'getDayOfYear':
        return BigInt(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000))
      case 'getHours':
        return BigInt(date.getUTCHours())
      case 'getMinutes':
        return BigInt(date.getUTCMinutes())
      case 'getSeconds':
        return BigInt(date.getUTCSeconds())
    }
  }

  /** In milliseconds east of Greenwich. */
  #offset(milliseconds: number, zone: string): number | Failure {
    if (zone === 'UTC' || zone === '') return 0
    const fixed = /^([+-]?)(\d{2}):(\d{2})$/.exec(zone)
    if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000
    const format = this.#format(zone)
    if (format instanceof Failure) return format
    const parts = Object.fromEntries(format.formatToParts(milliseconds).map(({ type, value }) => [type, Number(value)]))
    const local = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour! % 24, parts.minute, parts.second)
    return local - Math.floor(milliseconds / 1000) * 1000
  }

  #format(zone: string): Intl.DateTimeFormat | Failure {
    const known = this.#formats.get(zone)
    if (known) return known
    const made = formatFor(zone)
    this.#formats.set(zone, made)
    return made
  }
}

function formatFor(timeZone: string): Intl.DateTimeFormat | Failure {
  try {
    const numeric = 'numeric'
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    })
  } catch {
    return new Failure(`unknown time zone ${timeZone}`)
  }
}
