// Lists of indexes as jobs hold them: `1,3-5`.

/** The intervals, first and last index, or what is wrong with the text. */
export function readIndexes(text: string, completions: number): [first: number, last: number][] | string {
  const intervals: [number, number][] = []
  for (const part of text === '' ? [] : text.split(',')) {
    const interval = readInterval(part, completions)
    if (typeof interval === 'string') return interval
    const last = intervals.at(-1)?.[1]
    if (last !== undefined && last >= interval[0]) return `non-increasing order, previous: ${last}, current: ${interval[0]}`
    intervals.push(interval)
  }
  return intervals
}

function readInterval(text: string, completions: number): [number, number] | string {
  const parts = text.split('-')
  if (parts.length > 2)
    return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`
  const indexes: number[] = []
  for (const part of parts) {
    const index = /^\+?[0-9]+$/.test(part) ? Number(part) : Number.NaN
    if (!Number.isSafeInteger(index)) return `cannot convert string to integer for index: ${JSON.stringify(part)}`
    if (index >= completions) return `too large index: ${JSON.stringify(part)}`
    indexes.push(index)
  }
  const [first = 0, last] = indexes
  if (last !== undefined && first >= last) return `non-increasing order, previous: ${first}, current: ${last}`
  return [first, last ?? first]
}

/** The first index that both hold. */
export function commonIndex(one: readonly [number, number][], other: readonly [number, number][]): number | undefined {
  let [left, right] = [0, 0]
  while (left < one.length && right < other.length) {
    const [[a, b], [c, d]] = [one[left]!, other[right]!]
    if (a <= d && c <= b) return Math.max(a, c)
    if (a <= c) left++
    else right++
  }
  return undefined
}
