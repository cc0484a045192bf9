// A watch inside the process: events wait in a bounded queue until they are read. Who falls behind is told Expired and lists again.
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import type { StatusError } from '#api/status.ts'
import type { WatchEvent, WatchOptions } from '#client/client.ts'
import { plainObject } from './engine/encoding.ts'
import type { Engine } from './engine/engine.ts'
import { tooOld } from './engine/versions.ts'
import { watchObjects } from './engine/watch.ts'
import type { StoredResource } from './registry.ts'

const MAX_WAITING = 50_000

export async function* watchLocally<T extends KubeObject>(
  engine: Engine,
  find: () => Promise<StoredResource>,
  options: WatchOptions & { signal: AbortSignal },
): AsyncGenerator<WatchEvent<T>> {
  const { signal, timeoutSeconds } = options
  const resource = await find()
  if (signal.aborted) return
  const { kind } = resource
  /** Objects are parsed when they are read, not while the change is being told. */
  let waiting: (() => WatchEvent<T>)[] = []
  let limit = Infinity
  let wake: (() => void) | undefined
  const state = { ended: false, retired: false }
  let behind: StatusError | undefined
  let failure: { error: unknown } | undefined
  const push = (event: () => WatchEvent<T>) => {
    if (waiting.length >= limit) {
      behind ??= tooOld(engine.mirror.revision, resource.cache.floor)
      waiting = []
    } else waiting.push(event)
    wake?.()
  }
  const end = () => {
    state.ended = true
    wake?.()
  }
  signal.addEventListener('abort', end, { once: true })
  using _timer = timeoutSeconds ? engine.clock.after(timeoutSeconds * 1000, end) : undefined
  try {
    using _watching = await watchObjects(engine, resource, {
      // It breaks only together with what it watches: there is nothing to go on from.
      request: options.sendInitialEvents ? options : { ...options, allowWatchBookmarks: false },
      sink: {
        change(type, stored) {
          stored.share(engine.mirror.recent)
          push(() => ({ type, object: plainObject(resource, stored, engine.mirror) as T }))
        },
        bookmark(revision, initialEventsEnd) {
          const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
          const metadata = { resourceVersion: String(revision), ...annotations }
          push(() => ({ type: 'BOOKMARK', object: { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } }))
        },
        failed(error) {
          failure ??= { error }
          end()
        },
        end() {
          state.retired = true
          wake?.()
        },
      },
    })
    limit = waiting.length + MAX_WAITING
    while (!state.ended) {
      if (behind) throw behind
      if (waiting.length === 0) {
        if (state.retired) return
        await new Promise<void>((resolve) => (wake = resolve))
        wake = undefined
        continue
      }
      const batch = waiting
      waiting = []
      for (const event of batch) {
        if (state.ended) break
        yield event()
      }
    }
    if (failure && !signal.aborted) throw failure.error
  } finally {
    signal.removeEventListener('abort', end)
  }
}
