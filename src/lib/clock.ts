// Time as a value. The only file of the project in which Date.now, new Date() without a time, setTimeout and setInterval occur.

/** Something scheduled; disposing it twice is harmless. */
export interface Timer extends Disposable {
  cancel(): void
}

export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  now(): number
  /** Monotonic time in milliseconds, for measuring durations. */
  monotonic(): number
  /** Runs `task` once after `delayMs`. Never keeps the process alive by itself. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` every `periodMs`, the first time after one period. */
  every(periodMs: number, task: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** The longest that setTimeout can wait; it takes anything longer for no time at all. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, task) => wait(delayMs, task, { keepsAlive: false }),
  every(periodMs, task) {
    const handle = setInterval(task, Math.min(periodMs, MAX_TIMEOUT_MS))
    handle.unref()
    return timer(() => clearInterval(handle))
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiting = wait(
        delayMs,
        () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
        { keepsAlive: true },
      )
      const abort = () => {
        waiting.cancel()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  },
}

function wait(delayMs: number, task: () => void, { keepsAlive }: { keepsAlive: boolean }): Timer {
  const rest = delayMs - MAX_TIMEOUT_MS
  const handle = setTimeout(() => (rest > 0 ? go(rest) : task()), Math.min(delayMs, MAX_TIMEOUT_MS))
  if (!keepsAlive) handle.unref()
  const go = (ms: number) => {
    const next = wait(ms, task, { keepsAlive })
    cancel = () => next.cancel()
  }
  let cancel = () => clearTimeout(handle)
  return timer(() => cancel())
}

/** Seconds-precision RFC 3339 in UTC, the form of metav1.Time. Reckoned, as every write asks for it: a Date and its text take ten times as long. */
export function formatTime(epochMs: number): string {
  if (!(epochMs >= 0 && epochMs < YEAR_10000_MS)) return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
  const seconds = Math.floor(epochMs / 1000)
  const hour = TWO_DIGITS[Math.floor(seconds / 3600) % 24]
  const minute = TWO_DIGITS[Math.floor(seconds / 60) % 60]
  return `${dateOf(Math.floor(seconds / 86_400))}T${hour}:${minute}:${TWO_DIGITS[seconds % 60]}Z`
}

const YEAR_10000_MS = 253_402_300_800_000
const TWO_DIGITS: readonly string[] = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** Years counted from March, so that the day a leap year adds is the last: 400 of them have 146,097 days, their months 153 in five. */
function dateOf(daysSinceEpoch: number): string {
  const days = daysSinceEpoch + 719_468
  const era = Math.floor(days / 146_097)
  const dayOfEra = days - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  return `${era * 400 + yearOfEra + (month <= 2 ? 1 : 0)}-${TWO_DIGITS[month]}-${TWO_DIGITS[day]}`
}

/** Microsecond-precision RFC 3339 in UTC, the form of metav1.MicroTime. */
export function formatMicroTime(epochMs: number): string {
  if (!(epochMs >= 0 && epochMs < YEAR_10000_MS)) return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
  return `${formatTime(epochMs).slice(0, -1)}.${String(Math.floor(epochMs) % 1000).padStart(3, '0')}000Z`
}

/** As HTTP headers tell it. */
export function formatHttpDate(epochMs: number): string {
  return new Date(epochMs).toUTCString()
}

function timer(cancel: () => void): Timer {
  return { cancel, [Symbol.dispose]: cancel }
}
