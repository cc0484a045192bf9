// Tells whether a cluster has anything under way: requests of its actors that have no answer yet, and writes that are more than a heartbeat.
import type { Client } from '#client/client.ts'
import type { Store } from '#store/store.ts'

/** Renewed for as long as the cluster lives: whoever waits for rest must not wait for these. */
const HEARTBEATS = '/registry/leases/'
/** A request that waits for time to move has no answer however long one waits. */
const PATIENCE_TURNS = 64
/** Who asks without end is not waited for either. */
const MOST_TURNS = 50_000
const QUIET_MS = 1000
/** An hour of the cluster's time. */
const MOST_STEPS = 3600

export class Activity {
  #inFlight = 0
  /** Requests that have begun or ended. */
  #moves = 0
  /** Of the store, with their answer still to come: they wait for a disk, never for time to move. */
  #storing = 0
  #stored: PromiseWithResolvers<void> | undefined
  /** Writes so far, heartbeats apart. */
  writes = 0

  /** Lets everything that has been set off come to rest, as far as it does not wait for time to move. */
  async settle(): Promise<void> {
    let seen = this.#moves
    // Who does much a little at a time has nothing in flight in between: a whole turn must pass in which nobody asked for anything.
    for (let turn = 0, waited = 0; turn < MOST_TURNS; turn++) {
      await nextTurn()
      if (this.#storing > 0) {
        await (this.#stored ??= Promise.withResolvers<void>()).promise
        waited = 0
        continue
      }
      const moved = this.#moves !== seen
      seen = this.#moves
      if (moved) waited = 0
      else if (this.#inFlight === 0 || ++waited >= PATIENCE_TURNS) return
    }
  }

  /**
   * Resolves when a whole second of cluster time has passed without a write; `advance` lets that time pass. False: it does not come to rest.
   */
  async rest(advance: (ms: number) => Promise<void>): Promise<boolean> {
    for (let step = 0; step < MOST_STEPS; step++) {
      const before = this.writes
      await advance(QUIET_MS)
      if (this.writes === before) return true
    }
    return false
  }

  client(client: Client): Client {
    const ended = () => {
      this.#inFlight--
      this.#moves++
    }
    const counted = <T>(request: Promise<T>): Promise<T> => {
      this.#inFlight++
      this.#moves++
      request.then(ended, ended)
      return request
    }
    return {
      get: (kind, key, options) => counted(client.get(kind, key, options)),
      list: (kind, options) => counted(client.list(kind, options)),
      watch: (kind, options) => client.watch(kind, options),
      create: (kind, object, options) => counted(client.create(kind, object, options)),
      update: (kind, object, options) => counted(client.update(kind, object, options)),
      patch: (kind, key, patch, options) => counted(client.patch(kind, key, patch, options)),
      delete: (kind, key, options) => counted(client.delete(kind, key, options)),
      deleteCollection: (kind, options) => counted(client.deleteCollection(kind, options)),
      ...(client.resources ? { resources: (...args) => counted(client.resources!(...args)) } : {}),
    }
  }

  store(store: Store): Store {
    const written = (key: string) => {
      if (!key.startsWith(HEARTBEATS)) this.writes++
    }
    const ended = () => {
      if (--this.#storing > 0) return
      this.#stored?.resolve()
      this.#stored = undefined
    }
    const storing = <T>(write: Promise<T>): Promise<T> => {
      this.#storing++
      write.then(ended, ended)
      return write
    }
    return {
      get: (key) => store.get(key),
      list: (prefix, page) => store.list(prefix, page),
      put(key, value, expected) {
        written(key)
        return storing(store.put(key, value, expected))
      },
      delete(key, expected) {
        written(key)
        return storing(store.delete(key, expected))
      },
      watch: (prefix, options) => store.watch(prefix, options),
      compact: (before) => store.compact(before),
      revision: () => store.revision(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
