// What the store holds below one prefix, with its recent history: answers reads without asking the store and feeds watchers.
// Knows keys, bytes and revisions, no kinds. Changes come from the mirror alone, in the store's order.
import { firstAfter, SortedKeys } from '#lib/sorted-keys.ts'
import type { StoredObject } from './stored-object.ts'

export interface CacheEvent {
  revision: number
  /** What is there now; for a deletion what was there last, at the deletion's revision. */
  object: StoredObject
  previous: StoredObject | undefined
  deleted: boolean
  /** Bytes of this event as watchers get them, by encoding: made once, shared by all. */
  frames: Map<string, Buffer> | undefined
  /** For watchers whose selection it left: what was there last, at this event's revision. */
  departed: StoredObject | undefined
}

export interface CacheSubscriber {
  /** To be told of everything that happens or, where some of it was missed, that it failed. Others are told of what differs then. */
  gapless?: boolean
  event(event: CacheEvent): void
  /** `event` threw: the subscription is over. One subscriber's fault is nobody else's. */
  failed(error: unknown): void
}

const HISTORY_LIMIT = 4096
/** Of what is only kept to be told of: the objects that events have replaced, and the frames that watchers were sent. */
const HISTORY_BYTES = 64 * 1024 * 1024

export class ResourceCache {
  readonly prefix: string
  #objects = new Map<string, StoredObject>()
  #keys = new SortedKeys()
  #history: CacheEvent[] = []
  /** History holds every change after this revision. */
  #floor: number
  #historyBytes = 0
  #subscribers = new Set<CacheSubscriber>()

  constructor(prefix: string, floor = 0) {
    this.prefix = prefix
    this.#floor = floor
  }

  get size(): number {
    return this.#objects.size
  }

  /** Oldest revision from which changes can still be told. */
  get floor(): number {
    return this.#floor
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key)
  }

  /** All objects whose key begins with `prefix`, from behind `after` on, in key order. Collected at once: a snapshot. */
  list(prefix: string = this.prefix, { after, limit = Infinity }: { after?: string; limit?: number } = {}): StoredObject[] {
    const found: StoredObject[] = []
    this.#keys.walk(after === undefined ? prefix : `${after}\0`, (key) => {
      if (found.length >= limit || !key.startsWith(prefix)) return false
      found.push(this.#objects.get(key)!)
      return true
    })
    return found
  }

  count(prefix: string = this.prefix): number {
    return this.#keys.count(prefix, `${prefix}\u{ffff}`)
  }

  /** Everything that happened after `revision`; undefined when that is too long ago. */
  since(revision: number): CacheEvent[] | undefined {
    if (revision < this.#floor) return undefined
    return this.#history.slice(firstAfter(this.#history, revision))
  }

  /** Tells every change from now on. */
  subscribe(subscriber: CacheSubscriber): Disposable {
    this.#subscribers.add(subscriber)
    return { [Symbol.dispose]: () => void this.#subscribers.delete(subscriber) }
  }

  /** What the store held when the mirror began. */
  load(object: StoredObject): void {
    this.#objects.set(object.key, object)
    this.#keys.add(object.key)
  }

  put(object: StoredObject): void {
    const previous = this.#objects.get(object.key)
    this.#objects.set(object.key, object)
    if (!previous) this.#keys.add(object.key)
    this.#tell({ revision: object.revision, object, previous, deleted: false, frames: undefined, departed: undefined })
  }

  delete(key: string, revision: number): void {
    const previous = this.#objects.get(key)
    if (!previous) return
    this.#objects.delete(key)
    this.#keys.delete(key)
    this.#tell({
      revision,
      object: previous.at(revision),
      previous,
      deleted: true,
      frames: undefined,
      departed: undefined,
    })
  }

  /** Some of what happened will never be known: whoever needs all of it is told so. */
  interrupt(error: unknown): void {
    for (const subscriber of this.#subscribers) {
      if (!subscriber.gapless) continue
      this.#subscribers.delete(subscriber)
      subscriber.failed(error)
    }
  }

  keys(): Iterable<string> {
    return this.#objects.keys()
  }

  /** Forgets history up to `revision`: who watches from before must list again. */
  forget(revision: number): void {
    this.#history = this.#history.filter((event) => event.revision > revision)
    this.#historyBytes = this.#history.reduce((sum, event) => sum + costOf(event), 0)
    this.#floor = Math.max(this.#floor, revision)
  }

  #tell(event: CacheEvent): void {
    this.#history.push(event)
    this.#historyBytes += costOf(event)
    if (this.#history.length > HISTORY_LIMIT * 1.25 || this.#historyBytes > HISTORY_BYTES * 1.25) this.#trim()
    for (const subscriber of this.#subscribers) {
      try {
        subscriber.event(event)
      } catch (error) {
        this.#subscribers.delete(subscriber)
        subscriber.failed(error)
      }
    }
  }
  #trim(): void {
    let count = Math.max(0, this.#history.length - HISTORY_LIMIT)
    let bytes = this.#historyBytes
    for (let at = 0; at < count || bytes > HISTORY_BYTES; at++) {
      bytes -= costOf(this.#history[at]!)
      count = Math.max(count, at + 1)
    }
    this.#floor = this.#history[count - 1]!.revision
    this.#history.splice(0, count)
    this.#historyBytes = bytes
  }
}

function costOf({ object, previous }: CacheEvent): number {
  return object.size + (previous?.size ?? 0)
}
