// Field ownership of creates, updates and patches: whoever changes a field owns it, whoever it is taken from does not.
import { equal } from '#api/equal.ts'
import type { KubeObject, ManagedFieldsEntry } from '#api/object.ts'
import { formatTime } from '#lib/clock.ts'
import { type Comparison, compareObjects } from './compare.ts'
import { type Converting, PAUSE, settle } from './conversions.ts'
import { createdFields } from './created-fields.ts'
import { emptyObject, withEmptyStatus } from './empty-object.ts'
import { type Fields, isEmpty, NO_FIELDS, union } from './fields.ts'
import {
  capUpdateManagers,
  decodeManagers,
  encodeManagers,
  identityOf,
  isReset,
  MAX_UPDATE_MANAGERS,
  type Manager,
  type Managers,
  sameButForTimes,
} from './managers.ts'
import { ownedAgain } from './owned-again.ts'
import { type Ownership, takeOver, withoutIgnored, withoutNeverOwned } from './update.ts'

export interface TrackUpdateOptions extends Ownership {
  manager: string
  subresource?: string
  now: number
}

export function trackUpdate(live: KubeObject | undefined, next: KubeObject, options: TrackUpdateOptions): void {
  settle(trackingUpdate(live, next, options), options.versions)
}

/**
 * Sets `next.metadata.managedFields`; `next` is otherwise untouched and `live` (absent on create) not changed at all.
 * What `next` brings as managedFields is honoured on the main resource, as a client may edit them.
 */
export function* trackingUpdate(live: KubeObject | undefined, next: KubeObject, options: TrackUpdateOptions): Converting<void> {
  const { manager, subresource = '', apiVersion, now, paced } = options
  const before = live?.metadata?.managedFields
  const [from, bare] = bareObjects(live, next, options)
  // In one step: not where others want a turn meanwhile.
  const compared = from && !paced ? comparedAtOnce(from, bare, options) : undefined
  if (compared && before && mayBeOwnedAgain(before, next, subresource)) {
    const again = ownedAgain(before, withoutIgnored(compared, options.ignored ?? NO_FIELDS), { manager, subresource, apiVersion, now })
    if (again) return setManagedFields(next, again)
  }
  if (paced) yield PAUSE
  const managers = managersFrom(before, next.metadata?.managedFields, subresource)
  if (paced) yield PAUSE
  let tookSomething = false
  // An object nobody owns a field of stays so until someone applies to it.
  if (managers.size > 0 || !live) {
    const updater = identityOf({ manager, operation: 'Update', apiVersion, subresource })
    const fields =
      live || managers.size > 0
        ? yield* changedFields(managers, { live: from, next: bare, updater, compared, ...options })
        : createdFields(bare, options)
    if (paced) yield PAUSE
    tookSomething = !isEmpty(fields)
    if (tookSomething) {
      const own: Manager = {
        manager,
        operation: 'Update',
        apiVersion,
        time: formatTime(now),
        fields,
        ...(subresource ? { subresource } : {}),
      }
      const previous = managers.get(updater)
      managers.set(updater, previous ? { ...own, fields: union(own.fields, previous.fields) } : own)
    }
    if (paced) yield PAUSE
    capUpdateManagers(managers)
  }
  if (paced) yield PAUSE
  const entries = encodeManagers(managers)
  setManagedFields(next, tookSomething ? entries : settled(before, entries))
}

/** Taken from whoever had them. What the endpoint does not own is not among them. */
function* changedFields(
  managers: Managers,
  {
    live,
    next,
    ...ownership
  }: Ownership & {
    live: KubeObject | undefined
    next: KubeObject
    updater: string
    compared: Comparison | undefined
  },
): Converting<Fields> {
  const { schema } = ownership
  const from = live ? withEmptyStatus(schema, live) : emptyObject(schema)
  const { comparison } = yield* takeOver(managers, from, withEmptyStatus(schema, next), ownership)
  return withoutNeverOwned(union(comparison.added, comparison.modified))
}

function comparedAtOnce(live: KubeObject, next: KubeObject, { schema }: Ownership): Comparison {
  return compareObjects(schema, withEmptyStatus(schema, live), withEmptyStatus(schema, next))
}

/** Whether it is the managers that are there who count, and not what a client says of them. */
function mayBeOwnedAgain(before: readonly ManagedFieldsEntry[], { metadata }: KubeObject, subresource: string): boolean {
  const given = metadata?.managedFields
  return before.length > 0 && before.length <= MAX_UPDATE_MANAGERS && (subresource !== '' || given === undefined || given === before)
}

/** Without their managers. Where those are the very same they make no difference, and nothing needs to be copied; others see objects without. */
function bareObjects(
  live: KubeObject | undefined,
  next: KubeObject,
  { versions }: TrackUpdateOptions,
): [live: KubeObject | undefined, next: KubeObject] {
  if (!versions && live && live.metadata?.managedFields === next.metadata?.managedFields) return [live, next]
  return [live && withoutManagedFields(live), withoutManagedFields(next)]
}

function managersFrom(
  before: readonly ManagedFieldsEntry[] | undefined,
  given: readonly ManagedFieldsEntry[] | undefined,
  subresource: string,
): Managers {
  if (!before && !given) return new Map()
  if (subresource === '') {
    if (isReset(given)) return new Map()
    // A client's own copy of what is there: the entries themselves are read faster.
    if (before && equal(given, before)) return decodeManagers(before) ?? new Map()
    const decoded = decodeManagers(given)
    if (decoded && decoded.size > 0) return decoded
  }
  return decodeManagers(before) ?? new Map()
}

/** The entries as they were where nothing but times would change. */
export function settled(before: readonly ManagedFieldsEntry[] | undefined, after: ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  return before && sameButForTimes(before, after) ? before : after
}

export function withoutManagedFields(object: KubeObject): KubeObject {
  if (!object.metadata?.managedFields) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

export function setManagedFields(object: KubeObject, entries: readonly ManagedFieldsEntry[]): void {
  if (entries.length) (object.metadata ??= {}).managedFields = entries as ManagedFieldsEntry[]
  else if (object.metadata) delete object.metadata.managedFields
}
