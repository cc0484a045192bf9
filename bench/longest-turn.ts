// What the main thread did in its longest turn: the calls of a profile that fall into it, heaviest first.
import type { Profiler } from 'node:inspector'

export interface Turn {
  /** Of the monotonic clock, in microseconds, as a profile tells them. */
  from: number
  to: number
}

const LEAST = 0.04

/** One line a call: milliseconds in it and below, its name and place. */
export function callsOf({ nodes, samples = [], timeDeltas = [], startTime }: Profiler.Profile, { from, to }: Turn): string {
  const own = new Map<number, number>()
  let at = startTime
  let total = 0
  for (const [i, id] of samples.entries()) {
    const delta = timeDeltas[i]!
    at += delta
    if (at <= from || at - delta > to) continue
    own.set(id, (own.get(id) ?? 0) + delta)
    total += delta
  }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const whole = new Map<number, number>()
  const weigh = (id: number): number => {
    let sum = own.get(id) ?? 0
    for (const child of byId.get(id)!.children ?? []) sum += weigh(child)
    whole.set(id, sum)
    return sum
  }
  weigh(nodes[0]!.id)
  const lines: string[] = []
  const tell = (id: number, depth: number) => {
    const { callFrame, children = [] } = byId.get(id)!
    const { functionName, url, lineNumber } = callFrame
    const place = url ? ` ${url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')}:${lineNumber + 1}` : ''
    lines.push(`${' '.repeat(depth)}${(whole.get(id)! / 1000).toFixed(1)} ${functionName || '(anonymous)'}${place}`)
    for (const child of children.toSorted((a, b) => whole.get(b)! - whole.get(a)!))
      if (whole.get(child)! > total * LEAST) tell(child, depth + 1)
  }
  tell(nodes[0]!.id, 0)
  return lines.join('\n')
}
