// A pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise.
import type { Pod } from '#api/generated/types.ts'
import { NOT_READY_TAINT, UNREACHABLE_TAINT } from '#api/well-known.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { target } from './refusal.ts'

const SECONDS = 300
const KEYS = [NOT_READY_TAINT, UNREACHABLE_TAINT]

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  of: ['pods'],
  admit(request) {
    if (target(request) !== 'pods' || (request.operation !== 'CREATE' && request.operation !== 'UPDATE')) return
    const { spec } = request.object as Pod
    if (!spec) return
    const tolerations = spec.tolerations ?? []
    const missing = KEYS.filter(
      (key) => !tolerations.some((one) => (!one.key || one.key === key) && (!one.effect || one.effect === 'NoExecute')),
    )
    if (missing.length === 0) return
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS }))
    spec.tolerations = [...tolerations, ...added]
  },
}
