// POST: from what a client sent to a stored object. Order: own metadata, field managers, mutating admission, preparation, allocation,
// validation, validating admission, store.
import type { KubeObject } from '#api/object.ts'
import { alreadyExistsError, StatusError } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'
import { randomSuffix } from '#lib/random.ts'
import { RevisionMismatch } from '#store/store.ts'
import { hasGrown, isHeavy } from './apart.ts'
import { admissionCase, mutatingAdmission, validatingAdmission } from './admit.ts'
import { type Engine, hasStatus, type Mutable, storageKey, type Write, type Written } from './engine.ts'
import { recordCreate } from './field-managers.ts'
import { Effects, hookContext, refuseInvalid } from './hooks.ts'
import { persist } from './persist.ts'
import { refuseWithoutRoom } from './room.ts'
import { applyDefaults, emptyStatus } from './schema.ts'
import { clone } from '#api/clone.ts'

const NAME_ATTEMPTS = 8
/** A generated name is the base cut to this and five characters. */
const MAX_BASE_LENGTH = 58

interface CreateOptions {
  /** The field managers are settled (apply). */
  managed?: boolean
  /** Whoever asks has another way where the object is there by now: RevisionMismatch says so. */
  triesAgain?: boolean
}

/** `sent` is decoded, defaulted and the engine's to keep. */
export async function createObject(engine: Engine, write: Write, sent: KubeObject, options: CreateOptions = {}): Promise<Written> {
  refuseWithoutRoom(engine.room, write)
  const object = sent as Mutable
  const meta = (object.metadata ??= {})
  settleNamespace(write, object)
  if (meta.resourceVersion) throw new StatusError('', 'resourceVersion should not be set on objects to be created')
  const generated = !meta.name && meta.generateName
  if (!generated) return createNamed(engine, write, { object, ...options })
  const template = clone(object)
  for (let attempt = 1; ; attempt++) {
    const candidate = attempt === 1 ? object : clone(template)
    try {
      return await createNamed(engine, write, { object: candidate, ...options })
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') throw error
      if (attempt < NAME_ATTEMPTS) continue
      throw new StatusError('AlreadyExists', `${error.message}, the server was not able to generate a unique name for the object`, {
        details: { ...error.details, retryAfterSeconds: 1 },
      })
    }
  }
}

/** Steps are waited for though most have nothing to wait for: requests of one turn go through each together, while its code is at hand. */
async function createNamed(
  engine: Engine,
  write: Write,
  { object, managed = false, triesAgain = false }: CreateOptions & { object: Mutable },
): Promise<Written> {
  const { resource, large } = write
  const { kind } = resource
  dedupOwners(object, write)
  if (large) await nextTurn()
  let heavy = isHeavy(write, object)
  const recording = write.trusted !== 'plain' && !managed && recordCreate(engine, write, { next: object, heavy })
  if (recording) await recording
  if (!write.trusted) {
    const changed = await mutatingAdmission(engine, admissionCase(named(write, object), { operation: 'CREATE', object }))
    heavy ||= changed && hasGrown(write, object)
  }
  if (large) await nextTurn()
  // Those who change the object see it without the name it is going to have, and may give it one.
  if (!object.metadata!.name && object.metadata!.generateName)
    object.metadata!.name = object.metadata!.generateName.slice(0, MAX_BASE_LENGTH) + randomSuffix(engine.random)
  const context = hookContext(engine, write)
  prepare(engine, write, object)
  kind.prepareForCreate?.(object, { ...context, warn: (text) => write.warn(text) })
  using effects = new Effects()
  await effects.begin(engine, write, object, undefined)
  const meta = object.metadata!
  await refuseInvalid(engine, write, { next: object, context, heavy })
  for (const text of kind.warnings?.(object) ?? []) write.warn(text)
  if (!write.trusted) await validatingAdmission(engine, admissionCase(named(write, object), { operation: 'CREATE', object }))
  try {
    if (large) await nextTurn()
    if (write.dryRun) await refuseExisting(engine, write, object)
    const stored = await persist(engine, write, { object, heavy })
    effects.commit()
    return { stored, created: true }
  } catch (error) {
    if (error instanceof RevisionMismatch && !triesAgain) throw alreadyExistsError(kind, meta.name!)
    throw error
  }
}

/** A URL that creates names no object: the object itself does. */
const named = (write: Write, { metadata }: Mutable): Write => ({
  ...write,
  attributes: { ...write.attributes, name: metadata?.name ?? '' },
})

/** Metadata only the server sets, and what a client may not bring along. */
function prepare(engine: Engine, { resource: { kind } }: Write, object: Mutable): void {
  const meta = object.metadata!
  delete meta.deletionTimestamp
  delete meta.deletionGracePeriodSeconds
  delete meta.selfLink
  meta.uid = engine.random.uuid()
  meta.creationTimestamp = formatTime(engine.clock.now())
  if (kind.generationOf) meta.generation = 1
  else delete meta.generation
  if (hasStatus(kind) && !kind.createdWithStatus) {
    const status = emptyStatus(kind)
    if (status === undefined) delete object.status
    else object.status = status
    // Status defaults (phases) hold for the empty status too.
    applyDefaults(kind, object)
  }
}

/** The namespace of the URL, which the object may repeat but not contradict. */
function settleNamespace({ resource: { kind }, attributes }: Write, object: KubeObject): void {
  const meta = object.metadata!
  if (kind.scope === 'Cluster') {
    delete meta.namespace
    return
  }
  if (!meta.namespace) meta.namespace = attributes.namespace
  else if (meta.namespace !== attributes.namespace)
    throw new StatusError('BadRequest', 'the namespace of the provided object does not match the namespace sent on the request')
}

export function dedupOwners(object: KubeObject, write: Write): void {
  const owners = object.metadata?.ownerReferences
  if (!owners || owners.length < 2) return
  const seen = new Set<string>()
  const duplicates: string[] = []
  const kept = owners.filter((owner) => {
    const text = JSON.stringify(owner)
    if (seen.has(text)) duplicates.push(owner.uid)
    return seen.size !== seen.add(text).size
  })
  if (duplicates.length === 0) return
  object.metadata!.ownerReferences = kept
  write.warn(
    `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${duplicates.join(', ')}`,
  )
}

async function refuseExisting(engine: Engine, { resource }: Write, object: KubeObject): Promise<void> {
  const { namespace, name } = object.metadata!
  await engine.mirror.fresh()
  if (resource.cache.get(storageKey(resource, { namespace: namespace ?? '', name: name! }))) throw alreadyExistsError(resource.kind, name!)
}
