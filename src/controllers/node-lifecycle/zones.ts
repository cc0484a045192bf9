// How fast pods are evicted, zone by zone: when much of a zone is lost at once, the fault is likely not the nodes'.
import type { Node } from '#api/kinds/core/node.ts'
import { REGION_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import { isConditionTrue } from '#api/conditions.ts'
import type { Clock } from '#lib/clock.ts'

const RATE = 0.1
const SECONDARY_RATE = 0.01
const LARGE_CLUSTER = 50
const UNHEALTHY_PART = 0.55

type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

/** Region and zone, as one key. */
export function zoneOf({ metadata }: Node): string {
  const { labels = {} } = metadata ?? {}
  return `${labels[REGION_LABEL] ?? ''}:${labels[ZONE_LABEL] ?? ''}`
}

/** How the nodes of a zone fare. */
interface Zone {
  ready: number
  total: number
}

export class EvictionPace {
  #clock: Clock
  /** Zone -> when its next eviction may begin. */
  #next = new Map<string, number>()
  #zones = new Map<string, Zone>()
  #nodes = new Map<string, { zone: string; ready: boolean }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes down how a node fares; undefined: it is gone. Whether that may change the verdict on others. */
  note(name: string, node: Node | undefined): boolean {
    const before = this.#nodes.get(name)
    const now = node && { zone: zoneOf(node), ready: isConditionTrue(node.status?.conditions, 'Ready') }
    if (before?.zone === now?.zone && before?.ready === now?.ready) return false
    const states = this.#states()
    if (before) this.#count(before, -1)
    if (now) this.#count(now, 1)
    if (now) this.#nodes.set(name, now)
    else this.#nodes.delete(name)
    return this.#states() !== states
  }

  /** Every zone is lost: then it is this process that hears nothing, and nobody is evicted. */
  get allLost(): boolean {
    return this.#zones.values().every((zone) => stateOf(zone) === 'FullDisruption')
  }

  /** Whether an unready node may be tainted now; else how long to wait, or that evictions are off for the time being. */
  ask(node: Node): { verdict: 'evict' | 'spare' } | { verdict: 'wait'; waitMs: number } {
    if (this.allLost) return { verdict: 'spare' }
    const name = zoneOf(node)
    const zone = this.#zones.get(name)
    const partial = zone !== undefined && stateOf(zone) === 'PartialDisruption'
    if (partial && !isLarge(zone)) return { verdict: 'spare' }
    const now = this.#clock.monotonic()
    const next = this.#next.get(name) ?? 0
    if (now < next) return { verdict: 'wait', waitMs: next - now }
    this.#next.set(name, now + 1000 / (partial ? SECONDARY_RATE : RATE))
    return { verdict: 'evict' }
  }

  /** For the books: zone, nodes, and how many of them are ready. */
  *zones(): Generator<[zone: string, of: Readonly<Zone>]> {
    yield* this.#zones
  }

  #count({ zone, ready }: { zone: string; ready: boolean }, by: 1 | -1): void {
    const tally = this.#zones.get(zone) ?? { ready: 0, total: 0 }
    tally.total += by
    if (ready) tally.ready += by
    if (tally.total > 0) this.#zones.set(zone, tally)
    else this.#zones.delete(zone)
  }

  /** All that verdicts depend on. */
  #states(): string {
    return Array.from(this.#zones, ([name, zone]) => `${name}=${stateOf(zone)}${isLarge(zone)}`).join()
  }
}

function isLarge({ total }: Zone): boolean {
  return total > LARGE_CLUSTER
}

function stateOf({ ready, total }: Zone): ZoneState {
  const unready = total - ready
  if (ready === 0 && unready > 0) return 'FullDisruption'
  return unready > 2 && unready / total >= UNHEALTHY_PART ? 'PartialDisruption' : 'Normal'
}
