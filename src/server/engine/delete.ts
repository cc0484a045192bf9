// DELETE: at once, after a grace period, or when the last finalizer is gone.
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { ObjectKey } from '#api/object.ts'
import type { Kind } from '#api/kind.ts'
import { conflictError, notFoundError, qualified } from '#api/status.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { RevisionMismatch } from '#store/store.ts'
import { isHeavy } from './apart.ts'
import { admissionCase, mutatingAdmission, validatingAdmission } from './admit.ts'
import { type DeletionOptions, finalizersFor, graceFor, markDeleted, pendingFinalizers } from './deletion.ts'
import { servedObject } from './encoding.ts'
import { current, type Engine, LARGE_OBJECT_BYTES, type Mutable, storageKey, type Write } from './engine.ts'
import { Effects, hookContext } from './hooks.ts'
import { parseAhead } from './object-apart.ts'
import { persist, remove } from './persist.ts'
import { overtaken } from './write-queues.ts'

export interface Deleted {
  stored: StoredObject
  /** Nothing is left of it; else it waits for its grace period or its finalizers. */
  gone: boolean
}

export async function deleteObject(
  engine: Engine,
  write: Write,
  { key, options }: { key: ObjectKey; options: DeletionOptions },
): Promise<Deleted> {
  const { kind } = write.resource
  const at = storageKey(write.resource, key)
  using place = engine.writeQueues.place(at)
  for (;;) {
    const stored = await current(engine, write.resource, at)
    if (!stored) throw notFoundError(kind, key.name)
    if (stored.bytes.length > LARGE_OBJECT_BYTES) await parseAhead(engine, write.resource, stored)
    const present = servedObject(write.resource, stored, engine.mirror.recent) as Mutable
    checkPreconditions(write, present, options)
    if (!write.trusted) {
      const request = admissionCase(write, { operation: 'DELETE', oldObject: present })
      await mutatingAdmission(engine, request)
      await validatingAdmission(engine, request)
    }
    try {
      return await attemptDelete(engine, write, { stored, present, options })
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) throw error
      if (!error.actual) throw notFoundError(kind, key.name)
      if (options.preconditions?.resourceVersion) throw conflictError(kind, key.name)
      await overtaken(engine, write, { place, actual: error.actual })
    }
  }
}

async function attemptDelete(
  engine: Engine,
  write: Write,
  { stored, present, options }: { stored: StoredObject; present: Mutable; options: DeletionOptions },
): Promise<Deleted> {
  const { kind } = write.resource
  const grace = graceFor(kind, present, options.gracePeriodSeconds)
  if (grace === undefined) return { stored, gone: false }
  const finalizers = finalizersFor(kind, present, options.propagationPolicy)
  // Only its metadata changes, unless the kind says more.
  const next = kind.prepareForDelete ? clone(present) : { ...present, metadata: { ...present.metadata } }
  if (finalizers.length > 0) next.metadata!.finalizers = finalizers
  else delete next.metadata!.finalizers
  if (present.metadata!.deletionTimestamp === undefined) kind.prepareForDelete?.(next, hookContext(engine, write))
  if (grace === 0 && pendingFinalizers(kind, next).length === 0) {
    using effects = new Effects()
    await effects.begin(engine, write, undefined, present)
    const revision = await remove(engine, write, stored)
    effects.commit()
    return { stored: stored.at(revision), gone: true }
  }
  markDeleted(kind, next, { nowMs: engine.clock.now(), graceSeconds: grace })
  if (equal(next, present)) return { stored, gone: false }
  const heavy = isHeavy(write, next, { stored, present })
  return { stored: await persist(engine, write, { object: next, replaced: stored, heavy }), gone: false }
}

/** Refusals name the kind here, not the resource, as upstream's do. */
function checkPreconditions({ resource }: Write, present: Mutable, { preconditions }: DeletionOptions): void {
  const { name = '', uid, resourceVersion } = present.metadata!
  const kind = { group: resource.kind.group, plural: resource.kind.kind }
  if (preconditions?.uid !== undefined && preconditions.uid !== uid)
    throw conflictError(
      kind,
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    )
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion)
    throw conflictError(
      kind,
      name,
      `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    )
}

/** Kinds whose deletion answers with the object that is gone; others answer with a Status. */
const RETURNED = new Set([
  'csidrivers.storage.k8s.io',
  'csinodes.storage.k8s.io',
  'csistoragecapacities.storage.k8s.io',
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'storageclasses.storage.k8s.io',
  'volumeattachments.storage.k8s.io',
  'volumeattributesclasses.storage.k8s.io',
])

export function returnsDeleted(kind: Kind): boolean {
  return RETURNED.has(qualified(kind))
}
