// Sets of completion indexes as a Job's status spells them: `1,3-5,7`. Kept as ranges: a job may have two billion indexes, and is looked at often.

/** First and last of indexes that follow each other. */
type Range = [first: number, last: number]

export class IndexSet {
  /** In order; between two of them an index is missing. */
  readonly #ranges: Range[]
  #size: number

  constructor(ranges: Iterable<Range> = []) {
    this.#ranges = joined(ranges)
    this.#size = this.#ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  }

  /** Those of the text that are below `completions`, whatever else it says. */
  static parse(text: string | undefined, completions: number): IndexSet {
    const ranges: Range[] = []
    for (const part of text ? text.split(',') : []) {
      const match = /^\+?(\d+)(?:-\+?(\d+))?$/.exec(part)
      const [first, last] = [Number(match?.[1]), Math.min(Number(match?.[2] ?? match?.[1]), completions - 1)]
      if (first <= last) ranges.push([first, last])
    }
    return new IndexSet(ranges)
  }

  get size(): number {
    return this.#size
  }

  has(index: number): boolean {
    const range = this.#ranges[this.#firstFrom(index)]
    return range !== undefined && range[0] <= index
  }

  add(index: number): void {
    const at = this.#firstFrom(index)
    const [before, after] = [this.#ranges[at - 1], this.#ranges[at]]
    if (after && after[0] <= index) return
    this.#size++
    const [follows, leads] = [before?.[1] === index - 1, after?.[0] === index + 1]
    if (follows && leads) this.#ranges.splice(at - 1, 2, [before![0], after![1]])
    else if (follows) before![1] = index
    else if (leads) after![0] = index
    else this.#ranges.splice(at, 0, [index, index])
  }

  union(other: IndexSet): IndexSet {
    return new IndexSet([...this.#ranges, ...other.#ranges])
  }

  /** How many the two have in common. */
  inCommon(other: IndexSet): number {
    return this.size + other.size - this.union(other).size
  }

  /** The indexes below `completions` that are not in the set, in order. */
  *missing(completions: number): Generator<number> {
    let index = 0
    for (const [first, last] of this.#ranges) {
      for (; index < Math.min(first, completions); index++) yield index
      index = last + 1
    }
    for (; index < completions; index++) yield index
  }

  /** Two neighbours are spelled apart, as upstream does from three on with a dash. */
  toString(): string {
    return this.#ranges.map(([first, last]) => (first === last ? first : `${first}${last === first + 1 ? ',' : '-'}${last}`)).join(',')
  }

  /** Where the first range is that ends at `index` or later. */
  #firstFrom(index: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ranges[middle]![1] < index) low = middle + 1
      else high = middle
    }
    return low
  }
}

function joined(ranges: Iterable<Range>): Range[] {
  const found: Range[] = []
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = found.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else found.push([first, last])
  }
  return found
}
