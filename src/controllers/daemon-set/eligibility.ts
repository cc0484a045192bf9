// Whether a daemon's pod belongs on a node: names, selectors, affinity and taints, but not resources, which are the scheduler's affair.
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Toleration } from '#api/generated/types.ts'
import type { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { hasLabels } from '#controllers/labels.ts'
import { tolerates } from '#controllers/taint-eviction.ts'

const ADDED: Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]
const ADDED_ON_HOST_NETWORK: Toleration = { key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }

/** The template's tolerations and those every daemon has: it stays when a node is in trouble. */
export function daemonTolerations(spec: PodSpec): Toleration[] {
  const tolerations = [...(spec.tolerations ?? [])]
  for (const added of [...ADDED, ...(spec.hostNetwork ? [ADDED_ON_HOST_NETWORK] : [])]) {
    const present = tolerations.some(
      ({ key, operator, effect }) => key === added.key && operator === added.operator && effect === added.effect,
    )
    if (!present) tolerations.push(added)
  }
  return tolerations
}

export function eligibility(set: DaemonSet, node: Node): { shouldRun: boolean; shouldContinue: boolean } {
  const spec = set.spec!.template.spec!
  const never = { shouldRun: false, shouldContinue: false }
  if (spec.nodeName && spec.nodeName !== node.metadata?.name) return never
  if (!hasLabels(node.metadata?.labels, spec.nodeSelector)) return never
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (required && !required.nodeSelectorTerms.some((term) => termMatches(term, node))) return never
  const tolerations = daemonTolerations(spec)
  const untolerated = (node.spec?.taints ?? []).filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)))
  const expelled = untolerated.some(({ effect }) => effect === 'NoExecute')
  return { shouldRun: !expelled && !untolerated.some(({ effect }) => effect === 'NoSchedule'), shouldContinue: !expelled }
}

/** A term without requirements matches nothing. */
function termMatches({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  const { labels = {}, name = '' } = node.metadata ?? {}
  return (
    matchExpressions.every((requirement) =>
      matches(requirement, Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined),
    ) && matchFields.every((requirement) => matches(requirement, requirement.key === 'metadata.name' ? name : undefined))
  )
}

function matches({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  if (operator === 'In') return value !== undefined && values.includes(value)
  if (operator === 'NotIn') return value === undefined || !values.includes(value)
  if (value === undefined || !/^-?\d+$/.test(value) || !/^-?\d+$/.test(values[0] ?? '')) return false
  return operator === 'Gt' ? BigInt(value) > BigInt(values[0]!) : BigInt(value) < BigInt(values[0]!)
}
