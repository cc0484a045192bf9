// A new node takes no pods until somebody has seen it ready.
import type { Node } from '#api/generated/types.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { target } from './refusal.ts'

const KEY = 'node.kubernetes.io/not-ready'

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  of: ['nodes'],
  admit(request) {
    if (target(request) !== 'nodes' || request.operation !== 'CREATE') return
    const spec = ((request.object as Node).spec ??= {})
    if (spec.taints?.some(({ key, effect }) => key === KEY && effect === 'NoSchedule')) return
    spec.taints = [...(spec.taints ?? []), { key: KEY, effect: 'NoSchedule' }]
  },
}
