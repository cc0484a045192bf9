// Node selector terms: requirements on a node's labels and on its name.
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '#api/generated/types.ts'
import type { NodeInfo } from './node-info.ts'

/** Terms are alternatives; a term that says nothing matches nothing. */
export function matchesSelector(selector: NodeSelector, node: NodeInfo): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesTerm(term, node))
}

export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: NodeInfo): boolean {
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
