// What a request names may have been made through another server a moment ago, and not be here yet.
import type { ObjectReader } from '#server/request.ts'

/** Acts at once where it is there; else when everything is here that was acknowledged so far, whether it is there then or not. */
export function onceThere(reader: ObjectReader, isThere: () => boolean, act: () => void): Promise<void> | void {
  const later = isThere() ? undefined : reader.fresh?.()
  return later ? later.then(act) : act()
}
