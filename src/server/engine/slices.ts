// Long work in slices: the loop gets a turn whenever a slice has taken its few milliseconds.
import type { Clock } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'

const SLICE_MS = 4
/** Asking the time costs more than a step, unless one has much to look at. */
const STEPS = 64
const LARGE_BYTES = 64 * 1024

/** Calls `step` for every item; `step` returns false to stop. Waits only when a slice is over. */
export async function inSlices<T>(
  items: Iterable<T>,
  clock: Clock,
  { step, bytesOf }: { step: (item: T) => boolean | void; bytesOf: (item: T) => number },
): Promise<void> {
  let began = clock.monotonic()
  let steps = 0
  for (const item of items) {
    if (step(item) === false) return
    const isLarge = bytesOf(item) > LARGE_BYTES
    if ((++steps % STEPS !== 0 && !isLarge) || clock.monotonic() - began < SLICE_MS) continue
    await nextTurn()
    began = clock.monotonic()
  }
}
