// device-taint-eviction-controller: deletes pods whose allocated devices carry a NoExecute taint that the claim does not tolerate, or not for
// longer. Taints come from ResourceSlices: DeviceTaintRules are behind a gate that is off.
import { isFinished } from '#api/finished-pod.ts'
import type { DeviceRequestAllocationResult, DeviceTaint } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { keyText, type ObjectKey } from '#api/object.ts'
import { claimLookups, isReservedForPod } from '#api/pod-resource-claims.ts'
import { ignoreNotFound, ignoreOvertaken } from '#api/status.ts'
import { matchesTaint } from '#api/toleration.ts'
import type { Controller } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { withCondition } from '#api/conditions.ts'
import { isControlledBy } from './owners.ts'
import { observedGenerationOf } from './pod-state.ts'

export function deviceTaintEvictionController(): Controller {
  /** Pods with a deletion ahead, so that calling it off can be told. */
  const planned = new Set<string>()
  /** The pod of that name whose deletion was told and has not come about yet. */
  const marked = new Map<string, string>()
  return {
    name: 'device-taint-eviction-controller',
    workers: 8,
    triggers: [
      mapped(Pod, (pod) => (pod.spec?.resourceClaims?.length ? [{ namespace: pod.metadata!.namespace!, name: pod.metadata!.name! }] : [])),
      mapped(ResourceResourceClaim, consumersOf),
      mapped(ResourceSlice, (slice, informers) =>
        hasTaints(slice)
          ? informers
              .of(ResourceResourceClaim)
              .list()
              .filter((claim) => isFrom(claim, slice))
              .flatMap(consumersOf)
          : [],
      ),
    ],
    async reconcile(key, { client, informers, clock, events }) {
      const text = keyText(key)
      const pod = informers.of(Pod).get(key)
      const forget = () => {
        marked.delete(text)
        return planned.delete(text)
      }
      if (!pod || pod.metadata?.deletionTimestamp || isFinished(pod)) return void forget()
      const now = clock.now()
      const dueAt = evictionTime(pod, informers, now)
      if (dueAt === Infinity) {
        if (forget()) events.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Cancelling deletion')
        return
      }
      if (dueAt > now) {
        planned.add(text)
        return { requeueAfterMs: dueAt - now }
      }
      planned.delete(text)
      const uid = pod.metadata!.uid!
      if (marked.get(text) !== uid) events.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Marking for deletion')
      marked.set(text, uid)
      const conditions = withCondition(pod.status?.conditions, {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByDeviceTaintManager',
        message: 'Device Taint manager: deleting due to NoExecute taint',
        lastTransitionTime: formatTime(now),
        ...observedGenerationOf(pod),
      })
      const patch = {
        metadata: { uid },
        status: { ...observedGenerationOf(pod), conditions: conditions.filter(({ type }) => type === 'DisruptionTarget') },
      }
      await client.patch(Pod, key, { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreNotFound)
      // Another pod of that name is not the one that was to go.
      await client.delete(Pod, key, { preconditions: { uid } }).catch(ignoreOvertaken)
      marked.delete(text)
    },
  }
}

/** When the pod must go: the first moment at which a taint of one of its devices is tolerated no longer; Infinity: never. */
function evictionTime(pod: Pod, informers: Informers, now: number): number {
  let dueAt = Infinity
  // What is only reserved for a pod it does not have yet.
  if (!pod.spec?.nodeName) return dueAt
  for (const { state, name, generated } of claimLookups(pod)) {
    const claim = state === 'named' ? informers.of(ResourceResourceClaim).get({ namespace: pod.metadata!.namespace!, name }) : undefined
    if (!claim?.status?.allocation || !isReservedForPod(pod, claim) || (generated && !isControlledBy(claim, pod))) continue
    for (const result of claim.status.allocation.devices?.results ?? [])
      for (const taint of taintsOn(result, informers)) dueAt = Math.min(dueAt, endOfPatience(taint, result.tolerations ?? [], now))
  }
  return dueAt
}

type Tolerations = NonNullable<DeviceRequestAllocationResult['tolerations']>

/** Time counts from when the taint was set. As upstream, only tolerations that name the effect count, and one without an end outweighs all others. */
export function endOfPatience(taint: DeviceTaint, tolerations: Tolerations, now: number): number {
  const matching = tolerations.filter((toleration) => toleration.effect === 'NoExecute' && matchesTaint(toleration, taint))
  if (matching.length === 0) return now
  if (matching.some(({ tolerationSeconds }) => tolerationSeconds === undefined)) return Infinity
  const seconds = Math.min(...matching.map(({ tolerationSeconds }) => tolerationSeconds!))
  return (taint.timeAdded ? Date.parse(taint.timeAdded) : now) + Math.max(0, seconds) * 1000
}

/** By the newest generation of the device's pool. */
function taintsOn({ driver, pool, device }: DeviceRequestAllocationResult, informers: Informers): DeviceTaint[] {
  const slices = informers
    .of(ResourceSlice)
    .list()
    .filter(({ spec }) => spec.driver === driver && spec.pool.name === pool)
  const newest = Math.max(...slices.map(({ spec }) => spec.pool.generation))
  const current = slices.filter(({ spec }) => spec.pool.generation === newest).flatMap(({ spec }) => spec.devices ?? [])
  return (current.find(({ name }) => name === device)?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
}

function hasTaints({ spec }: ResourceSlice): boolean {
  return (spec.devices ?? []).some(({ taints }) => taints?.some(({ effect }) => effect === 'NoExecute'))
}

function isFrom({ status }: ResourceResourceClaim, { spec }: ResourceSlice): boolean {
  return (status?.allocation?.devices?.results ?? []).some(({ driver, pool }) => driver === spec.driver && pool === spec.pool.name)
}

function consumersOf({ metadata, status }: ResourceResourceClaim): ObjectKey[] {
  const pods = (status?.reservedFor ?? []).filter(({ apiGroup, resource }) => !apiGroup && resource === 'pods')
  return pods.map(({ name }) => ({ namespace: metadata?.namespace ?? '', name }))
}
