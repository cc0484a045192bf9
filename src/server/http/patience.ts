// How far a watcher may lie behind, and for how long: who is far behind must take what waits for it within a while, whatever comes on top meanwhile.
// So a watcher that reads is kept through any burst, and one that does not costs little memory.
import type { Clock, Timer } from '#lib/clock.ts'

/** More than a burst of a thousand pods. */
const MAX_BACKLOG_BYTES = 8 * 1024 * 1024
const BACKLOG_BYTES = 256 * 1024
const PATIENCE_MS = 5000

export interface Lag {
  /** Bytes in all since the beginning. */
  readonly added: number
  /** Of them, those not taken yet. */
  readonly backlog: number
}

export class Patience implements Disposable {
  readonly #clock: Clock
  readonly #spent: () => void
  #timer: Timer | undefined

  /** `spent` is called once the watcher is to be given up. */
  constructor(clock: Clock, spent: () => void) {
    this.#clock = clock
    this.#spent = spent
  }

  /** `last` bytes have just been added; they alone are never too much. */
  note(lag: Lag, last: number): void {
    const { backlog } = lag
    if (backlog > MAX_BACKLOG_BYTES + last) this.#spent()
    else if (backlog > BACKLOG_BYTES + last && !this.#timer) this.#wait(lag)
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
  }

  #wait(lag: Lag): void {
    const waits = lag.added
    this.#timer = this.#clock.after(PATIENCE_MS, () => {
      this.#timer = undefined
      if (lag.added - lag.backlog < waits) this.#spent()
      else if (lag.backlog > BACKLOG_BYTES) this.#wait(lag)
    })
  }
}
