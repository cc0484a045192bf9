// Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer discouraging ones.
import { equal } from '#api/equal.ts'
import { tolerates } from '#api/toleration.ts'
import { type Plugin, scaleToMax } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ['node(s) had untolerated taint(s)'], final: true }

export const TaintToleration: Plugin = {
  name: 'TaintToleration',
  filter({ pod }) {
    const tolerations = pod.spec?.tolerations
    return {
      check({ node }) {
        for (const taint of node?.spec?.taints ?? []) {
          if ((taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(tolerations, taint)) return REFUSAL
        }
        return undefined
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
  helps: (change) => change.type === 'node' && (!change.previous || !equal(change.node.spec?.taints, change.previous.spec?.taints)),
}
