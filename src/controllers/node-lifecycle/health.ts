// When each node was last heard of, by this process's own clock: clocks of other machines are only compared with themselves.
import type { Lease } from '#api/kinds/coordination/lease.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { conditionOf } from '#api/conditions.ts'
import type { Clock } from '#lib/clock.ts'

const GRACE_MS = 50_000
const STARTUP_GRACE_MS = 60_000

interface Heard {
  atMs: number
  heartbeat: string | undefined
  renewed: string | undefined
}

export class NodeHealth {
  #clock: Clock
  #nodes = new Map<string, Heard>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes what node and lease say now; milliseconds until the node counts as lost, 0 or less when it does. */
  remainingMs(node: Node, lease: Lease | undefined): number {
    const name = node.metadata?.name ?? ''
    const ready = conditionOf(node.status?.conditions, 'Ready')
    const heartbeat = ready?.lastHeartbeatTime ?? undefined
    const renewed = lease?.spec?.renewTime
    const now = this.#clock.monotonic()
    const before = this.#nodes.get(name)
    const grace = ready ? GRACE_MS : STARTUP_GRACE_MS
    if (!before && !ready) {
      // Never heard of: counts from its creation, as far as that can be told.
      const age = Math.max(0, this.#clock.now() - (Date.parse(node.metadata?.creationTimestamp ?? '') || this.#clock.now()))
      this.#nodes.set(name, { atMs: now - Math.min(age, grace), heartbeat, renewed })
    } else if (!before || before.heartbeat !== heartbeat || before.renewed !== renewed) {
      // What this controller writes itself does not touch the heartbeat and so is no sign of life.
      this.#nodes.set(name, { atMs: now, heartbeat, renewed })
    }
    return this.#nodes.get(name)!.atMs + grace - now
  }

  /** Takes a renewed lease of a node that was not lost until now; false for any other. */
  renewed(name: string, lease: Lease): boolean {
    const before = this.#nodes.get(name)
    const now = this.#clock.monotonic()
    if (!before || before.atMs + GRACE_MS <= now) return false
    const renewed = lease.spec?.renewTime
    if (before.renewed !== renewed) this.#nodes.set(name, { ...before, atMs: now, renewed })
    return true
  }

  knows(name: string): boolean {
    return this.#nodes.has(name)
  }

  forget(name: string): void {
    this.#nodes.delete(name)
  }
}
