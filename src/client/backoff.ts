// Delays between attempts: doubling from `initialMs` to `maxMs`, each stretched by up to its own length, reset after a quiet while.
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'

export interface Backoff {
  nextMs(): number
  reset(): void
}

export function createBackoff(options: {
  initialMs: number
  maxMs: number
  /** 1: up to twice the delay. 0: none. */
  jitter?: number
  /** A pause this long since the last attempt starts over. */
  resetAfterMs?: number
  clock: Clock
  random: Random
}): Backoff {
  const { initialMs, maxMs, jitter = 1, resetAfterMs = Infinity, clock, random } = options
  let delay = initialMs
  let last = clock.monotonic()
  return {
    nextMs() {
      const now = clock.monotonic()
      if (now - last > resetAfterMs) delay = initialMs
      last = now
      const current = delay
      delay = Math.min(maxMs, delay * 2)
      return current * (1 + jitter * random.float())
    },
    reset: () => void (delay = initialMs),
  }
}
