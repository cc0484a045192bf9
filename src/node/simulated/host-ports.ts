// Who holds which ports of which simulated node: a pod that was sent to a node where one of its host ports is taken is refused, as by a kubelet.
// The scheduler sends none there; whoever writes nodeName himself may.
import type { Pod } from '#api/generated/types.ts'
import { hostPorts, portConflict, type Refusal } from '#node/agent/admission.ts'

export class HostPorts {
  readonly #holders = new Map<string, Map<string, Pod>>()

  /** The pod holds its ports from now on, unless that is refused. */
  take(pod: Pod): Refusal | undefined {
    if (hostPorts(pod).length === 0) return undefined
    const node = pod.spec?.nodeName ?? ''
    const holders = this.#holders.get(node) ?? new Map<string, Pod>()
    const refusal = portConflict(pod, [...holders.values()])
    if (!refusal) this.#holders.set(node, holders.set(pod.metadata!.uid!, pod))
    return refusal
  }

  free(pod: { uid: string; node: string }): void {
    const holders = this.#holders.get(pod.node)
    if (holders?.delete(pod.uid) && holders.size === 0) this.#holders.delete(pod.node)
  }
}
