// What a replica set's status says, computed from its pods.
import type { ReplicaSetCondition, ReplicaSetStatus } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { conditionOf, withCondition, withoutCondition } from '#api/conditions.ts'
import { hasLabels } from '#api/labels.ts'
import { textOf } from '#controllers/pod-control.ts'
import { isAvailable, isReady } from '#controllers/pod-state.ts'
import { formatTime } from '#lib/clock.ts'
import type { ReplicatedSet } from './engine.ts'

export interface Observed {
  active: readonly Pod[]
  terminating: number | undefined
  /** What went wrong while creating or deleting pods, if something did. */
  failure?: unknown
  now: number
}

export function statusOf(set: ReplicatedSet, { active, terminating, failure, now }: Observed): ReplicaSetStatus {
  const { spec, status, metadata } = set
  const template = spec?.template?.metadata?.labels
  const minReadySeconds = spec?.minReadySeconds ?? 0
  const missing = active.length < (spec?.replicas ?? 1)
  const conditions = conditionsOf(status?.conditions, { failure, missing, now })
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => hasLabels(pod.metadata?.labels, template)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => isAvailable(pod, minReadySeconds, now)).length,
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    ...(metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    ...(conditions.length > 0 ? { conditions } : {}),
  }
}

function conditionsOf(
  current: readonly ReplicaSetCondition[] | undefined,
  { failure, missing, now }: { failure: unknown; missing: boolean; now: number },
): ReplicaSetCondition[] {
  if (failure === undefined) return withoutCondition(current, 'ReplicaFailure')
  if (conditionOf(current, 'ReplicaFailure')) return [...current!]
  return withCondition(current, {
    type: 'ReplicaFailure',
    status: 'True',
    reason: missing ? 'FailedCreate' : 'FailedDelete',
    message: textOf(failure),
    lastTransitionTime: formatTime(now),
  })
}
