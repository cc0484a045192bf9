// What a stateful set says of its pods. Also of one that is being deleted, whose pods go before it does.
import type { StatefulSetStatus } from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { ControllerContext } from '#client/controller.ts'
import { isAvailable, isReady } from '#controllers/pod-state.ts'
import { hashOf } from '#controllers/revision-history.ts'

export interface Revisions {
  /** Names; absent where none was ever made. */
  current: string | undefined
  update: string | undefined
  collisionCount: number | undefined
}

/** Writes it where it differs. */
export async function writeStatus(
  set: StatefulSet,
  { pods, revisions, context }: { pods: readonly Pod[]; revisions: Revisions; context: ControllerContext },
): Promise<void> {
  const { metadata, spec, status: before } = set
  const { current, update } = revisions
  const alive = pods.filter((pod) => !pod.metadata?.deletionTimestamp)
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod))
  const status: StatefulSetStatus = {
    ...(metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, spec?.minReadySeconds ?? 0, context.clock.now())).length,
    currentReplicas: alive.filter((pod) => hashOf(pod) === current).length,
    updatedReplicas: alive.filter((pod) => hashOf(pod) === update).length,
    ...(current ? { currentRevision: current } : {}),
    ...(update ? { updateRevision: update } : {}),
    collisionCount: revisions.collisionCount ?? 0,
    ...(before?.conditions ? { conditions: before.conditions } : {}),
  }
  const wanted = spec?.replicas ?? 1
  const all = [status.replicas, status.updatedReplicas, status.readyReplicas].every((count) => count === wanted)
  const rolled = all && update !== undefined && spec?.updateStrategy?.type !== 'OnDelete'
  const final = rolled ? { ...status, currentReplicas: status.updatedReplicas!, currentRevision: update } : status
  if (equal(normal(final), normal(before))) return
  await context.client.update(StatefulSet, { ...set, status: final }, { subresource: 'status' })
}

function normal(status: StatefulSetStatus | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0 && value !== undefined))
}
