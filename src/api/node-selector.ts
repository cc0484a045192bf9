// Which nodes a pod, a volume or a storage class selects, by their labels and names.
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from './generated/types.ts'
import { hasLabels } from './labels.ts'

export interface SelectableNode {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** Whether a pod's nodeSelector and required node affinity allow the node. */
export function allowsNode({ nodeSelector, affinity }: Pick<PodSpec, 'nodeSelector' | 'affinity'>, node: SelectableNode): boolean {
  if (!hasLabels(node.labels, nodeSelector)) return false
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || matchesNodeSelector(required, node)
}

/** Terms are alternatives; a term that says nothing matches nothing. */
export function matchesNodeSelector({ nodeSelectorTerms }: NodeSelector, node: SelectableNode): boolean {
  return nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node))
}

export function matchesNodeSelectorTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: SelectableNode): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false
  return (
    matchFields.every((requirement) => requirement.key === 'metadata.name' && meets(requirement, node.name)) &&
    matchExpressions.every((requirement) =>
      meets(requirement, Object.hasOwn(node.labels, requirement.key) ? node.labels[requirement.key] : undefined),
    )
  )
}

const INTEGER = /^-?\d{1,19}$/

function meets({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
    case 'Lt': {
      const bound = values[0] ?? ''
      if (value === undefined || !INTEGER.test(value) || !INTEGER.test(bound)) return false
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound)
    }
    default:
      return false
  }
}
