// What is begun in one turn of the event loop, bounded for all together: a crowd of sources has its work spread over turns, each source in its turn.
// While there is little, everything begins at once.

export interface Source {
  /** Begins so many, about; returns how many it was, or how many small ones it was worth. */
  begin(most: number): number
  /** How many are left to begin. */
  readonly left: number
}

export class SharedTurns {
  readonly #most: number
  /** What may still begin in this turn. */
  #room: number
  readonly #waiting = new Set<Source>()
  #ending = false

  /** So many in a turn. */
  constructor(most: number) {
    this.#most = this.#room = most
  }

  /** Has the source begin what it has: now as far as there is room, the rest in turns to come. */
  offer(source: Source): void {
    if (this.#waiting.has(source)) return
    if (this.#waiting.size === 0) this.#serve(source, this.#room)
    if (source.left > 0) this.#waiting.add(source)
    if (this.#ending) return
    this.#ending = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#ending = false
    this.#room = this.#most
    const all = [...this.#waiting]
    if (all.length === 0) return
    const share = Math.ceil(this.#most / all.length)
    for (const source of all) {
      if (this.#room <= 0) break
      // Behind those who have not had their turn.
      this.#waiting.delete(source)
      this.#serve(source, share)
      if (source.left > 0) this.#waiting.add(source)
    }
    this.#ending = true
    setImmediate(() => this.#turn())
  }

  #serve(source: Source, most: number): void {
    if (this.#room > 0) this.#room -= source.begin(Math.min(most, this.#room))
  }
}

/** A source of single things: each begins as soon as there is room. */
export class Arrivals<T> implements Source {
  readonly #turns: SharedTurns
  readonly #act: (item: T) => void
  #items: T[] = []

  constructor(turns: SharedTurns, act: (item: T) => void) {
    this.#turns = turns
    this.#act = act
  }

  add(item: T): void {
    this.#items.push(item)
    this.#turns.offer(this)
  }

  get left(): number {
    return this.#items.length
  }

  begin(most: number): number {
    const now = this.#items.splice(0, most)
    for (const item of now) this.#act(item)
    return now.length
  }
}
