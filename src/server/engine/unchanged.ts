// Whether a write would change anything: where it is kept, and but for times.
import { clone, getOwn, type JsonObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

/** What two versions of a kind show differently may be one thing where it is kept. */
export function isUnchanged({ convert }: Kind, next: KubeObject, present: KubeObject): boolean {
  if (isSame(next, present)) return true
  return convert !== undefined && isSame(convert.toStorage(clone(next)), convert.toStorage(clone(present)))
}

/** Times of field managers alone are no change. What is mostly changed is looked at first: all but metadata. */
function isSame(next: KubeObject, present: KubeObject): boolean {
  const [after, before] = [next.metadata, present.metadata]
  if (!sameRest(next as unknown as JsonObject, present as unknown as JsonObject)) return false
  if (equal(after, before)) return true
  const { managedFields: managers, ...meta } = after ?? {}
  const { managedFields: managersBefore, ...metaBefore } = before ?? {}
  if (!managers && !managersBefore) return false
  const timeless = (entries: typeof managers) => entries?.map(({ time: _time, ...entry }) => entry) ?? []
  return equal(meta, metaBefore) && equal(timeless(managers), timeless(managersBefore))
}

function sameRest(next: JsonObject, present: JsonObject): boolean {
  for (const name in present) if (name !== 'metadata' && present[name] !== undefined && getOwn(next, name) === undefined) return false
  for (const name in next) {
    if (name === 'metadata' || next[name] === undefined) continue
    if (!Object.hasOwn(present, name) || !equal(next[name], present[name])) return false
  }
  return true
}
