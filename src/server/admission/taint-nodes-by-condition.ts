// A new node takes no pods until somebody has seen it ready.
import type { Node } from '#api/generated/types.ts'
import { NOT_READY_TAINT } from '#api/well-known.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { target } from './refusal.ts'

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  of: ['nodes'],
  admit(request) {
    if (target(request) !== 'nodes' || request.operation !== 'CREATE') return
    const spec = ((request.object as Node).spec ??= {})
    if (spec.taints?.some(({ key, effect }) => key === NOT_READY_TAINT && effect === 'NoSchedule')) return
    spec.taints = [...(spec.taints ?? []), { key: NOT_READY_TAINT, effect: 'NoSchedule' }]
  },
}
