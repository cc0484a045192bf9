// Whether a write would change anything: where it is kept, and but for times.
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

/** What two versions of a kind show differently may be one thing where it is kept. */
export function isUnchanged({ convert }: Kind, next: KubeObject, present: KubeObject): boolean {
  if (isSame(next, present)) return true
  return convert !== undefined && isSame(convert.toStorage(clone(next)), convert.toStorage(clone(present)))
}

/** Times of field managers alone are no change. */
function isSame(next: KubeObject, present: KubeObject): boolean {
  if (equal(next, present)) return true
  if (!next.metadata?.managedFields && !present.metadata?.managedFields) return false
  const timeless = (object: KubeObject) => object.metadata?.managedFields?.map(({ time: _time, ...entry }) => entry) ?? []
  return (
    equal(
      { ...next, metadata: { ...next.metadata, managedFields: [] } },
      { ...present, metadata: { ...present.metadata, managedFields: [] } },
    ) && equal(timeless(next), timeless(present))
  )
}
