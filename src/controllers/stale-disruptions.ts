// The disruption controller's second loop: pods that were marked as to be disrupted and were not deleted after all lose the mark.
import { conditionOf } from '#api/conditions.ts'
import { isFinished } from '#api/finished-pod.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { mapped } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { observedGenerationOf } from './pod-state.ts'

const STALE_MS = 120_000

/** A node may take as long as it likes over what it has announced itself. */
function isMarked(pod: Pod): boolean {
  const mark = conditionOf(pod.status?.conditions, 'DisruptionTarget')
  return mark?.status === 'True' && mark.reason !== 'TerminationByKubelet' && !pod.metadata?.deletionTimestamp && !isFinished(pod)
}

export const staleDisruptionController: Controller = {
  name: 'stale-pod-disruption-controller',
  account: 'disruption-controller',
  component: 'controllermanager',
  triggers: [mapped(Pod, (pod) => (isMarked(pod) ? [keyOf(pod)] : []))],
  async reconcile(key, { client, informers, clock }) {
    const pod = informers.of(Pod).get(key)
    if (!pod || !isMarked(pod)) return
    const now = clock.now()
    const waitMs = (Date.parse(conditionOf(pod.status?.conditions, 'DisruptionTarget')!.lastTransitionTime ?? '') || 0) + STALE_MS - now
    if (waitMs > 0) return { requeueAfterMs: waitMs }
    const cleared = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: formatTime(now), ...observedGenerationOf(pod) }
    const conditions = pod.status!.conditions!.map((one) => (one.type === 'DisruptionTarget' ? cleared : one))
    await client.update(Pod, { ...pod, status: { ...pod.status, conditions } }, { subresource: 'status' }).catch(ignoreNotFound)
  },
}
