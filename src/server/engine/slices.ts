// Long work in slices: the loop gets a turn whenever a slice has taken its few milliseconds.
import type { Clock } from '#lib/clock.ts'

const SLICE_MS = 4
/** Asking the time costs more than a step. */
const STEPS = 64

/** Calls `step` for every item; `step` returns false to stop. Waits only when a slice is over. */
export async function inSlices<T>(items: Iterable<T>, clock: Clock, step: (item: T) => boolean | void): Promise<void> {
  let began = clock.monotonic()
  let steps = 0
  for (const item of items) {
    if (step(item) === false) return
    if (++steps % STEPS !== 0 || clock.monotonic() - began < SLICE_MS) continue
    await new Promise<void>((resolve) => setImmediate(resolve))
    began = clock.monotonic()
  }
}
