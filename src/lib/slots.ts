// Things for as long as they last: put in, taken out again by their place. A Map or Set in which everything soon goes is made anew again and again,
// and each of V8's old tables holds what was in it, and the table after it, until the next full collection: here a place is used again at once.

export class Slots<T extends object> {
  readonly #items: (T | undefined)[] = []
  readonly #free: number[] = []

  /** Answers its place. */
  add(item: T): number {
    const place = this.#free.pop() ?? this.#items.length
    this.#items[place] = item
    return place
  }

  /** Once for each `add`. */
  remove(place: number): void {
    this.#items[place] = undefined
    this.#free.push(place)
  }

  get size(): number {
    return this.#items.length - this.#free.length
  }

  *[Symbol.iterator](): Generator<T> {
    for (const item of this.#items) if (item) yield item
  }
}
