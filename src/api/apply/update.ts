// Who owns what after a change: shared by updates and applies. A manager's set stays in the version it was made in: the objects are seen there.
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { type Comparison, compareObjects } from './compare.ts'
import { type Converting, PAUSE, type Versions } from './conversions.ts'
import { covers, difference, type Fields, fieldsOf, intersection, isEmpty, NO_FIELDS, recursiveDifference, union } from './fields.ts'
import type { Manager, Managers } from './managers.ts'

export interface Ownership {
  schema: Schema
  /** Version the objects are of. */
  apiVersion: string
  /** Fields that this endpoint never owns, with all below them; see `ignoredFields`. */
  ignored?: Fields
  /** Absent: all versions of the kind have the same fields. */
  versions?: Versions
  /** Whether others may have a turn between one walk over an object and the next: every write of a controller comes by here, and need not stop. */
  paced?: boolean
}

/** Identity, bookkeeping of the server: never owned by anyone. */
const NEVER_OWNED = fieldsOf(
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation', 'managedFields', 'resourceVersion'].map(
    (field) => ['f:metadata', `f:${field}`],
  ),
)

export function withoutNeverOwned(fields: Fields): Fields {
  for (const element in NEVER_OWNED) if (fields[element]) return difference(fields, NEVER_OWNED)
  return fields
}

const STATUS_ONLY = fieldsOf(['f:status'])
const ALL_BUT_STATUS = fieldsOf(['f:spec'], ['f:metadata', 'f:deletionTimestamp'], ['f:metadata', 'f:ownerReferences'])

/** What the endpoint of a subresource does not own, where the kind says no more: the main one no status, the status one no spec. */
export function ignoredFields(hasStatus: boolean, subresource: string): Fields {
  if (subresource === 'status') return ALL_BUT_STATUS
  return subresource === '' && hasStatus ? STATUS_ONLY : NO_FIELDS
}

export function withoutIgnored({ added, modified, removed }: Comparison, ignored: Fields): Comparison {
  return {
    added: recursiveDifference(added, ignored),
    modified: recursiveDifference(modified, ignored),
    removed: recursiveDifference(removed, ignored),
  }
}

export interface Conflict {
  owner: Manager
  fields: Fields
}

/**
 * Takes changed fields from all managers but `self`, and removed ones from all. What `updater` would lose he is given back by whoever asks.
 * Returns the comparison at the change's own version, and those who lost something: conflicts, if the change was an apply.
 */
export function* takeOver(
  managers: Managers,
  live: KubeObject,
  next: KubeObject,
  { self, updater, ...ownership }: Ownership & { self?: string; updater?: string; compared?: Comparison | undefined },
): Converting<{ comparison: Comparison; conflicts: Conflict[] }> {
  const { ignored = NO_FIELDS, schema, apiVersion, versions, paced, compared } = ownership
  const without = (comparison: Comparison) => withoutIgnored(comparison, ignored)
  if (paced) yield PAUSE
  const whole = compared ?? compareObjects(schema, live, next)
  if (paced) yield PAUSE
  const comparison = without(whole)
  // Where nothing changes nothing changes in any version.
  const changed = !isEmpty(whole.added) || !isEmpty(whole.modified) || !isEmpty(whole.removed)
  const byVersion = new Map<string, Comparison | undefined>([[apiVersion, comparison]])
  const conflicts: Conflict[] = []
  for (const [id, owner] of managers) {
    if (id === self) continue
    const at = versions ? owner.apiVersion : apiVersion
    if (!byVersion.has(at)) {
      const theirs = versions?.schemaOf(at)
      const objects = theirs && changed ? yield { objects: [live, next], apiVersion: at } : undefined
      if (paced) yield PAUSE
      const seen = theirs && !changed ? comparison : objects && without(compareObjects(theirs!, objects[0]!, objects[1]!))
      byVersion.set(at, seen)
    }
    const change = byVersion.get(at)
    if (!change) {
      managers.delete(id)
      continue
    }
    if (paced) yield PAUSE
    const taken = union(change.modified, change.added)
    // Who writes his own fields again, as heartbeats do.
    if (id === updater && change.removed === NO_FIELDS && covers(owner.fields, taken)) continue
    const lost = intersection(owner.fields, taken)
    if (!isEmpty(lost)) conflicts.push({ owner, fields: lost })
    const fields = difference(difference(owner.fields, lost), change.removed)
    if (isEmpty(fields)) managers.delete(id)
    else if (fields !== owner.fields) managers.set(id, { ...owner, fields })
  }
  return { comparison, conflicts }
}
