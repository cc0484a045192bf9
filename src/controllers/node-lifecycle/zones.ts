// How fast pods are evicted, zone by zone: when much of a zone is lost at once, the fault is likely not the nodes'.
import type { Node } from '#api/kinds/core/node.ts'
import { conditionOf } from '#controllers/conditions.ts'
import type { Clock } from '#lib/clock.ts'

const RATE = 0.1
const SECONDARY_RATE = 0.01
const LARGE_CLUSTER = 50
const UNHEALTHY_PART = 0.55

type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

/** Region and zone, as one key. */
function zoneOf({ metadata }: Node): string {
  const { labels = {} } = metadata ?? {}
  return `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`
}

export class EvictionPace {
  #clock: Clock
  /** Zone -> when its next eviction may begin. */
  #next = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether an unready node may be tainted now; else how long to wait, or that evictions are off for the time being. */
  ask(node: Node, nodes: readonly Node[]): { verdict: 'evict' | 'spare' } | { verdict: 'wait'; waitMs: number } {
    const zones = new Map<string, Node[]>()
    for (const one of nodes) {
      const members = zones.get(zoneOf(one))
      if (members) members.push(one)
      else zones.set(zoneOf(one), [one])
    }
    const states = new Map([...zones].map(([zone, members]) => [zone, stateOf(members)]))
    if ([...states.values()].every((state) => state === 'FullDisruption')) return { verdict: 'spare' }
    const zone = zoneOf(node)
    const partial = states.get(zone) === 'PartialDisruption'
    if (partial && zones.get(zone)!.length <= LARGE_CLUSTER) return { verdict: 'spare' }
    const now = this.#clock.monotonic()
    const next = this.#next.get(zone) ?? 0
    if (now < next) return { verdict: 'wait', waitMs: next - now }
    this.#next.set(zone, now + 1000 / (partial ? SECONDARY_RATE : RATE))
    return { verdict: 'evict' }
  }
}

function stateOf(nodes: readonly Node[]): ZoneState {
  const ready = nodes.filter(({ status }) => conditionOf(status?.conditions, 'Ready')?.status === 'True').length
  const unready = nodes.length - ready
  if (ready === 0 && unready > 0) return 'FullDisruption'
  return unready > 2 && unready / nodes.length >= UNHEALTHY_PART ? 'PartialDisruption' : 'Normal'
}
