// Why no node would do: counted by reason for people, and by plugin for the queue.
import type { Refusal } from './plugin.ts'

/** Stands for all extenders: nobody knows what would change their minds. */
export const EXTENDER = 'Extender'

export class Diagnosis {
  readonly total: number
  readonly refusals = new Map<string, Refusal>()
  readonly plugins = new Set<string>()
  /** Set when the pod was refused before any node was looked at. */
  podMessage: string | undefined
  /** What those have to say that are asked when no node would do. */
  readonly postFilterMessages: string[] = []

  constructor(total: number) {
    this.total = total
  }

  refuse(node: string, plugin: string, refusal: Refusal): void {
    this.refusals.set(node, refusal)
    this.plugins.add(plugin)
  }

  refusePod(plugin: string, message: string): void {
    this.podMessage = message
    this.plugins.add(plugin)
  }

  /** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
  get message(): string {
    if (this.total === 0) return 'no nodes available to schedule pods'
    const why = this.podMessage ?? histogram([...this.refusals.values()].flatMap(({ reasons }) => reasons))
    return `0/${this.total} nodes are available:${why ? ` ${why}.` : ''}${this.postFilterMessages.length ? ` ${this.postFilterMessages.join(', ')}` : ''}`
  }
}

/** `1 this, 2 that`, sorted as text. */
export function histogram(reasons: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ')
}
