// Whether a daemon's pod belongs on a node: names, selectors, affinity and taints, but not resources, which are the scheduler's affair.
import type { PodSpec, Toleration } from '#api/generated/types.ts'
import type { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { allowsNode } from '#api/node-selector.ts'
import { tolerates } from '#api/toleration.ts'
import {
  DISK_PRESSURE_TAINT,
  MEMORY_PRESSURE_TAINT,
  NETWORK_UNAVAILABLE_TAINT,
  NOT_READY_TAINT,
  PID_PRESSURE_TAINT,
  UNREACHABLE_TAINT,
} from '#api/well-known.ts'

const ADDED: Toleration[] = [
  { key: NOT_READY_TAINT, operator: 'Exists', effect: 'NoExecute' },
  { key: UNREACHABLE_TAINT, operator: 'Exists', effect: 'NoExecute' },
  { key: DISK_PRESSURE_TAINT, operator: 'Exists', effect: 'NoSchedule' },
  { key: MEMORY_PRESSURE_TAINT, operator: 'Exists', effect: 'NoSchedule' },
  { key: PID_PRESSURE_TAINT, operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]
const ADDED_ON_HOST_NETWORK: Toleration = { key: NETWORK_UNAVAILABLE_TAINT, operator: 'Exists', effect: 'NoSchedule' }

/** The template's tolerations and those every daemon has: it stays when a node is in trouble. */
export function daemonTolerations(spec: PodSpec): Toleration[] {
  const tolerations = [...(spec.tolerations ?? [])]
  for (const added of [...ADDED, ...(spec.hostNetwork ? [ADDED_ON_HOST_NETWORK] : [])]) {
    const present = tolerations.findIndex((one) => sameTaints(one, added))
    if (present < 0) tolerations.push(added)
    // Without an end, whatever the template says.
    else tolerations[present] = added
  }
  return tolerations
}

const sameTaints = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key && a.operator === b.operator && a.effect === b.effect && (a.value ?? '') === (b.value ?? '')

export interface Eligibility {
  node: string
  /** A daemon belongs there. */
  shouldRun: boolean
  /** One that is there may stay. */
  shouldContinue: boolean
}

/** Of every node. What is the same for all of them is worked out once: sets are large where clusters are. */
export function eligibilities(set: DaemonSet, nodes: readonly Node[]): Eligibility[] {
  const spec = set.spec!.template.spec!
  const tolerations = daemonTolerations(spec)
  return nodes.map((node) => {
    const { name = '', labels = {} } = node.metadata ?? {}
    if ((spec.nodeName && spec.nodeName !== name) || !allowsNode(spec, { name, labels }))
      return { node: name, shouldRun: false, shouldContinue: false }
    let [shouldRun, shouldContinue] = [true, true]
    for (const taint of node.spec?.taints ?? []) {
      if (taint.effect === 'PreferNoSchedule' || tolerates(tolerations, taint)) continue
      shouldRun = false
      if (taint.effect === 'NoExecute') shouldContinue = false
    }
    return { node: name, shouldRun, shouldContinue }
  })
}
