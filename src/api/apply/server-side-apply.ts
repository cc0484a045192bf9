// Server-side apply: merges a configuration, removes what its manager no longer names and nobody else owns, and refuses to take what others own.
import { equal } from '#api/equal.ts'
import { apiVersionOf, type KubeObject, type ManagedFieldsEntry, parseApiVersion } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { type StatusCause, StatusError } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { compareTexts } from '#lib/order.ts'
import { checkApplied } from './check-applied.ts'
import { type Converting, PAUSE, settle } from './conversions.ts'
import { emptyObject } from './empty-object.ts'
import { difference, type Fields, intersection, isEmpty, NO_FIELDS, pathsOf, recursiveDifference, union } from './fields.ts'
import { fieldSetOf, withNamedFields } from './field-set.ts'
import { fieldsLastApplied, renewLastApplied } from './last-applied.ts'
import { decodeManagers, encodeManagers, formatManager, identityOf, type Manager, type Managers } from './managers.ts'
import { formatPath } from './path-element.ts'
import { mergeApplied, removeFields } from './merge.ts'
import { setManagedFields, settled, withoutManagedFields } from './track-update.ts'
import { type Conflict, type Ownership, takeOver, withoutNeverOwned } from './update.ts'

export interface ApplyOptions extends Ownership {
  kind: { group: string; version: string; kind: string }
  manager: string
  subresource?: string
  /** Takes over what others own instead of refusing. */
  force?: boolean
  now: number
}

/** kubectl may take over from its own past as a client-side applier. */
const KUBECTL = 'kubectl'

/** The object after the apply, managedFields included; `live` itself when nothing changes. Nothing given is changed. */
export function serverSideApply(live: KubeObject | undefined, patch: KubeObject, options: ApplyOptions): KubeObject {
  return settle(applying(live, patch, options), options.versions)
}

export function* applying(live: KubeObject | undefined, patch: KubeObject, options: ApplyOptions): Converting<KubeObject> {
  const { schema, manager, now } = options
  checkPatch(live, patch, options)
  const before = live?.metadata?.managedFields
  const current = live ? withoutManagedFields(live) : {}
  const managers = decodeManagers(before) ?? new Map<string, Manager>()
  if (live && managers.size === 0) yield* ownBeforeFirstApply(managers, current, options)

  const attempt = (force: boolean) => applyOnce(new Map(managers), current, patch, { ...options, force })
  let result = yield* attempt(options.force ?? false)
  if (result.conflicts.length && manager === KUBECTL && live) {
    const allowed = fieldsLastApplied(schema, current, options.apiVersion)
    const left = result.conflicts.flatMap(({ owner, fields }) => {
      const beyond = difference(fields, allowed)
      return isEmpty(beyond) ? [] : [{ owner, fields: beyond }]
    })
    result = left.length ? { ...result, conflicts: left } : yield* attempt(true)
  }
  if (result.conflicts.length) throw conflictError(result.conflicts)

  if (options.paced) yield PAUSE
  const merged = manager === KUBECTL ? renewLastApplied(result.object, patch) : result.object
  const own = result.managers.get(result.self)
  const changed = !live || !equal(merged, current)
  const previous = managers.get(result.self)
  if (own && (changed || !previous || !equal(previous.fields, own.fields)))
    result.managers.set(result.self, { ...own, time: formatTime(now) })
  const entries = settled(before, encodeManagers(result.managers))
  if (!changed && entries === (before ?? entries) && (before || entries.length === 0)) return live
  return withEntries(merged, entries)
}

interface Attempt {
  object: KubeObject
  managers: Managers
  conflicts: Conflict[]
  self: string
}

function* applyOnce(managers: Managers, current: KubeObject, patch: KubeObject, options: ApplyOptions): Converting<Attempt> {
  const { schema, apiVersion, manager, subresource, force } = options
  if (options.paced) yield PAUSE
  const fields = recursiveDifference(fieldSetOf(schema, patch), options.ignored ?? NO_FIELDS)
  const applier: Manager = { manager, operation: 'Apply', apiVersion, fields, ...(subresource ? { subresource } : {}) }
  const self = identityOf(applier)
  const last = managers.get(self)
  managers.set(self, { ...applier, ...(last?.time ? { time: last.time } : {}) })
  if (options.paced) yield PAUSE
  const merged = mergeApplied(schema, current, patch) as KubeObject
  const object = last ? yield* prune(merged, { last, fields }, managers, options) : merged
  if (options.paced) yield PAUSE
  const { conflicts } = yield* takeOver(managers, current, object, { ...options, self })
  const owned = withoutNeverOwned(fields)
  if (isEmpty(owned)) managers.delete(self)
  else managers.set(self, { ...managers.get(self)!, fields: owned })
  return { object, managers, conflicts: force ? [] : conflicts, self }
}

/** Removes what the manager applied last time, unless someone (the manager itself included) owns it now. */
function* prune(
  merged: KubeObject,
  { last, fields }: { last: Manager; fields: Fields },
  managers: Managers,
  { schema, apiVersion, versions }: ApplyOptions,
): Converting<KubeObject> {
  // All of it is named again: there is nothing to remove.
  if (last.apiVersion === apiVersion && isEmpty(difference(last.fields, fields))) return merged
  const versionOf = (one: Manager) => (versions ? one.apiVersion : apiVersion)
  const schemaAt = (at: string) => (at === apiVersion ? schema : versions?.schemaOf(at))
  const owned = new Map<string, Fields>()
  for (const one of managers.values()) owned.set(versionOf(one), union(owned.get(versionOf(one)) ?? {}, one.fields))
  const lastVersion = versionOf(last)
  const lastSchema = schemaAt(lastVersion)
  const start = lastSchema && (yield* seenAt(lastVersion, { objects: [merged], from: apiVersion }))
  // Where that version is gone the merge stands as it is.
  if (!lastSchema || !start) return merged
  const membersOf = (at: Schema, object: KubeObject) => withNamedFields(at, fieldSetOf(at, object))
  const without = (at: Schema, object: KubeObject, fields: Fields) => (removeFields(at, object, fields) ?? {}) as KubeObject
  const [first] = start as [KubeObject]
  let whole = first
  let kept = without(lastSchema, whole, withNamedFields(lastSchema, last.fields))
  let version = lastVersion
  // Those of that version first: what they keep may be what a conversion needs.
  for (const at of new Set([lastVersion, ...owned.keys()])) {
    const atSchema = schemaAt(at)
    const theirs = owned.get(at)
    const seen = atSchema && theirs && (yield* seenAt(at, { objects: [whole, kept], from: version }))
    if (!atSchema || !theirs || !seen) continue
    const [all, left] = seen as [KubeObject, KubeObject]
    const stays = union(membersOf(atSchema, left), withNamedFields(atSchema, theirs))
    whole = all
    kept = without(atSchema, all, difference(membersOf(atSchema, all), stays))
    version = at
  }
  const [back = first] = (yield* seenAt(lastVersion, { objects: [kept], from: version })) ?? []
  const lost = difference(membersOf(lastSchema, first), membersOf(lastSchema, back))
  const pruned = without(lastSchema, first, intersection(lost, withNamedFields(lastSchema, last.fields)))
  const [result = merged] = (yield* seenAt(apiVersion, { objects: [pruned], from: lastVersion })) ?? []
  return result
}

function* seenAt(
  apiVersion: string,
  { objects, from }: { objects: readonly KubeObject[]; from: string },
): Converting<readonly KubeObject[] | undefined> {
  return apiVersion === from ? objects : yield { objects, apiVersion }
}

/** What was there before anyone's fields were known belongs to a manager of that name, so that applying does not silently take it. */
function* ownBeforeFirstApply(managers: Managers, current: KubeObject, options: ApplyOptions): Converting<void> {
  const { comparison } = yield* takeOver(new Map(), emptyObject(options.schema) as KubeObject, current, options)
  const fields = withoutNeverOwned(union(comparison.added, comparison.modified))
  if (isEmpty(fields)) return
  const { apiVersion, now, subresource } = options
  const owner: Manager = {
    manager: 'before-first-apply',
    operation: 'Update',
    apiVersion,
    time: formatTime(now),
    fields,
    ...(subresource ? { subresource } : {}),
  }
  managers.set(identityOf(owner), owner)
}

function checkPatch(live: KubeObject | undefined, patch: KubeObject, { kind, schema, apiVersion, manager }: ApplyOptions): void {
  if (patch.metadata?.managedFields) throw new StatusError('BadRequest', 'metadata.managedFields must be nil')
  if (patch.apiVersion !== apiVersion) {
    const why = `Specified patch version: ${patch.apiVersion ?? ''}, expected: ${apiVersion}`
    throw new StatusError('BadRequest', `Incorrect version specified in apply patch. ${why}`)
  }
  if (!manager) {
    const message = 'Required value: is required for apply patch'
    throw new StatusError('Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${message}`, {
      details: { group: 'meta.k8s.io', kind: 'PatchOptions', causes: [{ reason: 'FieldValueRequired', message, field: 'fieldManager' }] },
    })
  }
  const errors = checkApplied(schema, patch)
  if (errors.length === 0) return
  const { namespace = live?.metadata?.namespace ?? '', name = live?.metadata?.name ?? '' } = patch.metadata ?? {}
  const { group, version } = parseApiVersion(apiVersionOf(kind))
  const text = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`
  throw new StatusError('', `failed to create typed patch object (${namespace}/${name}; ${group}/${version}, Kind=${kind.kind}): ${text}`)
}

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const found = conflicts
    .flatMap(({ owner, fields }) => [...pathsOf(fields)].map((path) => ({ owner: formatManager(owner), field: formatPath(path) })))
    .sort((a, b) => compareTexts(a.owner, b.owner))
  const causes: StatusCause[] = found.map(({ owner, field }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${owner}`,
    field,
  }))
  const [first] = found
  let message = `Apply failed with 1 conflict: conflict with ${first!.owner}: ${first!.field}`
  if (found.length > 1) {
    const lines: string[] = []
    for (const [index, { owner, field }] of found.entries()) {
      if (owner !== found[index - 1]?.owner) lines.push(`conflicts with ${owner}:`)
      lines.push(`- ${field}`)
    }
    message = `Apply failed with ${found.length} conflicts: ${lines.join('\n')}`
  }
  return new StatusError('Conflict', message, { details: { causes } })
}

function withEntries(object: KubeObject, entries: readonly ManagedFieldsEntry[]): KubeObject {
  const copy: KubeObject = { ...object, metadata: { ...object.metadata } }
  setManagedFields(copy, entries)
  return copy
}
