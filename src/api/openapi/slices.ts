// Long work in slices: whoever builds something large lets others have the loop in between.
import { setImmediate } from 'node:timers/promises'

const SLICE = 16

/** To be awaited after each step; gives way every so many steps. */
export function slices(): () => Promise<void> {
  let calls = 0
  return async () => {
    if (++calls % SLICE === 0) await setImmediate()
  }
}
