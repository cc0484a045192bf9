// All informers of one process: at most one list-and-watch per kind, shared by every actor. Resumes from the last version it saw.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { hasReason, StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type Backoff, createBackoff } from './backoff.ts'
import type { Client } from './client.ts'
import { InformerCache, metadataOnly, type Projection, withoutManagedFields } from './informer-cache.ts'
import type { Informer, Informers } from './informer.ts'

const PAGE = 1000
const RETRY_MS = { initialMs: 800, maxMs: 30_000, resetAfterMs: 120_000 }
/** A watch that ends sooner than this without an event is a failure, not a server that closes old watches. */
const SHORTEST_WATCH_MS = 1000

export interface InformersOptions {
  client: Client
  clock: Clock
  random: Random
  log: Logger
  signal: AbortSignal
  /** What to keep of kinds that are large or many; by default everything but managedFields. */
  projections?: ReadonlyMap<Kind<any>, Projection>
}

export function createInformers(options: InformersOptions): Informers {
  const full = new Map<string, InformerCache<any>>()
  /** The same by kind: asked for many times in every pass of a controller. Kinds may be defined over again. */
  const byKind = new WeakMap<Kind<any>, InformerCache<any>>()
  const slim = new Map<string, InformerCache<any>>()

  const start = <T extends KubeObject>(kind: Kind<T>, project: Projection, signal: AbortSignal): InformerCache<T> => {
    const cache = new InformerCache<T>(kind, { project, log: options.log })
    void follow(cache, { ...options, signal })
    return cache
  }

  const made = (into: Map<string, InformerCache<any>>, kind: Kind<any>, make: () => InformerCache<any>) => {
    const name = resourceName(kind)
    let cache = into.get(name)
    if (!cache) into.set(name, (cache = make()))
    return cache
  }

  return {
    of<T extends KubeObject>(kind: Kind<T>) {
      const known = byKind.get(kind)
      if (known) return known as Informer<T>
      const project = options.projections?.get(kind)
      const keep: Projection = project ? (object) => project(withoutManagedFields(object)) : withoutManagedFields
      const cache = made(full, kind, () => start(kind, keep, options.signal))
      byKind.set(kind, cache)
      return cache as Informer<T>
    },
    metadataOf(kind, { signal } = {}) {
      const whole = full.get(resourceName(kind))
      if (whole) return whole
      if (!signal) return made(slim, kind, () => start(kind, metadataOnly, options.signal))
      return made(slim, kind, () => {
        signal.addEventListener('abort', () => slim.delete(resourceName(kind)), { once: true })
        return start(kind, metadataOnly, AbortSignal.any([options.signal, signal]))
      })
    },
    existing: <T extends KubeObject>(kind: Kind<T>) => full.get(resourceName(kind)) as Informer<T> | undefined,
  }
}

function resourceName(kind: Kind<any>): string {
  return `${apiVersionOf(kind)}/${kind.plural}`
}

/** Keeps one cache current until the signal aborts. */
async function follow(cache: InformerCache<any>, options: InformersOptions): Promise<void> {
  const { clock, random, log, signal } = options
  const backoff = createBackoff({ ...RETRY_MS, clock, random })
  let version: string | undefined
  let failures = 0
  const advance = (latest: string) => {
    version = latest
    failures = 0
  }
  while (!signal.aborted) {
    try {
      version ??= await listInto(cache, options)
      version = await watchInto(cache, { ...options, from: version, onVersion: advance })
    } catch (error) {
      if (signal.aborted) break
      if (hasReason(error, 'Expired', 'Gone')) version = undefined
      // Whoever is down for hours (a conversion webhook) is told of ever more rarely.
      else if (isPowerOfTwo(++failures))
        log.warn('list or watch failed', { resource: resourceName(cache.kind), ...(failures > 1 ? { failures } : {}), error })
      if (!(await pause(backoff, options))) break
    }
  }
  cache.close(signal.reason)
}

const isPowerOfTwo = (count: number): boolean => (count & (count - 1)) === 0

async function pause(backoff: Backoff, { clock, signal }: InformersOptions): Promise<boolean> {
  return clock.sleep(backoff.nextMs(), signal).then(
    () => true,
    () => false,
  )
}

async function listInto(cache: InformerCache<any>, { client, signal }: InformersOptions): Promise<string> {
  const items: KubeObject[] = []
  let next: string | undefined
  for (;;) {
    const page = await client.list<KubeObject>(cache.kind, { limit: PAGE, signal, ...(next ? { continue: next } : {}) })
    for (const item of page.items) items.push(item)
    next = page.metadata?.continue
    if (next) continue
    const version = page.metadata?.resourceVersion ?? '0'
    cache.replace(items, version)
    return version
  }
}

async function watchInto(
  cache: InformerCache<any>,
  options: InformersOptions & { from: string; onVersion(version: string): void },
): Promise<string> {
  const { client, clock, signal, from, onVersion } = options
  const began = clock.monotonic()
  let version = from
  let events = 0
  for await (const event of client.watch<KubeObject>(cache.kind, { resourceVersion: from, allowWatchBookmarks: true, signal })) {
    if (event.type === 'ERROR') throw StatusError.from(event.object)
    events++
    if (event.type === 'BOOKMARK') cache.advance(event.object.metadata?.resourceVersion)
    else cache.apply(event.type, event.object)
    version = event.object.metadata?.resourceVersion ?? version
    onVersion(version)
  }
  if (!signal.aborted && events === 0 && clock.monotonic() - began < SHORTEST_WATCH_MS) {
    throw new StatusError('ServiceUnavailable', `very short watch: ${resourceName(cache.kind)} ended without events`)
  }
  return version
}
