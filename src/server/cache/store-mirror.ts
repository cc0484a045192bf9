// Follows the whole store and keeps one cache per resource prefix. A write is seen here, in order, before its writer is answered.
// The only reader of the store beside snapshots of the past; never writes. Where it fell behind what the store can still tell, it begins anew.
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Logger } from '#lib/log.ts'
import { nextTurn } from '#lib/paced.ts'
import { type Change, Compacted, type Entry, type Store } from '#store/store.ts'
import { ResourceCache } from './resource-cache.ts'
import { type ParsedCache, StoredObject, unreadable } from './stored-object.ts'

interface Offer {
  bytes: Uint8Array
  object: KubeObject
  partsFrozen: boolean
}

const ROOT = '/registry/'
/** The pods of a large fleet are written again within seconds: one that was forgotten by then has to be parsed anew. */
const RECENT_OBJECTS = 20_000
const RECENT_BYTES = 96 * 1024 * 1024
const LOAD_PAGE = 2000
/** Between two attempts to begin anew. */
const AGAIN_MS = 1000
/** Whoever follows and whoever waits for these has work to do: others get a turn in between. */
const CHANGES_PER_TURN = 64

export class StoreMirror {
  #store: Store
  #log: Logger
  #clock: Clock
  #caches = new Map<string, ResourceCache>()
  /** Objects below prefixes nobody has registered (yet): custom resources whose definition comes later. */
  #unclaimed = new Map<string, StoredObject>()
  #revision = 0
  #waiting: { revision: number; resolve(): void }[] = []
  #ended = false
  /** Parsed forms of bytes that are being written, mostly in the order the store is going to tell of them. */
  #offered: Offer[] = []
  /** Objects of the last changes, with what their writers made of them. */
  #lent: StoredObject[] = []
  /** The store is not followed: what is here goes stale until it has begun anew. */
  lost = false
  readonly recent: ParsedCache = new LruMap(RECENT_OBJECTS, {
    weightOf: ({ size }) => size,
    maxWeight: RECENT_BYTES,
    forgotten: (stored) => stored.loosen(),
  })

  constructor(store: Store, { log, clock }: { log: Logger; clock: Clock }) {
    this.#store = store
    this.#log = log
    this.#clock = clock
  }

  get revision(): number {
    return this.#revision
  }

  /** The cache of everything below `prefix`, which ends with a slash. */
  cache(prefix: string): ResourceCache {
    const known = this.#caches.get(prefix)
    if (known) return known
    const cache = new ResourceCache(prefix, this.#revision)
    for (const [key, object] of this.#unclaimed) {
      if (!key.startsWith(prefix)) continue
      cache.load(object)
      this.#unclaimed.delete(key)
    }
    this.#caches.set(prefix, cache)
    return cache
  }

  /** Reads everything, then follows until the signal aborts. Resolves once everything is read. */
  async start(signal: AbortSignal): Promise<void> {
    // After a start that failed, or has ended, there may be another.
    this.#ended = false
    const revision = await this.#read((entry) => this.#load(storedObject(entry)))
    this.#revision = revision
    for (const cache of this.#caches.values()) cache.forget(revision)
    signal.addEventListener('abort', () => this.#end(), { once: true })
    void this.#follow(this.#store.watch(ROOT, { after: revision, signal }), signal)
  }

  /** Nothing more will be seen: whoever has written something goes on without. */
  #end(): void {
    this.#ended = true
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  /** Everything the store holds at the revision that is returned. */
  async #read(take: (entry: Entry) => void): Promise<number> {
    let after: string | undefined
    let revision: number | undefined
    do {
      const page = await this.#store.list(ROOT, {
        ...(after ? { after } : {}),
        ...(revision === undefined ? {} : { revision }),
        limit: LOAD_PAGE,
      })
      revision = page.revision
      after = page.next
      for (const entry of page.entries) take(entry)
      if (after) await nextTurn()
    } while (after)
    return revision
  }

  /** Until it succeeds: takes over what differs from what is here. What happened between is lost, and whoever watched is told so. */
  async #beginAnew(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const present = new Set<string>()
        const changed: Change[] = []
        const revision = await this.#read((entry) => {
          present.add(entry.key)
          if (this.#present(entry.key)?.revision !== entry.revision) changed.push({ type: 'put', ...entry })
        })
        if (signal.aborted) return
        const gone = new StatusError('Expired', 'The resourceVersion for the provided watch is too old.')
        for (const cache of this.#caches.values()) cache.interrupt(gone)
        await this.#take(changed.sort((a, b) => a.revision - b.revision))
        await this.#take(this.#without(present, revision))
        for (const cache of this.#caches.values()) cache.forget(revision)
        this.lost = false
        this.#pass(revision)
        this.#log.info('the store is followed again', { revision, changed: changed.length })
        return void this.#follow(this.#store.watch(ROOT, { after: revision, signal }), signal)
      } catch (error) {
        if (!signal.aborted) this.#log.error('cannot read the store anew', { error })
        await this.#clock.sleep(AGAIN_MS, signal).catch(() => {})
      }
    }
  }

  #present(key: string): StoredObject | undefined {
    return this.#cacheOf(key)?.get(key) ?? this.#unclaimed.get(key)
  }

  #without(present: ReadonlySet<string>, revision: number): Change[] {
    const keys = [...[...this.#caches.values()].flatMap((cache) => [...cache.keys()]), ...this.#unclaimed.keys()]
    const nothing = new Uint8Array(0)
    return keys.filter((key) => !present.has(key)).map((key) => ({ type: 'delete', key, previous: nothing, revision }))
  }

  /** Reads values again that nobody could read: not a change that anybody is told of, for who could not read them has failed. */
  async readAgain(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const entry = await this.#store.get(key)
      const present = this.#present(key)
      if (entry?.fault === undefined && entry?.revision === present?.revision && entry) this.#load(storedObject(entry))
    }
  }

  /** Resolves once everything up to `revision` is here, or nothing more will be. */
  seen(revision: number): Promise<void> | undefined {
    if (revision <= this.#revision || this.#ended) return undefined
    return new Promise((resolve) => this.#waiting.push({ revision, resolve }))
  }

  /** Resolves once every write acknowledged so far, by whomever, is here. */
  fresh(): Promise<void> | undefined {
    return this.#store.latest ? this.#store.latest().then((revision) => this.seen(revision)) : this.seen(this.#store.revision())
  }

  /** Says what `bytes`, about to be written, hold: saves parsing them again. To be withdrawn, whatever comes of the write. */
  offer(bytes: Uint8Array, object: KubeObject, { partsFrozen = false } = {}): void {
    this.#offered.push({ bytes, object, partsFrozen })
  }

  withdraw(bytes: Uint8Array): void {
    const place = this.#offered.findIndex((offer) => offer.bytes === bytes)
    if (place >= 0) this.#offered.splice(place, 1)
  }

  async #follow(changes: AsyncIterable<Change[]>, signal: AbortSignal): Promise<void> {
    try {
      for await (const batch of changes) await this.#take(batch, signal)
      if (signal.aborted) return
      this.#log.error('the store ended its watch')
    } catch (error) {
      if (signal.aborted) return
      // Only a store over a network can leave this process behind: what is cached can no longer be trusted.
      this.#log.error(error instanceof Compacted ? 'fell behind the store' : 'cannot follow the store', { error })
    }
    this.lost = true
    await this.#beginAnew(signal)
  }

  async #take(batch: readonly Change[], signal?: AbortSignal): Promise<void> {
    for (let at = 0; at < batch.length; at += CHANGES_PER_TURN) {
      if (at > 0) await nextTurn()
      // Begun anew meanwhile, the mirror must not be set back.
      if (signal?.aborted) return
      this.#apply(batch.slice(at, at + CHANGES_PER_TURN))
    }
  }

  #apply(batch: readonly Change[]): void {
    // Whoever was told of them, and their writers, have had their turn.
    for (const object of this.#lent) object.giveBack()
    this.#lent = []
    for (const change of batch) {
      const cache = this.#cacheOf(change.key)
      if (change.type === 'put') {
        const object = storedObject(change)
        const offered = this.#offered.find(({ bytes }) => bytes === change.value)
        if (offered) {
          object.lend(offered.object, offered)
          this.#lent.push(object)
        }
        const before = cache?.get(change.key)
        if (cache) cache.put(object)
        else this.#unclaimed.set(change.key, object)
        // Everyone has been told: what few will ask for again may go.
        if (before) this.#release(before)
      } else if (cache) cache.delete(change.key, change.revision)
      else this.#unclaimed.delete(change.key)
      // While it begins anew nothing is whole before all of it is.
      if (!this.lost) this.#revision = change.revision
    }
    if (!this.lost) this.#pass(this.#revision)
  }

  /** Whoever waited for `revision` or less goes on. */
  #pass(revision: number): void {
    this.#revision = revision
    if (this.#waiting.length > 0) {
      const ready = this.#waiting.filter(({ revision }) => revision <= this.#revision)
      this.#waiting = this.#waiting.filter(({ revision }) => revision > this.#revision)
      for (const { resolve } of ready) resolve()
    }
  }

  #release(object: StoredObject): void {
    this.recent.delete(object)
    object.release()
  }

  #load(object: StoredObject): void {
    const cache = this.#cacheOf(object.key)
    if (cache) cache.load(object)
    else this.#unclaimed.set(object.key, object)
  }

  /** Prefixes are one or two segments below the root: `/registry/pods/`, `/registry/services/specs/`. */
  #cacheOf(key: string): ResourceCache | undefined {
    const first = key.indexOf('/', ROOT.length) + 1
    const cache = this.#caches.get(key.slice(0, first))
    if (cache) return cache
    return this.#caches.get(key.slice(0, key.indexOf('/', first) + 1))
  }
}

/** What an entry of the store is to this room. */
export function storedObject({ key, value, revision, fault }: Pick<Entry, 'key' | 'value' | 'revision' | 'fault'>): StoredObject {
  return fault === undefined ? new StoredObject(key, bufferOf(value), revision) : unreadable(key, revision, fault)
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}
