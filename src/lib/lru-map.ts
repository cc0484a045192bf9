// A map of bounded size that forgets what was used least recently.

export interface LruMapOptions<K, V> {
  /** What an entry counts for; the same each time it is asked about the same entry. */
  weightOf(key: K, value: V): number
  /** How much all entries may weigh together, besides being at most so many. */
  maxWeight: number
  /** Is told of what is forgotten, not of what was deleted or replaced. */
  forgotten?(key: K, value: V): void
}

export class LruMap<K, V> {
  readonly #limit: number
  readonly #options: LruMapOptions<K, V> | undefined
  #entries = new Map<K, V>()
  /** Stands behind all that was forgotten. A new one would have to pass over their places, of which there can be thousands. */
  #oldest = this.#entries.keys()
  #weight = 0

  constructor(limit: number, options?: LruMapOptions<K, V>) {
    this.#limit = limit
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: K, value: V): void {
    this.delete(key)
    this.#entries.set(key, value)
    if (this.#options) this.#weight += this.#options.weightOf(key, value)
    while (this.#entries.size > this.#limit || (this.#options && this.#weight > this.#options.maxWeight)) this.#forgetOldest()
  }

  #forgetOldest(): void {
    let { value, done } = this.#oldest.next()
    if (done) {
      // It has seen the end once, and would go on saying so.
      this.#oldest = this.#entries.keys()
      value = this.#oldest.next().value
    }
    const forgotten = this.#options?.forgotten && this.#entries.get(value!)
    this.delete(value!)
    if (forgotten !== undefined) this.#options!.forgotten!(value!, forgotten)
  }

  delete(key: K): boolean {
    if (this.#options) {
      const value = this.#entries.get(key)
      if (value !== undefined) this.#weight -= this.#options.weightOf(key, value)
    }
    return this.#entries.delete(key)
  }
}
