// Reads RFC 3339 times as Go's time.Parse does, with its messages, and gives them back in the one form the API keeps: UTC, to the second or microsecond.

export class TimeError extends Error {
  override name = 'TimeError'
}

const SECONDS = '2006-01-02T15:04:05Z07:00'
const MICROSECONDS = '2006-01-02T15:04:05.000000Z07:00'

/** `2026-01-02T03:04:05Z` for any RFC 3339 time; fractions are cut off. Throws TimeError. */
export function canonicalTime(text: string): string {
  return parse(text, SECONDS).seconds
}

/** `2026-01-02T03:04:05.000006Z`; exactly six digits of fraction are asked for. Throws TimeError. */
export function canonicalMicroTime(text: string): string {
  const { seconds, fraction } = parse(text, MICROSECONDS)
  return `${seconds.slice(0, -1)}.${fraction}Z`
}

function parse(text: string, layout: string): { seconds: string; fraction: string } {
  let rest = text
  const fail = (element: string): never => {
    throw new TimeError(`parsing time ${quote(text)} as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(element)}`)
  }
  const outOfRange = (what: string): never => {
    throw new TimeError(`parsing time ${quote(text)}: ${what} out of range`)
  }
  const take = (pattern: RegExp, element: string): string => {
    const match = pattern.exec(rest)
    if (!match) return fail(element)
    rest = rest.slice(match[0].length)
    return match[0]
  }
  const year = Number(take(/^\d{4}/, '2006'))
  take(/^-/, '-')
  const month = Number(take(/^\d{2}/, '01'))
  if (month < 1 || month > 12) outOfRange('month')
  take(/^-/, '-')
  const day = Number(take(/^\d{2}/, '02'))
  take(/^T/, 'T')
  const hour = Number(take(/^\d{2}/, '15'))
  if (hour > 23) outOfRange('hour')
  take(/^:/, ':')
  const minute = Number(take(/^\d{2}/, '04'))
  if (minute > 59) outOfRange('minute')
  take(/^:/, ':')
  const second = Number(take(/^\d{2}/, '05'))
  if (second > 59) outOfRange('second')
  const fraction = layout === MICROSECONDS ? take(/^[.,]\d{6}/, '.000000').slice(1) : take(/^(?:[.,]\d{1,9}\d*)?/, '')
  const zone = take(/^(?:Z|[+-]\d{2}:\d{2})/, 'Z07:00')
  if (rest !== '') throw new TimeError(`parsing time ${quote(text)}: extra text: ${quote(rest)}`)
  const offset = zone === 'Z' ? 0 : (zone[0] === '-' ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6)))
  if (Number(zone.slice(1, 3)) > 24) outOfRange('time zone offset hour')
  if (Number(zone.slice(4, 6)) > 60) outOfRange('time zone offset minute')
  if (day < 1 || day > daysIn(year, month)) outOfRange('day')
  return { seconds: `${inUtc({ year, month, day, minutes: hour * 60 + minute - offset })}:${String(second).padStart(2, '0')}Z`, fraction }
}

/** `2026-01-02T03:04` for a count of minutes since that day's midnight, which an offset may have moved to another day. */
function inUtc({ year, month, day, minutes }: { year: number; month: number; day: number; minutes: number }): string {
  let [y, m, d, left] = [year, month, day, minutes]
  for (; left < 0; left += 1440) {
    d--
    if (d < 1) {
      m--
      if (m < 1) [y, m] = [y - 1, 12]
      d = daysIn(y, m)
    }
  }
  for (; left >= 1440; left -= 1440) {
    d++
    if (d > daysIn(y, m)) {
      ;[m, d] = [m + 1, 1]
      if (m > 12) [y, m] = [y + 1, 1]
    }
  }
  const two = (value: number) => String(value).padStart(2, '0')
  return `${String(y).padStart(4, '0')}-${two(m)}-${two(d)}T${two(Math.trunc(left / 60))}:${two(left % 60)}`
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const quote = (text: string) => JSON.stringify(text)
