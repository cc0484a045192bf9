// Nodes the pod selects (nodeSelector and required node affinity) and prefers (preferred node affinity).
import { equal } from '#api/equal.ts'
import type { NodeAffinity as Affinity, NodeSelector } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { allowsNode, matchesNodeSelector, matchesNodeSelectorTerm } from '#api/node-selector.ts'
import { type Plugin, scaleToMax } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't match Pod's node affinity/selector"], final: true }
const ENFORCED = { reasons: ["node(s) didn't match scheduler-enforced node affinity"], final: true }

/** `addedAffinity` is asked of every pod, beside its own. */
export function nodeAffinity({ addedAffinity }: { addedAffinity?: Affinity } = {}): Plugin {
  const enforced = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const liked = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  const said = addedAffinity ? JSON.stringify(addedAffinity) : ''
  return {
    name: 'NodeAffinity',
    filter({ pod }) {
      const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
      if (!required && !pod.spec?.nodeSelector && !enforced) return undefined
      const only = required && namedNodes(required)
      if (only?.length === 0) return { message: 'pod affinity terms conflict' }
      const spec = pod.spec ?? {}
      return {
        check(node) {
          if (enforced && !matchesNodeSelector(enforced, node)) return ENFORCED
          return allowsNode(spec, node) ? undefined : REFUSAL
        },
        ...(only ? { only } : {}),
      }
    },
    score({ pod }) {
      const own = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
      const preferred = [...own, ...liked]
      if (preferred.length === 0) return undefined
      return {
        of: (node) =>
          preferred.reduce((sum, { weight, preference }) => (matchesNodeSelectorTerm(preference, node) ? sum + weight : sum), 0),
        normalize: (scores) => scaleToMax(scores),
      }
    },
    local({ pod }) {
      if (liked.length > 0) return undefined
      const { nodeSelector, affinity } = pod.spec ?? {}
      if (!nodeSelector && !affinity?.nodeAffinity) return said
      const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution: preferred } =
        affinity?.nodeAffinity ?? {}
      return preferred?.length || (required && namedNodes(required)) ? undefined : JSON.stringify([said, nodeSelector, required])
    },
    helps(change, { pod }) {
      if (change.type !== 'node') return false
      const allows = ({ metadata: { name = '', labels = {} } = {} }: Node) =>
        (!enforced || matchesNodeSelector(enforced, { name, labels })) && allowsNode(pod.spec ?? {}, { name, labels })
      const { node, previous } = change
      return !(previous && equal(node.metadata?.labels, previous.metadata?.labels)) && allows(node) && !(previous && allows(previous))
    },
  }
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
