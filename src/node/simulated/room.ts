// What the pods of each simulated node have of it: requests, host ports and a place. A pod for which there is none is refused, as by a kubelet. The
// scheduler sends none there; two schedulers may, and so may whoever writes nodeName himself.
import type { Pod } from '#api/generated/types.ts'
import { tolerates } from '#api/toleration.ts'
import { MEMORY_PRESSURE_TAINT } from '#api/well-known.ts'
import { amountOf, hostPorts, portConflict, type Refusal, requestNames, unfit } from '#node/agent/admission.ts'
import type { NodeFacts } from '#node/agent/context.ts'
import { isCritical, qosClassOf } from '#node/agent/resources.ts'
import type { Pressure } from '#node/node-status.ts'

export type RoomFacts = Pick<NodeFacts, 'name' | 'labels' | 'taints' | 'allocatable'> & { pressure: Pressure }

interface Place {
  requests: readonly (readonly [resource: string, amount: number])[]
  /** Kept where it has host ports. */
  pod: Pod | undefined
}

const MEMORY_PRESSURE = { key: MEMORY_PRESSURE_TAINT, effect: 'NoSchedule' }

export class Room {
  readonly #nodes = new Map<string, { places: Map<string, Place>; used: Map<string, number> }>()

  /** The pod has its place from now on, unless that is refused. */
  take(pod: Pod, node: RoomFacts): Refusal | undefined {
    const { places, used } = this.#of(node.name)
    const refusal =
      underPressure(pod, node.pressure) ??
      unfit(pod, node, {
        pods: places.size,
        used: (resource) => used.get(resource) ?? 0,
        isPortTaken: () =>
          hostPorts(pod).length > 0 &&
          portConflict(
            pod,
            [...places.values()].flatMap((place) => place.pod ?? []),
          ) !== undefined,
      })
    if (!refusal) this.hold(pod)
    return refusal
  }

  /** Without asking: it runs already, or asks for something else than before. */
  hold(pod: Pod): void {
    const [uid, node] = [pod.metadata!.uid!, pod.spec!.nodeName!]
    this.free({ uid, node })
    const { places, used } = this.#of(node)
    const requests = [...requestNames(pod)].map((resource) => [resource, amountOf(pod, resource)] as const)
    for (const [resource, amount] of requests) used.set(resource, (used.get(resource) ?? 0) + amount)
    places.set(uid, { requests, pod: hostPorts(pod).length > 0 ? pod : undefined })
  }

  free({ uid, node }: { uid: string; node: string }): void {
    const found = this.#nodes.get(node)
    const place = found?.places.get(uid)
    if (!found || !place) return
    for (const [resource, amount] of place.requests) found.used.set(resource, found.used.get(resource)! - amount)
    found.places.delete(uid)
    if (found.places.size === 0) this.#nodes.delete(node)
  }

  #of(node: string): { places: Map<string, Place>; used: Map<string, number> } {
    let found = this.#nodes.get(node)
    if (!found) this.#nodes.set(node, (found = { places: new Map(), used: new Map() }))
    return found
  }
}

/** A node that is short of something takes nothing but what must run there; short of memory alone, also pods that requested theirs. */
function underPressure(pod: Pod, { memory, disk, pid }: Pressure): Refusal | undefined {
  if ((!memory && !disk && !pid) || isCritical(pod)) return undefined
  if (memory && !disk && !pid && (qosClassOf(pod) !== 'BestEffort' || tolerates(pod.spec?.tolerations, MEMORY_PRESSURE))) return undefined
  const names = [memory && 'MemoryPressure', disk && 'DiskPressure', pid && 'PIDPressure'].filter(Boolean)
  return { reason: 'Evicted', message: `The node had condition: [${names.join(' ')}]. ` }
}
