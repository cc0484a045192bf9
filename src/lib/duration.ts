// Durations as text, in milliseconds: as people write them (`24h`, `7d`), and as Go reads and prints them.

const PEOPLES: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const GOS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 }

/** 2^63 nanoseconds. */
const LONGEST_MS = 2 ** 63 / 1e6

/** `90s`, `1h30m`, `7d`; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  return /^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text) ? sum(text, PEOPLES) : undefined
}

/** `1m30s`, `-1.5h`, `.5s`, `250us`, `0`; undefined when Go would refuse the text. */
export function parseGoDuration(text: string): number | undefined {
  const match = /^([+-]?)(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.exec(text)
  if (!match) return undefined
  const total = sum(match[2]!, GOS)
  if (total >= LONGEST_MS) return undefined
  return match[1] === '-' ? 0 - total : total
}

/** As Go prints one, to the millisecond: `1h0m0s`, `1m30s`, `15.032s`, `850ms`, `0s`. */
export function formatGoDuration(ms: number): string {
  const whole = Math.round(ms)
  if (whole > 0 && whole < 1000) return `${whole}ms`
  const minutes = Math.floor(whole / 60_000)
  const seconds = `${(whole % 60_000) / 1000}s`
  if (minutes === 0) return seconds
  const hours = Math.floor(minutes / 60)
  return `${hours > 0 ? `${hours}h` : ''}${minutes % 60}m${seconds}`
}

/** What Go says of a text that `parseGoDuration` refuses. */
export function goDurationFault(text: string): string {
  const whole = quoted(text)
  for (let rest = text.replace(/^[+-]/, ''); rest !== ''; ) {
    const [matched = '', amount = '', unit = ''] = /^(\d*(?:\.\d*)?)([^\d.]*)/.exec(rest)!
    if (!/\d/.test(amount)) break
    if (unit === '') return `time: missing unit in duration ${whole}`
    if (!Object.hasOwn(GOS, unit)) return `time: unknown unit ${quoted(unit)} in duration ${whole}`
    rest = rest.slice(matched.length)
  }
  return `time: invalid duration ${whole}`
}

function quoted(text: string): string {
  const bytes = (odd: string) => [...Buffer.from(odd)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[^ -~]/gu, bytes)}"`
}

function sum(text: string, units: Record<string, number>): number {
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) total += Number(amount) * units[unit!]!
  return total
}
