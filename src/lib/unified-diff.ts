// Two texts compared line by line, told as a unified diff without file names. Matches as difflib does, so that its readers see what they know:
// the longest run in common first, then what is left of it and right of it; lines that fill a long text join runs but start none.

const CONTEXT = 3
/** Beyond so many lines, or steps of searching them, only what begins and ends alike is told apart: more would take too long. */
const MOST_LINES = 4000
const MOST_STEPS = 300_000

/** Runs of lines: those of the old text from `from` to `to`, and those of the new one in their place. Equal ones where `same`. */
interface Change {
  same: boolean
  from: number
  to: number
  newFrom: number
  newTo: number
}

/** Empty when there is no difference. */
export function unifiedDiff(before: string, after: string): string {
  const [old, next] = [before.split('\n'), after.split('\n')]
  return hunks(changes(old, next))
    .map((hunk) => {
      const [first, last] = [hunk[0]!, hunk.at(-1)!]
      const lines = hunk.flatMap(({ same, from, to, newFrom, newTo }) => {
        const was = old.slice(from, to)
        if (same) return was.map((line) => ` ${line}`)
        return [...was.map((line) => `-${line}`), ...next.slice(newFrom, newTo).map((line) => `+${line}`)]
      })
      return `@@ -${range(first.from, last.to)} +${range(first.newFrom, last.newTo)} @@\n${lines.map((line) => `${line}\n`).join('')}`
    })
    .join('')
}

function range(from: number, to: number): string {
  if (to - from === 1) return String(from + 1)
  return `${to === from ? from : from + 1},${to - from}`
}

function changes(old: readonly string[], next: readonly string[]): Change[] {
  const all: Change[] = []
  let [from, newFrom] = [0, 0]
  for (const [start, newStart, length] of [...matches(old, next), [old.length, next.length, 0] as const]) {
    if (from < start || newFrom < newStart) all.push({ same: false, from, to: start, newFrom, newTo: newStart })
    ;[from, newFrom] = [start + length, newStart + length]
    if (length > 0) all.push({ same: true, from: start, to: from, newFrom: newStart, newTo: newFrom })
  }
  return all
}

/** Changes with the lines around them; far ones apart. */
function hunks(all: readonly Change[]): Change[][] {
  const groups: Change[][] = [[]]
  for (const [index, change] of all.entries()) {
    const length = change.to - change.from
    const [first, last] = [index === 0, index === all.length - 1]
    if (!change.same) groups.at(-1)!.push(change)
    else if (!first && !last && length <= 2 * CONTEXT) groups.at(-1)!.push(change)
    else {
      const kept = Math.min(CONTEXT, length)
      if (!first) groups.at(-1)!.push({ ...change, to: change.from + kept, newTo: change.newFrom + kept })
      if (!first && !last) groups.push([])
      if (!last) groups.at(-1)!.push({ ...change, from: change.to - kept, newFrom: change.newTo - kept })
    }
  }
  return groups.filter((group) => group.some(({ same }) => !same))
}

type Match = readonly [start: number, newStart: number, length: number]

function matches(old: readonly string[], next: readonly string[]): Match[] {
  if (old.length > MOST_LINES || next.length > MOST_LINES) return endMatches(old, next)
  const places = new Map<string, number[]>()
  for (const [index, line] of next.entries()) places.set(line, [...(places.get(line) ?? []), index])
  if (next.length >= 200) for (const [line, list] of places) if (list.length > Math.floor(next.length / 100) + 1) places.delete(line)
  const texts: Texts = { old, next, places, steps: 0 }
  const found: Match[] = []
  const pending: [number, number, number, number][] = [[0, old.length, 0, next.length]]
  for (let part = pending.pop(); part; part = pending.pop()) {
    const [low, high, newLow, newHigh] = part
    const match = longestMatch(texts, part)
    if (texts.steps > MOST_STEPS) return endMatches(old, next)
    const [start, newStart, length] = match
    if (length === 0) continue
    found.push(match)
    if (low < start && newLow < newStart) pending.push([low, start, newLow, newStart])
    if (start + length < high && newStart + length < newHigh) pending.push([start + length, high, newStart + length, newHigh])
  }
  return joined(found.toSorted(([a], [b]) => a - b))
}

interface Texts {
  old: readonly string[]
  next: readonly string[]
  /** Where each line occurs in the new text, without the most frequent ones. */
  places: ReadonlyMap<string, readonly number[]>
  /** Taken so far. */
  steps: number
}

function longestMatch(texts: Texts, [low, high, newLow, newHigh]: [number, number, number, number]): Match {
  const { old, next, places } = texts
  let [best, newBest, length] = [low, newLow, 0]
  let runs = new Map<number, number>()
  for (let index = low; index < high; index++) {
    const ending = new Map<number, number>()
    if (texts.steps++ > MOST_STEPS) break
    for (const place of places.get(old[index]!) ?? []) {
      texts.steps++
      if (place < newLow) continue
      if (place >= newHigh) break
      const run = (runs.get(place - 1) ?? 0) + 1
      ending.set(place, run)
      if (run > length) [best, newBest, length] = [index - run + 1, place - run + 1, run]
    }
    runs = ending
  }
  while (best > low && newBest > newLow && old[best - 1] === next[newBest - 1])
    [best, newBest, length] = [best - 1, newBest - 1, length + 1]
  while (best + length < high && newBest + length < newHigh && old[best + length] === next[newBest + length]) length++
  return [best, newBest, length]
}

/** Neighbours made one. */
function joined(found: readonly Match[]): Match[] {
  const all: Match[] = []
  for (const match of found) {
    const last = all.at(-1)
    if (last && last[0] + last[2] === match[0] && last[1] + last[2] === match[1])
      all[all.length - 1] = [last[0], last[1], last[2] + match[2]]
    else all.push(match)
  }
  return all
}

function endMatches(old: readonly string[], next: readonly string[]): Match[] {
  const most = Math.min(old.length, next.length)
  let [head, tail] = [0, 0]
  while (head < most && old[head] === next[head]) head++
  while (tail < most - head && old[old.length - 1 - tail] === next[next.length - 1 - tail]) tail++
  const all: Match[] = [
    [0, 0, head],
    [old.length - tail, next.length - tail, tail],
  ]
  return all.filter(([, , length]) => length > 0)
}
