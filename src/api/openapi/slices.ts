// Long work in slices: whoever builds something large lets others have the loop in between.
import { nextTurn } from '#lib/paced.ts'

const SLICE = 16
const SLICE_BYTES = 64 * 1024

/** To be awaited after each step, with the bytes it came to if that may be many; gives way when that adds up. */
export function slices(): (bytes?: number) => Promise<void> {
  let share = 0
  return async (bytes = 0) => {
    share += 1 / SLICE + bytes / SLICE_BYTES
    if (share < 1) return
    share = 0
    await nextTurn()
  }
}
