// Who manages which fields: kept in metadata.managedFields with every write. The arithmetic is the api room's; here is what it needs to know.
import { serverSideApply } from '#api/apply/server-side-apply.ts'
import { setManagedFields, trackUpdate } from '#api/apply/track-update.ts'
import { ignoredFields, type Ownership, type Versions } from '#api/apply/update.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject, type ManagedFieldsEntry } from '#api/object.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { ownerOf, stepApart } from './apart.ts'
import { type Engine, hasStatus, type Write } from './engine.ts'

interface Recorded {
  next: KubeObject
  present?: KubeObject
  stored?: StoredObject
  /** Too much to be worked on here. */
  heavy: boolean
}

/** Nothing to wait for unless the object is heavy. */
export function recordCreate(engine: Engine, write: Write, created: Recorded): Promise<void> | void {
  if (created.heavy) return recordApart(engine, write, created)
  if (write.fieldManager) trackUpdate(undefined, created.next, trackOptions(engine, write))
}

/** Of what is asked and answered at once, and never stored. */
export function recordAsked(object: KubeObject, asked: { kind: Kind; manager: string; now: number; subresource?: string }): void {
  const { kind, ...about } = asked
  const ignored = ignoredFields(true, '')
  if (about.manager) trackUpdate(undefined, object, { schema: kind.schema, apiVersion: apiVersionOf(kind), ignored, ...about })
}

export function recordUpdate(engine: Engine, write: Write, updated: Recorded): Promise<void> | void {
  if (updated.heavy) return recordApart(engine, write, updated)
  if (write.fieldManager) trackUpdate(updated.present, updated.next, trackOptions(engine, write))
}

async function recordApart(engine: Engine, write: Write, { next, stored }: Recorded): Promise<void> {
  if (!write.fieldManager) return
  const step = { step: 'own', owner: ownerOf(engine, write) } as const
  const entries = await stepApart(engine, write, { step, wanted: next, stored })
  setManagedFields(next, (entries ?? []) as ManagedFieldsEntry[])
}

/** The object after an apply patch; the present one itself when nothing changes. */
export function applied(
  engine: Engine,
  write: Write,
  { present, patch, force }: { present: KubeObject | undefined; patch: KubeObject; force: boolean },
): KubeObject {
  return serverSideApply(present, patch, { ...trackOptions(engine, write), kind: write.resource.kind, force })
}

function trackOptions(engine: Engine, { resource, attributes, fieldManager }: Write) {
  const { kind, converts } = resource
  const { subresource } = attributes
  const siblings = engine.registry.siblings(resource).map((other) => other.kind)
  const ownership = ownershipOf(kind, { siblings, subresource, converts })
  return { ...ownership, manager: fieldManager, now: engine.clock.now(), ...(subresource ? { subresource } : {}) }
}

/** `siblings` are all served versions of the kind. */
export function ownershipOf(
  kind: Kind,
  { siblings, subresource, converts = false }: { siblings: readonly Kind[]; subresource: string; converts?: boolean },
): Ownership {
  return {
    schema: kind.schema,
    apiVersion: apiVersionOf(kind),
    ignored: ignoredFields(hasStatus(kind), subresource),
    ...(converts || kind.convert || siblings.length > 1 ? { versions: versionsOf(kind, siblings) } : {}),
  }
}

/** Managers may have written at another served version of the kind. */
function versionsOf(own: Kind, siblings: readonly Kind[]): Versions {
  return (apiVersion) => {
    const other = siblings.find((kind) => apiVersionOf(kind) === apiVersion)
    if (!other) return undefined
    return { schema: other.schema, convert: (object) => between(own, other, object) }
  }
}

function between(from: Kind, to: Kind, object: KubeObject): KubeObject {
  if (from === to) return object
  const storage = from.convert ? from.convert.toStorage(object) : object
  const converted = to.convert ? to.convert.fromStorage(storage) : storage
  return { ...converted, kind: to.kind, apiVersion: apiVersionOf(to) }
}
