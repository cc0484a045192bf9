// Deletes every object of a resource, as its definition goes, and waits until finalizers have let the last one go.
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { deleteObject } from '#server/engine/delete.ts'
import { type Engine, SYSTEM_USER, type Write } from '#server/engine/engine.ts'
import type { StoredResource } from '#server/registry.ts'

export async function emptyResource(engine: Engine, resource: StoredResource, signal: AbortSignal): Promise<void> {
  const { cache, kind } = resource
  await engine.mirror.seen(engine.store.revision())
  for (const stored of cache.list()) {
    if (signal.aborted) return
    const key = keyOf(stored.object(engine.mirror.recent))
    const { group, version, plural } = kind
    const attributes = { user: SYSTEM_USER, verb: 'delete', isResourceRequest: true, path: '', group, version, resource: plural }
    const write: Write = {
      resource,
      attributes: { ...attributes, subresource: '', namespace: key.namespace ?? '', name: key.name },
      dryRun: false,
      fieldManager: '',
      trusted: 'plain',
      warn: () => {},
    }
    await deleteObject(engine, write, { key, options: {} }).catch(ignoreNotFound)
  }
  await empty({ cache }, signal)
}

function empty({ cache }: Pick<StoredResource, 'cache'>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cache.size === 0 || signal.aborted) return resolve()
    const following = cache.subscribe({
      event() {
        if (cache.size === 0) done()
      },
    })
    const done = () => {
      following[Symbol.dispose]()
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
  })
}
