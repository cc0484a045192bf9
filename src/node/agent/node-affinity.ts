// A pod's nodeSelector and required node affinity against one node.
import type { NodeSelectorRequirement, NodeSelectorTerm, Pod } from '#api/generated/types.ts'

export interface AffinityNode {
  name: string
  labels: Record<string, string>
}

export function matchesNodeAffinity(pod: Pod, node: AffinityNode): boolean {
  const { nodeSelector = {}, affinity } = pod.spec ?? {}
  if (!Object.entries(nodeSelector).every(([key, value]) => labelOf(node.labels, key) === value)) return false
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node))
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: AffinityNode): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false
  return (
    matchExpressions.every((one) => matches(one, labelOf(node.labels, one.key))) &&
    matchFields.every((one) => one.key === 'metadata.name' && matches(one, node.name))
  )
}

function matches({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
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
      const [left, right] = [Number(value), Number(values[0])]
      if (value === undefined || !Number.isInteger(left) || !Number.isInteger(right)) return false
      return operator === 'Gt' ? left > right : left < right
    }
    default:
      return false
  }
}

function labelOf(labels: Record<string, string>, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}
