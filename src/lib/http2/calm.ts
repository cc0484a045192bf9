// How often a peer may make us begin something for nothing: a burst, then a steady rate. Against streams that are opened and reset at once.
import type { Clock } from '#lib/clock.ts'

const BURST = 1000
const PER_SECOND = 33

export class Calm {
  readonly #clock: Clock
  #left = BURST
  #since: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.monotonic()
  }

  /** False: too often. */
  allows(): boolean {
    const now = this.#clock.monotonic()
    this.#left = Math.min(BURST, this.#left + ((now - this.#since) / 1000) * PER_SECOND) - 1
    this.#since = now
    return this.#left >= 0
  }
}
