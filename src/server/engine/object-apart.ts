// The parsed copy of a large stored object, made so that nobody waits for it: read by the thread that reads large bodies, put together and frozen in slices.
import type { KubeObject } from '#api/object.ts'
import { nextTurn } from '#lib/paced.ts'
import type { ParsedCache, StoredObject } from '#server/cache/stored-object.ts'
import { type BodyReader, LARGE_BYTES } from '#server/decoding/body-reader.ts'
import type { Resource } from '#server/registry.ts'
import { freezeParts } from './apart.ts'
import type { Engine } from './engine.ts'

export async function objectApart(bodies: Pick<BodyReader, 'read'>, stored: StoredObject, recent?: ParsedCache): Promise<KubeObject> {
  if (stored.bytes.length < LARGE_BYTES || stored.isParsed) return stored.objectInSteps(recent)
  const { value } = await bodies.read({ read: 'json' }, stored.bytes)
  const object = value as KubeObject
  await freezeParts(object)
  stored.adopt(object, recent, true)
  return object
}

/** Before a write works on a large object: it is at hand then. */
export async function parseAhead({ bodies, mirror }: Engine, resource: Resource, stored: StoredObject): Promise<void> {
  await nextTurn()
  if (resource.converts) return
  await objectApart(bodies, stored, mirror.recent)
  await nextTurn()
}
