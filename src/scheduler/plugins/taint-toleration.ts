// Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer discouraging ones.
import { equal } from '#api/equal.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { tolerates } from '#api/toleration.ts'
import { type Plugin, scaleToMax } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ['node(s) had untolerated taint(s)'], final: true }

export const TaintToleration: Plugin = {
  name: 'TaintToleration',
  filter({ pod }) {
    return {
      check({ node }) {
        return untolerated(pod, node) ? REFUSAL : undefined
      },
    }
  },
  score({ pod }) {
    const tolerations = pod.spec?.tolerations
    return {
      of: ({ node }) => {
        let count = 0
        for (const taint of node?.spec?.taints ?? []) if (taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)) count++
        return count
      },
      normalize: (scores) => scaleToMax(scores, true),
    }
  },
  // How much a discouraging taint weighs depends on what other nodes have.
  local: ({ pod }, cluster) => (cluster.discouragingNodes > 0 ? undefined : JSON.stringify(pod.spec?.tolerations ?? [])),
  helps(change, { pod }) {
    if (change.type === 'own') return !equal(change.pod.spec?.tolerations, change.previous.spec?.tolerations)
    if (change.type !== 'node') return false
    if (change.previous && equal(change.node.spec?.taints, change.previous.spec?.taints)) return false
    return !untolerated(pod, change.node) && (!change.previous || untolerated(pod, change.previous))
  },
}

function untolerated({ spec }: Pod, node: Node | undefined): boolean {
  for (const taint of node?.spec?.taints ?? []) {
    if ((taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(spec?.tolerations, taint)) return true
  }
  return false
}
