// An ordered set of strings in chunks: insertion and removal move at most one chunk, iteration starts anywhere. Order is by UTF-16 code
// unit, which for ASCII keys is byte order.

const CHUNK = 512

export class SortedKeys {
  #chunks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(key: string): boolean {
    if (this.#chunks.length === 0) {
      this.#chunks.push([key])
      this.#size = 1
      return true
    }
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]!
    const index = lowerBound(chunk, key)
    if (chunk[index] === key) return false
    chunk.splice(index, 0, key)
    if (chunk.length > CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK / 2))
    this.#size++
    return true
  }

  delete(key: string): boolean {
    if (this.#chunks.length === 0) return false
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]!
    const index = lowerBound(chunk, key)
    if (chunk[index] !== key) return false
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
    this.#size--
    return true
  }

  /** Keys from `start` (included) on. The set must not change while iterating. */
  *from(start: string): Generator<string> {
    if (this.#chunks.length === 0) return
    let at = this.#chunkOf(start)
    let index = lowerBound(this.#chunks[at]!, start)
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at]!
      for (; index < chunk.length; index++) yield chunk[index]!
    }
  }

  /** The same for long walks, at a third of the price: until `visit` answers false. */
  walk(start: string, visit: (key: string) => boolean): void {
    if (this.#chunks.length === 0) return
    let at = this.#chunkOf(start)
    let index = lowerBound(this.#chunks[at]!, start)
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at]!
      for (; index < chunk.length; index++) if (!visit(chunk[index]!)) return
    }
  }

  /** How many keys lie in [start, end). */
  count(start: string, end: string): number {
    return Math.max(0, this.#rank(end) - this.#rank(start))
  }

  #rank(key: string): number {
    if (this.#chunks.length === 0) return 0
    const at = this.#chunkOf(key)
    let rank = lowerBound(this.#chunks[at]!, key)
    for (let i = 0; i < at; i++) rank += this.#chunks[i]!.length
    return rank
  }

  /** The last chunk whose first key is not behind `key`. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chunks[middle]![0]! <= key) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Where `key` is among sorted keys, or would be. */
export function lowerBound(chunk: readonly string[], key: string): number {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (chunk[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Where in a history, in the order of its revisions, what came after `revision` begins. */
export function firstAfter(history: readonly { revision: number }[], revision: number): number {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (history[middle]!.revision <= revision) low = middle + 1
    else high = middle
  }
  return low
}
