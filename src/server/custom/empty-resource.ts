// Deletes every object of a resource, as its definition goes, and waits until finalizers have let the last one go.
import { keyOf, type ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { attributesOf } from '#server/attributes.ts'
import { deleteObject } from '#server/engine/delete.ts'
import { type Engine, SYSTEM_USER, type Write } from '#server/engine/engine.ts'
import type { StoredResource } from '#server/registry.ts'

export async function emptyResource(engine: Engine, resource: StoredResource, signal: AbortSignal): Promise<void> {
  const { cache } = resource
  do {
    await engine.mirror.seen(engine.store.revision())
    for (const stored of cache.list()) {
      if (signal.aborted) return
      await deleteOne(engine, resource, keyOf(stored.object(engine.mirror.recent)))
    }
  } while (await isRefilled(resource, signal))
}

async function deleteOne(engine: Engine, resource: StoredResource, key: ObjectKey): Promise<void> {
  const write: Write = {
    resource,
    attributes: attributesOf(resource.kind, { user: SYSTEM_USER, verb: 'delete', ...key }),
    dryRun: false,
    fieldManager: '',
    trusted: 'plain',
    warn: () => {},
  }
  await deleteObject(engine, write, { key, options: {} }).catch(ignoreNotFound)
}

/** Waits: false once nothing is left, true as soon as something came that was on its way when all was deleted. */
function isRefilled({ cache }: StoredResource, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (cache.size === 0 || signal.aborted) return resolve(false)
    const following = cache.subscribe({
      event({ previous, deleted }) {
        if (cache.size === 0) done(false)
        else if (!previous && !deleted) done(true)
      },
      failed: () => done(true),
    })
    const abort = () => done(false)
    const done = (refilled: boolean) => {
      following[Symbol.dispose]()
      signal.removeEventListener('abort', abort)
      resolve(refilled)
    }
    signal.addEventListener('abort', abort, { once: true })
  })
}
