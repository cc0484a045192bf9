// The one place that writes objects to the store: encodes, hands the parsed copy on to the mirror, and answers once readers can see the write.
import type { KubeObject } from '#api/object.ts'
import { StoredObject } from '#server/cache/stored-object.ts'
import { freezeParts } from './apart.ts'
import { MAX_OBJECT_BYTES, textOf, tooLarge } from './text-of.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { nextTurn } from '#lib/paced.ts'
import { bytesOf, encodeForStore, orderedStorage, storageOf, unstored } from './encoding.ts'
import type { Resource } from '#server/registry.ts'
import { type Engine, storageKey, type Write } from './engine.ts'
import { isShownApart, shown } from './shown.ts'

/** Throws RevisionMismatch when `replaced` is not what is there (absent: something is). `object` is given away: it becomes the shared copy. */
export async function persist(
  engine: Engine,
  write: Write,
  { object, replaced, heavy }: { object: KubeObject; replaced?: StoredObject; heavy: boolean },
): Promise<StoredObject> {
  const { resource } = write
  const key = replaced?.key ?? storageKey(resource, { namespace: object.metadata!.namespace ?? '', name: object.metadata!.name! })
  const expected = replaced?.revision ?? 0
  const converted = resource.conversion && (await resource.conversion.encode(resource, object))
  if (write.dryRun) return unstored(resource, { key, object, revision: expected })
  const large = heavy ? encodeInSlices(resource, object) : write.large ? encodeInSteps(resource, object) : undefined
  const { bytes, storage } = converted ?? (large ? await large : encodeForStore(resource, object))
  if (bytes.length > MAX_OBJECT_BYTES) throw tooLarge()
  if (heavy) await freezeParts(storage)
  engine.mirror.offer(bytes, storage, { partsFrozen: heavy })
  try {
    const { revision } = await engine.store.put(key, bytes, expected)
    const seen = engine.mirror.seen(revision)
    if (seen) await seen
    const stored = resource.cache.get(key)
    if (write.local && stored?.revision === revision) stored.share(engine.mirror.recent)
    if (stored?.revision === revision) return isShownApart(resource) ? await shown(resource, stored) : stored
    // Overwritten already: answer what this write made of it.
    if (converted) return await shown(resource, new StoredObject(key, bytes, revision))
    return unstored(resource, { key, object: parseExactly(bytes.toString('utf8')) as KubeObject, revision })
  } finally {
    engine.mirror.withdraw(bytes)
  }
}

/** Resolves to the revision at which it went; of a dry run to that at which it is. */
export async function remove(engine: Engine, write: Write, stored: StoredObject): Promise<number> {
  if (write.dryRun) return stored.revision
  const revision = await engine.store.delete(stored.key, stored.revision)
  await engine.mirror.seen(revision)
  return revision
}

/** As `encodeForStore`, with a turn for others before each step. */
async function encodeInSteps(resource: Resource, object: KubeObject): Promise<{ bytes: Buffer; storage: KubeObject }> {
  await nextTurn()
  const storage = orderedStorage(resource, object)
  await nextTurn()
  return { bytes: bytesOf(storage), storage }
}

/** As `encodeForStore`, with many turns for others and the members as they came. */
async function encodeInSlices(resource: Resource, object: KubeObject): Promise<{ bytes: Buffer; storage: KubeObject }> {
  const storage = storageOf(resource, object)
  const { kind: _kind, apiVersion: _version, metadata, ...rest } = storage
  const { resourceVersion: _revision, ...meta } = metadata!
  const [metaText, restText] = [await textOf(meta), await textOf(rest)]
  const more = restText.length > 2 ? [Buffer.from(','), restText.subarray(1)] : [Buffer.from('}')]
  return { bytes: Buffer.concat([Buffer.from(resource.head), metaText.subarray(1), ...more]), storage }
}
