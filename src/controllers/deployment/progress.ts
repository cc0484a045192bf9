// The status of a deployment and whether its rollout moves on. Pure functions of the deployment, its sets and the time.
import type { DeploymentCondition, DeploymentStatus } from '#api/generated/types.ts'
import type { Deployment } from '#api/kinds/apps/deployment.ts'
import type { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { conditionOf, withCondition, withoutCondition } from '#api/conditions.ts'
import { formatTime } from '#lib/clock.ts'
import { actualReplicas, availableReplicas, desiredReplicas, maxUnavailableOf, specReplicas, totalOf } from './sizes.ts'

const NO_DEADLINE = 2_147_483_647

export interface Sets {
  all: readonly ReplicaSet[]
  newest: ReplicaSet | undefined
}

export function hasDeadline({ spec }: Deployment): boolean {
  return spec?.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== NO_DEADLINE
}

export function condition(
  type: string,
  status: string,
  { reason, message, now }: { reason: string; message: string; now: number },
): DeploymentCondition {
  const time = formatTime(now)
  return { type, status, reason, message, lastUpdateTime: time, lastTransitionTime: time }
}

/** What the field holds: two sets may together ask for more. */
const MOST_REPLICAS = 2_147_483_647

/** Counts and the Available condition. */
export function calculatedStatus(deployment: Deployment, { all, newest }: Sets, now: number): DeploymentStatus {
  const available = totalOf(all, availableReplicas)
  const minimum = desiredReplicas(deployment) - maxUnavailableOf(deployment)
  const verdict =
    available >= minimum
      ? condition('Available', 'True', { reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.', now })
      : condition('Available', 'False', {
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
          now,
        })
  const { generation } = deployment.metadata ?? {}
  const { collisionCount, conditions } = deployment.status ?? {}
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas: totalOf(all, actualReplicas),
    updatedReplicas: totalOf([newest], actualReplicas),
    readyReplicas: totalOf(all, (set) => set.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.min(MOST_REPLICAS, Math.max(0, totalOf(all, specReplicas) - available)),
    terminatingReplicas: totalOf(all, (set) => set.status?.terminatingReplicas ?? 0),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: withCondition(conditions, verdict),
  }
}

export function isComplete(deployment: Deployment, status: DeploymentStatus = {}): boolean {
  const desired = desiredReplicas(deployment)
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  )
}

/** The status of a rollout under way: the Progressing and ReplicaFailure conditions too. */
export function rolloutStatus(deployment: Deployment, sets: Sets, now: number): DeploymentStatus {
  const status = calculatedStatus(deployment, sets, now)
  const current = conditionOf(deployment.status?.conditions, 'Progressing')
  const subject = sets.newest ? `ReplicaSet "${sets.newest.metadata?.name}"` : `Deployment "${deployment.metadata?.name}"`
  let conditions = status.conditions ?? []
  const set = (value: string, reason: string, what: string) => {
    conditions = withCondition(conditions, condition('Progressing', value, { reason, message: `${subject} ${what}.`, now }))
  }
  const finished = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable'
  if (!hasDeadline(deployment)) conditions = withoutCondition(conditions, 'Progressing')
  else if (!finished) {
    if (isComplete(deployment, status)) set('True', 'NewReplicaSetAvailable', 'has successfully progressed')
    else if (hasProgressed(deployment.status, status)) {
      // Removed first: the time of the last update must move with every step, which is what the deadline counts from.
      const next = condition('Progressing', 'True', { reason: 'ReplicaSetUpdated', message: `${subject} is progressing.`, now })
      const since = current?.status === 'True' ? current.lastTransitionTime : undefined
      conditions = [...withoutCondition(conditions, 'Progressing'), since ? { ...next, lastTransitionTime: since } : next]
    } else if (timedOut(deployment, current, now)) set('False', 'ProgressDeadlineExceeded', 'has timed out progressing')
  }
  return { ...status, conditions: withFailure(conditions, sets) }
}

/** Milliseconds until the deadline should be looked at; undefined when nothing is awaited. */
export function deadlineInMs(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const current = conditionOf(status.conditions, 'Progressing')
  if (!hasDeadline(deployment) || !current || deployment.spec?.paused) return undefined
  if (isComplete(deployment, status) || current.reason === 'ProgressDeadlineExceeded') return undefined
  if (current.reason === 'NewReplicaSetAvailable') return undefined
  const due = Date.parse(current.lastUpdateTime ?? '') + deployment.spec!.progressDeadlineSeconds! * 1000
  return Math.max(0, due - now) + 1000
}

function hasProgressed(before: DeploymentStatus = {}, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

function timedOut({ spec }: Deployment, current: DeploymentCondition | undefined, now: number): boolean {
  if (!current || current.reason === 'NewReplicaSetAvailable') return false
  if (current.reason === 'ProgressDeadlineExceeded') return true
  return Date.parse(current.lastUpdateTime ?? '') + spec!.progressDeadlineSeconds! * 1000 < now
}

/** A failure of the newest set counts first, then that of any other. */
function withFailure(conditions: readonly DeploymentCondition[], { all, newest }: Sets): DeploymentCondition[] {
  const failures = [newest, ...all].map((set) => conditionOf(set?.status?.conditions, 'ReplicaFailure'))
  const failure = failures.find((one) => one !== undefined)
  if (!failure) return withoutCondition(conditions, 'ReplicaFailure')
  const { type, status, reason, message, lastTransitionTime } = failure
  return withCondition(conditions, {
    type,
    status,
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...(lastTransitionTime ? { lastTransitionTime, lastUpdateTime: lastTransitionTime } : {}),
  })
}
