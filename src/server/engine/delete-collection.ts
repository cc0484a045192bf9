// DELETE of a whole collection: lists, then deletes one by one, a few at a time. What others deleted meanwhile is fine.
import { hasReason } from '#api/status.ts'
import { deleteObject } from './delete.ts'
import type { DeletionOptions } from './deletion.ts'
import { type Engine, objectKey, type Write } from './engine.ts'
import { type Listing, listObjects, type ListRequest } from './list.ts'

const WORKERS = 8

/** Answers what it found, as it was. */
export async function deleteCollection(
  engine: Engine,
  write: Write,
  { request, options }: { request: ListRequest; options: DeletionOptions },
): Promise<Listing> {
  const listing = await listObjects(engine, write.resource, request)
  const queue = listing.items.values()
  const work = async () => {
    for (const stored of queue) {
      const key = objectKey(write.resource, stored.key)
      const attributes = { ...write.attributes, name: key.name, namespace: key.namespace ?? '' }
      try {
        await deleteObject(engine, { ...write, attributes }, { key, options })
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WORKERS, listing.items.length) }, work))
  return listing
}
