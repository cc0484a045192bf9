// Events are kept for an hour after they were last written. A queue in order of writing says which are due: nothing is searched.
import type { CoreEvent } from '#api/generated/types.ts'
import { RevisionMismatch } from '#store/store.ts'
import type { Engine } from './engine.ts'
import type { StoredResource } from '#server/registry.ts'

const TTL_MS = 60 * 60 * 1000
const PERIOD_MS = 60_000
/** Deletions under way at once. */
const BATCH = 100

interface Due {
  key: string
  revision: number
  writtenMs: number
}

/** Runs until the signal aborts. */
export async function expireEvents(engine: Engine, resource: StoredResource, signal: AbortSignal): Promise<void> {
  const { cache } = resource
  const { clock, mirror } = engine
  const queue: Due[] = cache
    .list()
    .map((stored) => ({ key: stored.key, revision: stored.revision, writtenMs: lastSeen(stored.object() as CoreEvent, clock.now()) }))
    .toSorted((a, b) => a.writtenMs - b.writtenMs)
  using _subscription = cache.subscribe({
    event({ object, deleted }) {
      if (!deleted) queue.push({ key: object.key, revision: object.revision, writtenMs: clock.now() })
    },
    failed: (error) => engine.log.error('events are no longer followed', { error }),
  })
  while (!signal.aborted) {
    await clock.sleep(PERIOD_MS, signal).catch(() => {})
    const bound = clock.now() - TTL_MS
    const fresh = queue.findIndex(({ writtenMs }) => writtenMs > bound)
    const due = queue.splice(0, fresh < 0 ? queue.length : fresh)
    for (let at = 0; at < due.length && !signal.aborted; at += BATCH)
      await Promise.all(due.slice(at, at + BATCH).map(({ key, revision }) => remove(key, revision)))
  }

  async function remove(key: string, revision: number): Promise<void> {
    // Written again since: it is in the queue a second time.
    if (cache.get(key)?.revision !== revision) return
    try {
      await mirror.seen(await engine.store.delete(key, revision))
    } catch (error) {
      if (!(error instanceof RevisionMismatch)) engine.log.warn('cannot delete an old event', { key, error })
    }
  }
}

function lastSeen({ lastTimestamp, series, eventTime, metadata }: CoreEvent, fallback: number): number {
  const text = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp
  const time = text ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? fallback : time
}
