// Who manages which fields: kept in metadata.managedFields with every write. The arithmetic is the api room's; here is what it needs to know.
import { settleLater, type Versions, type Wanted } from '#api/apply/conversions.ts'
import { applying, serverSideApply } from '#api/apply/server-side-apply.ts'
import { setManagedFields, trackingUpdate, trackUpdate } from '#api/apply/track-update.ts'
import { ignoredFields, type Ownership } from '#api/apply/update.ts'
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
  return record(engine, write, created)
}

/** Of what is asked and answered at once, and never stored. */
export function recordAsked(object: KubeObject, asked: { kind: Kind; manager: string; now: number; subresource?: string }): void {
  const { kind, ...about } = asked
  const ignored = ignoredFields(true, '')
  if (about.manager) trackUpdate(undefined, object, { schema: kind.schema, apiVersion: apiVersionOf(kind), ignored, ...about })
}

export function recordUpdate(engine: Engine, write: Write, updated: Recorded): Promise<void> | void {
  return record(engine, write, updated)
}

function record(engine: Engine, write: Write, recorded: Recorded): Promise<void> | void {
  const { next, present, heavy } = recorded
  if (!write.fieldManager) return
  // Whose fields cannot be told in their version is forgotten.
  const convert = asksStranger(write, present, next)
    ? (wanted: Wanted) => converted(engine, write, wanted).catch(() => undefined)
    : undefined
  if (heavy) return recordApart(engine, write, { recorded, convert })
  if (convert) return settleLater(trackingUpdate(present, next, { ...trackOptions(engine, write), paced: true }), convert)
  trackUpdate(present, next, trackOptions(engine, write))
}

async function recordApart(
  engine: Engine,
  write: Write,
  { recorded: { next, stored }, convert }: { recorded: Recorded; convert: Parameters<typeof stepApart>[2]['convert'] },
): Promise<void> {
  const step = { step: 'own', owner: ownerOf(engine, write) } as const
  const entries = await stepApart(engine, write, { step, wanted: next, stored, convert })
  setManagedFields(next, (entries ?? []) as ManagedFieldsEntry[])
}

/** The object after an apply patch; the present one itself when nothing changes. */
export function applied(
  engine: Engine,
  write: Write,
  { present, patch, force }: { present: KubeObject | undefined; patch: KubeObject; force: boolean },
): KubeObject | Promise<KubeObject> {
  const options = { ...trackOptions(engine, write), kind: write.resource.kind, force }
  if (!asksStranger(write, present)) return serverSideApply(present, patch, options)
  return settleLater(applying(present, patch, { ...options, paced: true }), (wanted) => converted(engine, write, wanted))
}

/** Whether fields are owned in a version that only a stranger can show the object in. */
export function asksStranger({ resource: { conversion, kind } }: Write, ...objects: readonly (KubeObject | undefined)[]): boolean {
  if (!conversion) return false
  const own = apiVersionOf(kind)
  return objects.some((object) => object?.metadata?.managedFields?.some(({ apiVersion }) => apiVersion !== own))
}

export function converted(engine: Engine, { resource }: Write, { objects, apiVersion }: Wanted): Promise<readonly KubeObject[]> {
  const { versions = engine.registry.siblings(resource).map(({ kind }) => kind) } = resource.kind
  const to = versions.find((kind) => apiVersionOf(kind) === apiVersion)!
  const own = apiVersionOf(resource.kind)
  // What is nowhere yet looks alike in every version.
  const known = objects.map((object) => (object.metadata ? object : { ...object, apiVersion }))
  return resource.conversion!.convert(
    known.map((object) => (object.apiVersion ? object : { ...object, apiVersion: own, kind: to.kind })),
    to,
  )
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
  const versions = kind.versions ?? siblings
  return {
    schema: kind.schema,
    apiVersion: apiVersionOf(kind),
    ignored: ignoredFields(hasStatus(kind), subresource),
    ...(converts || kind.convert || versions.length > 1 ? { versions: versionsOf(kind, versions) } : {}),
  }
}

/** Managers may have written at another version of the kind. */
function versionsOf(own: Kind, kinds: readonly Kind[]): Versions {
  const at = (apiVersion = apiVersionOf(own)) => kinds.find((kind) => apiVersionOf(kind) === apiVersion)
  return {
    schemaOf: (apiVersion) => at(apiVersion)?.schema,
    convert: ({ objects, apiVersion }) => objects.map((object) => between(at(object.apiVersion)!, at(apiVersion)!, object)),
  }
}

function between(from: Kind, to: Kind, object: KubeObject): KubeObject {
  if (from === to) return object
  const storage = from.convert ? from.convert.toStorage(object) : object
  const converted = to.convert ? to.convert.fromStorage(storage) : storage
  return { ...converted, kind: to.kind, apiVersion: apiVersionOf(to) }
}
