// Pods that name their node fit nowhere else.
import type { Plugin } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't match the requested node name"], final: true }

export const NodeName: Plugin = {
  name: 'NodeName',
  filter({ pod }) {
    const wanted = pod.spec?.nodeName
    return wanted ? { check: ({ name }) => (name === wanted ? undefined : REFUSAL) } : undefined
  },
  local: ({ pod }) => pod.spec?.nodeName ?? '',
  helps: (change) => change.type === 'node' && !change.previous,
}
