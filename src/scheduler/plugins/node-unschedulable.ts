// Keeps pods off cordoned nodes, unless they tolerate that.
import { tolerates } from '#api/toleration.ts'
import type { Plugin } from '#scheduler/plugin.ts'

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
const REFUSAL = { reasons: ['node(s) were unschedulable'], final: true }

export const NodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  filter({ pod }) {
    if (tolerates(pod.spec?.tolerations, TAINT)) return undefined
    return { check: ({ node }) => (node?.spec?.unschedulable ? REFUSAL : undefined) }
  },
  local: ({ pod }) => String(tolerates(pod.spec?.tolerations, TAINT)),
  helps(change) {
    if (change.type === 'own') return tolerates(change.pod.spec?.tolerations, TAINT)
    return change.type === 'node' && !change.node.spec?.unschedulable && (change.previous?.spec?.unschedulable ?? true)
  },
}
