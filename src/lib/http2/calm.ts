// How often a peer may do what costs us and comes to nothing: a burst, then a steady rate.
import type { Clock } from '#lib/clock.ts'

export interface Pace {
  burst: number
  perSecond: number
}

export class Calm {
  readonly #clock: Clock
  readonly #pace: Pace
  #left: number
  #since: number

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock
    this.#pace = pace
    this.#left = pace.burst
    this.#since = clock.monotonic()
  }

  /** False: too often. */
  allows(): boolean {
    const { burst, perSecond } = this.#pace
    const now = this.#clock.monotonic()
    this.#left = Math.min(burst, this.#left + ((now - this.#since) / 1000) * perSecond) - 1
    this.#since = now
    return this.#left >= 0
  }
}
