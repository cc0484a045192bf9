// Nodes the pod selects (nodeSelector and required node affinity) and prefers (preferred node affinity).
import { equal } from '#api/equal.ts'
import type { NodeSelector } from '#api/generated/types.ts'
import { allowsNode, matchesNodeSelectorTerm } from '#api/node-selector.ts'
import { type Plugin, scaleToMax } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't match Pod's node affinity/selector"], final: true }

export const NodeAffinity: Plugin = {
  name: 'NodeAffinity',
  filter({ pod }) {
    const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
    if (!required && !pod.spec?.nodeSelector) return undefined
    const only = required && namedNodes(required)
    if (only?.length === 0) return { message: 'pod affinity terms conflict' }
    const spec = pod.spec ?? {}
    return { check: (node) => (allowsNode(spec, node) ? undefined : REFUSAL), ...(only ? { only } : {}) }
  },
  score({ pod }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution
    if (!preferred?.length) return undefined
    return {
      of: (node) => preferred.reduce((sum, { weight, preference }) => (matchesNodeSelectorTerm(preference, node) ? sum + weight : sum), 0),
      normalize: (scores) => scaleToMax(scores),
    }
  },
  local({ pod }) {
    const { nodeSelector, affinity } = pod.spec ?? {}
    if (!nodeSelector && !affinity?.nodeAffinity) return ''
    const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution: preferred } =
      affinity?.nodeAffinity ?? {}
    return preferred?.length || (required && namedNodes(required)) ? undefined : JSON.stringify([nodeSelector, required])
  },
  helps: (change) => change.type === 'node' && (!change.previous || !equal(change.node.metadata?.labels, change.previous.metadata?.labels)),
}

/** The nodes named, if every alternative names some: pods of daemon sets do. */
function namedNodes({ nodeSelectorTerms }: NodeSelector): string[] | undefined {
  const names = new Set<string>()
  for (const { matchFields = [] } of nodeSelectorTerms) {
    let term: string[] | undefined
    for (const { key, operator, values = [] } of matchFields) {
      if (key === 'metadata.name' && operator === 'In') term = term ? term.filter((name) => values.includes(name)) : [...values]
    }
    if (!term) return undefined
    for (const name of term) names.add(name)
  }
  return [...names]
}
