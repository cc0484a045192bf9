// A pod with everything about it that scheduling asks for more than once, worked out once.
import type { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, keyText } from '#api/object.ts'
import { type HostPort, hostPortsOf } from './host-ports.ts'
import { type AffinityTerms, affinityTermsOf } from './pod-affinity-terms.ts'
import { podRequests, type Resources } from './resources.ts'

export interface PodInfo {
  /** Renewed while nothing else here would change. */
  pod: Pod
  /** `namespace/name`. */
  readonly key: string
  readonly uid: string
  readonly namespace: string
  readonly priority: number
  readonly requests: Resources
  readonly nonZero: { milliCpu: number; memory: number }
  readonly hostPorts: readonly HostPort[]
  readonly affinity: AffinityTerms
}

export function podInfoOf(pod: Pod): PodInfo {
  const key = keyText(keyOf(pod))
  return {
    pod,
    key,
    uid: uidOf(pod),
    namespace: pod.metadata?.namespace ?? '',
    priority: pod.spec?.priority ?? 0,
    ...podRequests(pod),
    hostPorts: hostPortsOf(pod),
    affinity: affinityTermsOf(pod),
  }
}

export function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? keyText(keyOf(pod))
}

/** Whether the pod's containers are over and it needs nothing any more. */
export function isAssigned(pod: Pod): boolean {
  return Boolean(pod.spec?.nodeName)
}
