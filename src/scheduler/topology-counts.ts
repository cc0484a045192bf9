// Numbers by topology domain: topology key -> value of that label -> number.
export class TopologyCounts {
  readonly #counts = new Map<string, Map<string, number>>()

  get isEmpty(): boolean {
    return this.#counts.size === 0
  }

  add(key: string, labels: Readonly<Record<string, string>>, by: number): void {
    const value = Object.hasOwn(labels, key) ? labels[key]! : undefined
    if (value === undefined || by === 0) return
    this.#add(key, value, by)
  }

  copy(): TopologyCounts {
    const copy = new TopologyCounts()
    copy.addAll(this)
    return copy
  }

  addAll(other: TopologyCounts): void {
    for (const [key, counts] of other.#counts) for (const [value, count] of counts) this.#add(key, value, count)
  }

  get(key: string, labels: Readonly<Record<string, string>>): number {
    return Object.hasOwn(labels, key) ? (this.#counts.get(key)?.get(labels[key]!) ?? 0) : 0
  }

  /** Over all domains the labels place something in. */
  sum(labels: Readonly<Record<string, string>>): number {
    let sum = 0
    for (const key of this.#counts.keys()) sum += this.get(key, labels)
    return sum
  }

  /** Whether any domain the labels place something in has a number. */
  anyIn(labels: Readonly<Record<string, string>>): boolean {
    for (const [key, counts] of this.#counts) if (Object.hasOwn(labels, key) && (counts.get(labels[key]!) ?? 0) > 0) return true
    return false
  }

  #add(key: string, value: string, by: number): void {
    let counts = this.#counts.get(key)
    if (!counts) this.#counts.set(key, (counts = new Map()))
    const count = (counts.get(value) ?? 0) + by
    if (count !== 0) counts.set(value, count)
    else counts.delete(value)
    if (counts.size === 0) this.#counts.delete(key)
  }
}
