// What goes wrong in a simulated run, decided by its own seeded source: requests refused before or lost after they had their effect, stores
// that do not write or do not say so, requests that take long, watches that break off. Healed, everything passes through untouched.
import { conflictError, StatusError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'
import type { Store } from '#store/store.ts'

export interface Rates {
  /** A write that meets another: refused with Conflict though nobody else wrote. */
  conflict: number
  /** A request the server did not come to. */
  refused: number
  /** A write that was done, whose answer never came. */
  lost: number
  /** A request that takes its time, so that others come first. */
  slow: number
  /** A watch that ends before this event. */
  dropped: number
  /** A watch that is told to read everything anew. */
  expired: number
  /** A write the store failed to make. */
  store: number
  /** A write the store made, and said it had not. */
  unsure: number
}

const MOST_SLOW_MS = 8000

export class Faults {
  readonly #random: Random
  #rates: Rates | undefined
  /** How often each has happened. */
  readonly counts: Record<keyof Rates, number> = { conflict: 0, refused: 0, lost: 0, slow: 0, dropped: 0, expired: 0, store: 0, unsure: 0 }
  readonly #clock: Clock

  constructor(random: Random, { clock, rates }: { clock: Clock; rates: Rates }) {
    this.#random = random
    this.#clock = clock
    this.#rates = rates
  }

  heal(): void {
    this.#rates = undefined
  }

  #strikes(what: keyof Rates): boolean {
    if (!this.#rates || this.#random.float() >= this.#rates[what]) return false
    this.counts[what]++
    return true
  }

  client(client: Client): Client {
    const refuse = async () => {
      if (this.#strikes('slow')) await this.#clock.sleep(this.#random.float() * MOST_SLOW_MS)
      if (this.#strikes('refused')) throw new StatusError('ServerTimeout', 'simulated: the server did not come to it')
    }
    const read = async <T>(request: () => Promise<T>): Promise<T> => {
      await refuse()
      return await request()
    }
    const write = async <T>(request: () => Promise<T>): Promise<T> => {
      await refuse()
      const answer = await request()
      if (this.#strikes('lost')) throw new StatusError('Timeout', 'simulated: the answer was lost')
      return answer
    }
    return {
      get: (kind, key, options) => read(() => client.get(kind, key, options)),
      list: (kind, options) => read(() => client.list(kind, options)),
      watch: (kind, options) => this.#watch(client.watch(kind, options)),
      create: (kind, object, options) => write(() => client.create(kind, object, options)),
      update: (kind, object, options) =>
        write(() => {
          if (this.#strikes('conflict')) throw conflictError(kind, object.metadata?.name ?? '')
          return client.update(kind, object, options)
        }),
      patch: (kind, key, patch, options) => write(() => client.patch(kind, key, patch, options)),
      delete: (kind, key, options) => write(() => client.delete(kind, key, options)),
      deleteCollection: (kind, options) => write(() => client.deleteCollection(kind, options)),
    }
  }

  async *#watch<T>(events: AsyncIterable<T>): AsyncGenerator<T> {
    if (this.#strikes('expired')) throw new StatusError('Expired', 'simulated: too old resource version')
    for await (const event of events) {
      if (this.#strikes('dropped')) return
      yield event
    }
  }

  store(store: Store): Store {
    const write = async <T>(make: () => Promise<T>): Promise<T> => {
      if (this.#strikes('store')) throw new Error('simulated: the store could not write to disk')
      const written = await make()
      if (this.#strikes('unsure')) throw new Error('simulated: the store did not answer in time')
      return written
    }
    return {
      get: (key) => store.get(key),
      list: (prefix, page) => store.list(prefix, page),
      put: (key, value, expected) => write(() => store.put(key, value, expected)),
      delete: (key, expected) => write(() => store.delete(key, expected)),
      watch: (prefix, options) => store.watch(prefix, options),
      compact: (before) => store.compact(before),
      revision: () => store.revision(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }
}
