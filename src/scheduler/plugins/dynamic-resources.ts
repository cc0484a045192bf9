// Pods get the devices they claim: nodes that cannot give them will not do, and claims are allocated and reserved before the pod is bound.
import type { ClaimsState, DeviceAllocator } from '#scheduler/devices/device-allocator.ts'
import { equal } from '#api/equal.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { claimNamesOf } from '#api/pod-resource-claims.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { type ClusterChange, type Plugin, type Refusal, scaleToMax } from '#scheduler/plugin.ts'

const KINDS = new Set(['ResourceSlice', 'DeviceClass'])
const BINDING_TIMEOUT_MS = 600_000

export function dynamicResources({ bindingTimeoutMs = BINDING_TIMEOUT_MS }: { bindingTimeoutMs?: number } = {}): Plugin {
  return {
    name: 'DynamicResources',
    gates: (pod, { devices }) => devices?.gates(pod) ?? false,
    filter(pod, { devices }) {
      const state = devices?.stateOf(pod)
      if (!devices || !state) return undefined
      return 'message' in state ? state : { check: (node) => check(devices, state, node) }
    },
    score(pod, { devices }) {
      const state = devices?.stateOf(pod)
      const of = devices && state && !('message' in state) ? devices.scoreOf(state) : undefined
      return of && { of, normalize: (scores) => scaleToMax(scores) }
    },
    reserve: (pod, node, { devices }) => (mayClaim(pod) ? devices?.reserve(pod, node, bindingTimeoutMs) : undefined),
    postFilter: (pod, { devices, nodes }) => devices?.giveUp(pod, nodes),
    local: (pod, { devices }) => (pod.pod.spec?.resourceClaims?.length || devices?.delegated(pod) ? undefined : ''),
    helps(change, pod) {
      if (change.type === 'node') return mayClaim(pod) && !sameOffers(change.node, change.previous)
      if (change.type !== 'object') return false
      return change.kind === 'ResourceClaim' ? claimHelps(change, pod.pod) : KINDS.has(change.kind)
    },
  }
}

function sameOffers({ metadata, status }: Node, previous: Node | undefined): boolean {
  return Boolean(previous) && equal([metadata?.labels, status?.allocatable], [previous!.metadata?.labels, previous!.status?.allocatable])
}

/** One that gives its devices back helps all, one that becomes other than it was those that use it. */
function claimHelps({ action, object, previous }: Extract<ClusterChange, { type: 'object' }>, pod: Pod): boolean {
  if (!action) return true
  const claim = object as ResourceClaim | undefined
  const before = previous as ResourceClaim | undefined
  if (before?.status?.allocation && !claim?.status?.allocation) return true
  if (!claim || claim.metadata?.namespace !== pod.metadata?.namespace || !claimNamesOf(pod).includes(claim.metadata?.name ?? ''))
    return false
  return !before || !equal(claim.status, before.status)
}

function mayClaim({ pod, requests }: PodInfo): boolean {
  return Boolean(pod.spec?.resourceClaims?.length || requests.scalars)
}

/** What is wrong with a claim or a class, or takes too long, is no property of the node: the attempt fails. */
function check(devices: DeviceAllocator, state: ClaimsState, node: NodeInfo): Refusal | undefined {
  try {
    return devices.refusalOf(state, node)
  } catch (error) {
    const { message, name } = error as Error
    // What takes too long may do so for the devices of this node.
    const where = name === 'AllocationTimeout' ? `node ${node.name}: ` : ''
    throw new Error(`running "DynamicResources" filter plugin: ${where}${message}`, { cause: error })
  }
}
