// Objects to bytes and back. A stored value is JSON of the storage version without resourceVersion: its revision is that, and is spliced in
// behind the known head when bytes are sent, so that an object is serialised once in its life.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { inGoOrder } from '#api/schema/go-order.ts'
import { reckoned } from '#api/schema/reckoned.ts'
import { type ParsedCache, StoredObject } from '#server/cache/stored-object.ts'
import type { Resource } from '#server/registry.ts'

/** What the bytes of an object begin with, up to the inside of its metadata. */
export function headOf(kind: Kind, stored: { group: string; version: string } = kind): string {
  return `{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(apiVersionOf(stored))},"metadata":{`
}

type Encoded = Pick<Resource, 'kind' | 'head' | 'converts'>

export function encodeForStore(resource: Encoded, object: KubeObject): { bytes: Buffer; storage: KubeObject } {
  const storage = orderedStorage(resource, object)
  return { bytes: bytesOf(storage), storage }
}

/** What is kept of an object, its members where Go's encoder puts them. */
export function orderedStorage({ kind, converts }: Encoded, object: KubeObject): KubeObject {
  const storage = storageOf({ kind, converts }, object)
  return converts || !kind.schema.name ? storage : inGoOrder(storage, kind.schema, { kept: true })
}

/**
 * What goes into the store: takes the object's resourceVersion away, unless it is frozen. The buffer is exactly as large as its content: pooled slices
 * would pin their whole slab.
 */
export function bytesOf(object: KubeObject): Buffer {
  const stored = withoutVersion(object)
  const text = JSON.stringify(beginsAsStored(stored) ? stored : headFirst(stored))
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

/** In place where it can be: most that is written has just been made for it. */
function withoutVersion(object: KubeObject): KubeObject {
  const metadata = object.metadata as { resourceVersion?: string | undefined }
  if (metadata.resourceVersion === undefined) return object
  if (Object.isFrozen(metadata)) return { ...object, metadata: { ...metadata, resourceVersion: undefined } as object }
  metadata.resourceVersion = undefined
  return object
}

const HEAD = ['kind', 'apiVersion', 'metadata']

function beginsAsStored(object: KubeObject): boolean {
  let at = 0
  for (const name in object) {
    if (name !== HEAD[at]) return false
    if (++at === HEAD.length) return true
  }
  return false
}

function headFirst(object: KubeObject): KubeObject {
  const { kind, apiVersion, metadata } = object
  return { kind, apiVersion, metadata, ...object } as KubeObject
}

/** What is kept of an object, in the version it is kept in; the object itself where it can be. */
export function storageOf({ kind, converts }: Pick<Resource, 'kind' | 'converts'>, object: KubeObject): KubeObject {
  if (!converts) {
    object.kind = kind.kind
    object.apiVersion = apiVersionOf(kind)
    return object
  }
  const converted = kind.convert ? kind.convert.toStorage(object) : object
  return { ...converted, kind: kind.kind, apiVersion: apiVersionOf(kind.storageVersion ?? kind) }
}

/** In the version served, frozen and shared. */
export function servedObject({ kind, converts, large }: Resource, stored: StoredObject, recent?: ParsedCache): KubeObject {
  if (!converts) return stored.object(recent)
  const known = large?.known(stored)
  if (known) return known.object(recent)
  const object = stored.object(recent)
  const converted = kind.convert ? kind.convert.fromStorage(object) : object
  const served = { ...converted, kind: kind.kind, apiVersion: apiVersionOf(kind) }
  return kind.schema.name ? inGoOrder(served, kind.schema) : served
}

/** The same for code of this process, which reckons with numbers: see `reckoned`. `glance`: for one look now. */
export function plainObject(
  resource: Resource,
  stored: StoredObject,
  { recent, glance = false }: { recent?: ParsedCache | undefined; glance?: boolean } = {},
): KubeObject {
  const object = glance && !resource.converts ? stored.glance() : servedObject(resource, stored, recent)
  const { schema } = resource.kind
  return schema.name && stored.mayHoldLongNumber ? reckoned(object, schema) : object
}

/** The part in front of what is stored of metadata, with the version clients see. */
export function versionedHead({ head }: { head: string }, { revision }: StoredObject): string {
  return revision > 0 ? `${head}"resourceVersion":"${revision}",` : head
}

export interface Surroundings {
  /** Of one byte a character. */
  before?: string
  after?: string
  /** Whoever keeps the bytes wants no pool's slab kept with them. */
  kept?: boolean
}

/** The object as JSON bytes, in the version served. */
export function servedBytes(resource: Resource, stored: StoredObject, around: Surroundings = {}): Buffer {
  if (!resource.converts) return withVersion(resource.head, stored, around)
  const known = resource.large?.known(stored)
  if (known) return withVersion(headOf(resource.kind), known, around)
  return Buffer.from(`${around.before ?? ''}${JSON.stringify(servedObject(resource, stored))}${around.after ?? ''}`)
}

function withVersion(plain: string, stored: StoredObject, { before = '', after = '', kept = false }: Surroundings): Buffer {
  const head = before + versionedHead({ head: plain }, stored)
  const end = head.length + stored.bytes.length - plain.length
  const bytes = kept ? Buffer.allocUnsafeSlow(end + after.length) : Buffer.allocUnsafe(end + after.length)
  bytes.write(head, 0, 'latin1')
  stored.bytes.copy(bytes, head.length, plain.length)
  if (after) bytes.write(after, end, 'latin1')
  return bytes
}

/** A stored object that is in no store: the answer to a dry run. */
export function unstored(
  resource: Resource,
  { key, object, revision = 0 }: { key: string; object: KubeObject; revision?: number },
): StoredObject {
  const { bytes, storage } = encodeForStore(resource, object)
  const stored = new StoredObject(key, bytes, revision)
  stored.adopt(storage)
  return stored
}
