// PUT, PATCH and the server's own changes, one loop: read what is there, build what is wanted from it, check, write; again when another was faster.
// What a subresource may not touch is taken from the present object; a write that changes nothing writes nothing.
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { invalid } from '#api/field-error.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { conflictError, invalidError, notFoundError, StatusError } from '#api/status.ts'
import { nextTurn } from '#lib/paced.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { assertAllowed } from '#server/access/authorizers.ts'
import { RevisionMismatch } from '#store/store.ts'
import { hasGrown, isHeavy } from './apart.ts'
import { admissionCase, mutatingAdmission, validatingAdmission } from './admit.ts'
import { createObject, dedupOwners } from './create.ts'
import { isReadyToGo } from './deletion.ts'
import { servedObject, unstored } from './encoding.ts'
import { current, type Engine, hasStatus, LARGE_OBJECT_BYTES, type Mutable, storageKey, type Write, type Written } from './engine.ts'
import { recordUpdate } from './field-managers.ts'
import { Effects, hookContext, refuseInvalid } from './hooks.ts'
import { parseAhead } from './object-apart.ts'
import { persist, remove } from './persist.ts'
import { isUnchanged } from './unchanged.ts'
import { overtaken } from './write-queues.ts'

export interface Change {
  /** What is wanted, from what is there (frozen; undefined: nothing is). The result is the engine's to keep; may be asked for again. */
  build(present: KubeObject | undefined, stored?: StoredObject): KubeObject | Promise<KubeObject>
  /** What to do when nothing is there; refused as NotFound unless said. */
  create?: boolean
  /** PUT replaces: kinds that insist on a resourceVersion do so here. */
  replaces?: boolean
  /** `build` has settled the field managers itself (apply). */
  managed?: boolean
  /** `build` says what is wanted, not what was seen: it can wait until a crowd is through. */
  waits?: boolean
}

/** Tries as long as whoever asks waits: each time somebody else has got through. */
export async function updateObject(engine: Engine, write: Write, { key, change }: { key: ObjectKey; change: Change }): Promise<Written> {
  const { kind } = write.resource
  const at = storageKey(write.resource, key)
  using place = engine.writeQueues.place(at)
  if (change.waits && place.isCrowded) await place.turn()
  for (;;) {
    const stored = await current(engine, write.resource, at)
    if (!stored && !change.create) throw await absent(kind, key, change)
    if (stored && stored.bytes.length > LARGE_OBJECT_BYTES) await parseAhead(engine, write.resource, stored)
    const present = stored && servedObject(write.resource, stored, engine.mirror.recent)
    const next = (await change.build(present, stored)) as Mutable
    let pinned = false
    try {
      if (!stored || !present) return await createAbsent(engine, write, { key, next, change })
      pinned = checkIdentity(write, next, { present: present as Mutable, replaces: change.replaces === true })
      return await replace(engine, write, { stored, present: present as Mutable, next, change })
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error
      if (!error.actual && !change.create) throw notFoundError(kind, key.name)
      if (pinned) throw conflictError(kind, key.name)
      await overtaken(engine, write, { place, actual: error.actual })
    }
  }
}

async function createAbsent(
  engine: Engine,
  write: Write,
  { key, next, change }: { key: ObjectKey; next: Mutable; change: Change },
): Promise<Written> {
  const meta = (next.metadata ??= {})
  if (meta.uid)
    throw conflictError(
      write.resource.kind,
      key.name,
      `uid mismatch: the provided object specified uid ${meta.uid}, and no existing object was found`,
    )
  if (meta.resourceVersion && change.replaces) throw notFoundError(write.resource.kind, key.name)
  delete meta.resourceVersion
  meta.name ??= key.name
  // Creating by update is creating: it needs that right, and is asked for as such by those who admit.
  const attributes = { ...write.attributes, verb: 'create' }
  if (engine.authorizer && !write.trusted) await assertAllowed(engine.authorizer, attributes)
  return createObject(engine, { ...write, attributes }, next, { managed: change.managed === true, triesAgain: true })
}

/** A replacement that names the object it was read from meets another one, were it none at all. */
async function absent(kind: Kind, key: ObjectKey, change: Change): Promise<StatusError> {
  const given = change.replaces ? (await change.build(undefined)).metadata?.uid : undefined
  return given ? otherObject(kind, key, { given, uid: '' }) : notFoundError(kind, key.name)
}

/** Whether the writer named the version it saw; refuses one that is not the present one, and another object of the same name. */
function checkIdentity(
  { resource: { kind } }: Write,
  next: Mutable,
  { present, replaces }: { present: Mutable; replaces: boolean },
): boolean {
  const meta = (next.metadata ??= {})
  const { name = '', uid, resourceVersion } = present.metadata!
  if (meta.uid && meta.uid !== uid) {
    // A patch does not say what it was made for: it only tries to change what nobody can.
    if (!replaces) throw invalidError(kind, name, [invalid('metadata.uid', meta.uid, 'field is immutable')])
    throw otherObject(kind, present.metadata as ObjectKey, { given: meta.uid, uid: uid! })
  }
  const given = meta.resourceVersion && meta.resourceVersion !== '0' ? meta.resourceVersion : undefined
  if (given && given !== resourceVersion) throw conflictError(kind, name)
  if (!given && replaces && kind.requireResourceVersionOnUpdate)
    throw invalidError(kind, name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')])
  return given !== undefined && replaces
}

function otherObject(kind: Kind, { namespace, name }: ObjectKey, { given, uid }: { given: string; uid: string }): StatusError {
  const builtIn = kind.schema.name !== undefined
  const key = ['/registry', ...(builtIn ? [] : [kind.group]), kind.plural, ...(namespace ? [namespace] : []), name].join('/')
  const precondition = `Precondition failed: UID in precondition: ${given}, UID in object meta: ${uid}`
  return conflictError(
    kind,
    name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${precondition}`,
  )
}

interface Replacement {
  stored: StoredObject
  present: Mutable
  next: Mutable
  change: Change
}

async function replace(engine: Engine, write: Write, { stored, present, next, change }: Replacement): Promise<Written> {
  const { resource, dryRun, warn } = write
  const { kind } = resource
  const large = write.large === true || stored.bytes.length > LARGE_OBJECT_BYTES
  let heavy = isHeavy(write, next, { stored, present })
  if (large) await nextTurn()
  isolate(write, next, present)
  if (large) await nextTurn()
  const recording = write.trusted !== 'plain' && !change.managed && recordUpdate(engine, write, { next, present, stored, heavy })
  if (recording) await recording
  dedupOwners(next, write)
  if (large) await nextTurn()
  const { view } = write
  const seen = () => (view ? view.of(next) : next)
  const request = admissionCase(write, { operation: 'UPDATE', object: seen(), oldObject: view ? view.of(present) : present })
  if (!write.trusted) {
    const changed = await mutatingAdmission(engine, request)
    view?.into(next, request.object!)
    dedupOwners(next, write)
    heavy ||= changed && hasGrown(write, next)
  }
  const context = hookContext(engine, write)
  kind.prepareForUpdate?.(next, present, context)
  using effects = new Effects()
  settleMetadata(write, next, present)
  await effects.begin(engine, write, next, present)
  const same = await refuseInvalid(engine, write, { next, previous: present, stored, context, heavy })
  // What a subresource writes is no plan of anybody's; but a scale is.
  if (!context.subresource || context.subresource === 'scale') for (const text of kind.warnings?.(next, present) ?? []) warn(text)
  if (!write.trusted) await validatingAdmission(engine, view ? { ...request, object: seen() } : request)
  if (isReadyToGo(kind, next, present)) {
    // No later one, though more may be here: whoever waits to see it gone waits for this.
    const revision = await remove(engine, write, stored)
    effects.commit()
    return { stored: unstored(resource, { key: stored.key, object: next, revision }), created: false }
  }
  if (large) await nextTurn()
  if ((same ?? isUnchanged(kind, next, present)) && (dryRun || !engine.store.isStale?.(stored.key))) return { stored, created: false }
  if (large) await nextTurn()
  const written = await persist(engine, write, { object: next, replaced: stored, heavy })
  effects.commit()
  return { stored: written, created: false }
}

/** Takes from the present object what this request may not touch. */
function isolate({ resource: { kind }, attributes: { subresource }, trusted }: Write, next: Mutable, present: Mutable): void {
  if (subresource === 'status') {
    const take = (field: string) => {
      if (field === 'status' || field === 'metadata' || next[field] === present[field]) return
      // Nobody is asked to change it: the frozen one will do.
      if (trusted && present[field] !== undefined) next[field] = present[field]
      else keep(next, present, field)
    }
    for (const field of Object.keys(next)) take(field)
    for (const field of Object.keys(present)) take(field)
  } else if (!subresource && hasStatus(kind)) keep(next, present, 'status')
}

function keep(next: Mutable, present: Mutable, field: string): void {
  if (present[field] === undefined) delete next[field]
  else next[field] = clone(present[field])
}

const SERVER_SET = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'selfLink',
  'resourceVersion',
] as const

/** Writes that carry out what the object wants, not what somebody wants of it: no new generation. */
const FULFILLING = new Set(['status', 'binding'])

function settleMetadata({ resource: { kind }, attributes }: Write, next: Mutable, present: Mutable): void {
  const meta = { ...next.metadata } as Record<string, unknown> & NonNullable<KubeObject['metadata']>
  const old = present.metadata as Record<string, unknown> & NonNullable<KubeObject['metadata']>
  next.metadata = meta
  for (const field of SERVER_SET) {
    if (old[field] === undefined) delete meta[field]
    else (meta as Record<string, unknown>)[field] = old[field]
  }
  meta.name ??= old.name!
  if (kind.scope === 'Namespaced') meta.namespace ??= old.namespace!
  else delete meta.namespace
  if (kind.generationOf && !FULFILLING.has(attributes.subresource) && !equal(kind.generationOf(next), kind.generationOf(present)))
    meta.generation = (old.generation ?? 0) + 1
}

/** The object of a PUT must be the one its URL names. */
export function checkNames({ resource: { kind } }: Write, key: ObjectKey, object: KubeObject): void {
  const meta = (object.metadata ??= {})
  if (!meta.name)
    throw new StatusError('BadRequest', `the name of the object (${key.name} based on URL) was undeterminable: name must be provided`)
  if (meta.name !== key.name)
    throw new StatusError('BadRequest', `the name of the object (${meta.name}) does not match the name on the URL (${key.name})`)
  if (kind.scope === 'Cluster') delete meta.namespace
  else if (!meta.namespace) meta.namespace = key.namespace!
  else if (meta.namespace !== key.namespace)
    throw new StatusError(
      'BadRequest',
      `the namespace of the object (${meta.namespace}) does not match the namespace on the request (${key.namespace})`,
    )
}
