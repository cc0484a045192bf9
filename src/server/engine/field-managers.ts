// Who manages which fields: kept in metadata.managedFields with every write. The arithmetic is the api room's; here is what it needs to know.
import { serverSideApply } from '#api/apply/server-side-apply.ts'
import { trackUpdate } from '#api/apply/track-update.ts'
import { ignoredFields, type Ownership, type Versions } from '#api/apply/update.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import type { Resource } from '#server/registry.ts'
import { type Engine, hasStatus, type Write } from './engine.ts'

export function recordCreate(engine: Engine, write: Write, object: KubeObject): void {
  if (write.fieldManager) trackUpdate(undefined, object, trackOptions(engine, write))
}

export function recordUpdate(engine: Engine, write: Write, next: KubeObject, present: KubeObject): void {
  if (write.fieldManager) trackUpdate(present, next, trackOptions(engine, write))
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
  const { kind } = resource
  const { subresource } = attributes
  const ownership: Ownership = {
    schema: kind.schema,
    apiVersion: apiVersionOf(kind),
    ignored: ignoredFields(hasStatus(kind), subresource),
    ...(resource.converts || kind.convert || engine.registry.siblings(resource).length > 1
      ? { versions: versionsOf(engine, resource) }
      : {}),
  }
  return { ...ownership, manager: fieldManager, now: engine.clock.now(), ...(subresource ? { subresource } : {}) }
}

/** Managers may have written at another served version of the kind. */
function versionsOf(engine: Engine, resource: Resource): Versions {
  return (apiVersion) => {
    const other = engine.registry.siblings(resource).find(({ kind }) => apiVersionOf(kind) === apiVersion)
    if (!other) return undefined
    return { schema: other.kind.schema, convert: (object) => between(resource.kind, other.kind, object) }
  }
}

function between(from: Kind, to: Kind, object: KubeObject): KubeObject {
  if (from === to) return object
  const storage = from.convert ? from.convert.toStorage(object) : object
  const converted = to.convert ? to.convert.fromStorage(storage) : storage
  return { ...converted, kind: to.kind, apiVersion: apiVersionOf(to) }
}
