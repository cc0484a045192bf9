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

/** Seconds-precision RFC 3339 in UTC, the form of metav1.Time. */
export function formatTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

/** Microsecond-precision RFC 3339 in UTC, the form of metav1.MicroTime. */
export function formatMicroTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
}

/** As HTTP headers tell it. */
export function formatHttpDate(epochMs: number): string {
  return new Date(epochMs).toUTCString()
}

function timer(cancel: () => void): Timer {
  return { cancel, [Symbol.dispose]: cancel }
}
