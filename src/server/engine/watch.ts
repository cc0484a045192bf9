// WATCH: the past from the cache's history or its present state, then every change, translated for what the watcher selects.
// A watcher is a sink; how events travel is its own business.
import { type FieldError, forbidden, notSupported } from '#api/field-error.ts'
import { invalidError } from '#api/status.ts'
import { nextTurn } from '#lib/paced.ts'
import type { CacheEvent, ResourceCache } from '#server/cache/resource-cache.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { StoredResource } from '#server/registry.ts'
import type { Engine } from './engine.ts'
import { inSlices } from './slices.ts'
import { covers, type Selection, selectionOf, selects, selectsAll, type SelectionText } from './selection.ts'
import { allShown, EventOrder } from './shown.ts'
import { freshEnough, parseRevision, tooOld } from './versions.ts'

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED'

export interface WatchSink {
  /** `event` is shared by all watchers of the resource; absent for objects that were there before. */
  change(type: ChangeType, stored: StoredObject, event: CacheEvent | undefined): void
  bookmark(revision: number, initialEventsEnd: boolean): void
  /** The watch cannot go on. */
  failed(error: unknown): void
  /** The resource is served no more, or otherwise. */
  end(): void
}

export interface WatchRequest extends SelectionText {
  resourceVersion?: string | undefined
  resourceVersionMatch?: string | undefined
  allowWatchBookmarks?: boolean | undefined
  sendInitialEvents?: boolean | undefined
  /** Only lists know it; a watch that tells what is there is refused with it. */
  continue?: string | undefined
}

const BOOKMARK_MS = 60_000
/** Objects and changes that a watch begins with at once. With more to look through, crowds of watches begin a few at a time. */
const FEW = 100

/** Begins to feed the sink; everything that is there already is fed before this resolves. */
export async function watchObjects(
  engine: Engine,
  resource: StoredResource,
  { request: asked, sink }: { request: WatchRequest; sink: WatchSink },
): Promise<Disposable> {
  const request = completed(asked)
  checkOptions(request)
  const { mirror } = engine
  const { cache } = resource
  const selection = selectionOf(resource, request)
  const revision = parseRevision(request.resourceVersion)
  const context = { resource, recent: mirror.recent }
  const all = selectsAll(selection)
  const picks = (stored: StoredObject) => all || selects(selection, stored, context)
  const wait = request.sendInitialEvents || revision === undefined ? freshEnough(engine, revision) : undefined
  if (wait) await wait
  if (request.sendInitialEvents ? cache.size > FEW : revision && mirror.revision - revision > FEW) await nextTurn()

  let told = mirror.revision
  const tell = (event: CacheEvent) => {
    if (over) return
    const is = !event.deleted && picks(event.object)
    const was = event.previous !== undefined && picks(event.previous)
    if (is) sink.change(was ? 'MODIFIED' : 'ADDED', event.object, event)
    else if (was) sink.change('DELETED', event.deleted ? event.object : departed(event), event)
    told = event.revision
  }
  const fromNow = !revision
  const initial = request.sendInitialEvents
  const missed = initial || fromNow ? [] : cache.since(revision)
  if (!missed) throw tooOld(revision!, cache.floor)
  const there = initial ? present(cache, selection) : []
  const startedAt = mirror.revision
  const order = new EventOrder(resource)
  let over = false
  const failed = (error: unknown) => {
    if (!over) sink.failed(error)
    over = true
  }
  const take = (event: CacheEvent) => {
    if (covers(selection, event.object.key)) order.take(event, tell, failed)
  }
  // From reading the cache to here nothing waited: no change can slip between. What comes while the beginning is told, waits.
  let waiting: CacheEvent[] | undefined = []
  const subscription = cache.subscribe({
    gapless: true,
    event: (event) => (waiting ? void waiting.push(event) : take(event)),
    failed,
  })
  try {
    const begin = (stored: StoredObject) => {
      if (picks(stored)) sink.change('ADDED', stored, undefined)
    }
    await inSlices(await allShown(resource, there), engine.clock, { step: begin, bytesOf: ({ bytes }) => bytes.length })
    if (request.sendInitialEvents && request.allowWatchBookmarks) sink.bookmark(startedAt, true)
    await inSlices(missed, engine.clock, { step: take, bytesOf: ({ object }) => object.bytes.length })
  } catch (error) {
    subscription[Symbol.dispose]()
    throw error
  }
  for (const event of waiting) take(event)
  waiting = undefined
  const end = () => sink.end()
  resource.onRetired.add(end)
  const ticker = request.allowWatchBookmarks
    ? engine.clock.every(BOOKMARK_MS, () => {
        const { revision: now } = mirror
        order.after(() => over || sink.bookmark((told = Math.max(told, now)), false))
      })
    : undefined
  return {
    [Symbol.dispose]: () => {
      over = true
      subscription[Symbol.dispose]()
      resource.onRetired.delete(end)
      ticker?.cancel()
    },
  }
}

function present(cache: ResourceCache, { key, prefix }: Selection): StoredObject[] {
  if (key === undefined) return cache.list(prefix)
  const one = cache.get(key)
  return one ? [one] : []
}

/** What the watcher last saw of an object that is selected no more, at the version at which it left. */
function departed(event: CacheEvent): StoredObject {
  return (event.departed ??= event.previous!.at(event.revision))
}

/** A watch from nowhere has always begun with what is there: it is told so in today's words, bookmark included. */
function completed(request: WatchRequest): WatchRequest {
  const { sendInitialEvents, resourceVersionMatch, resourceVersion = '' } = request
  if (sendInitialEvents !== undefined || resourceVersionMatch || (resourceVersion !== '' && resourceVersion !== '0')) return request
  return { ...request, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
}

function checkOptions({ sendInitialEvents, resourceVersionMatch: match, continue: token }: WatchRequest): void {
  const errors: FieldError[] = []
  const refuse = (detail: string) => errors.push(forbidden('resourceVersionMatch', detail))
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan')
    refuse('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  if (match) {
    if (sendInitialEvents === undefined) refuse('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
    if (match !== 'NotOlderThan') errors.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']))
    if (token) refuse('resourceVersionMatch is forbidden when continue is provided')
  }
  if (errors.length > 0) throw invalidError({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors)
}
