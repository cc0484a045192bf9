// How a deployment gets from the old sets to the new one: bit by bit, all at once, or, while paused or resized, in proportion.
import { isFinished } from '#api/finished-pod.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import type { Rollout } from './rollout.ts'
import {
  actualReplicas,
  availableReplicas,
  desiredReplicas,
  isRollingUpdate,
  isSaturated,
  maxUnavailableOf,
  newSetSize,
  proportionalSizes,
  replicasOf,
  specReplicas,
  totalOf,
} from './sizes.ts'

type Outcome = Promise<{ requeueAfterMs: number } | void>

export async function rollingUpdate(rollout: Rollout): Outcome {
  await rollout.syncNewest({ create: true })
  if (!(await sizeNewest(rollout)) && !(await shrinkOld(rollout)) && rollout.complete) await rollout.cleanUp()
  return rollout.syncStatus()
}

/** `podsOf` names the pods of a set, finished ones included. */
export async function recreate(rollout: Rollout, podsOf: (set: ReplicaSet) => readonly Pod[]): Outcome {
  await rollout.syncNewest({ create: false })
  let shrunk = false
  for (const set of rollout.activeOld) shrunk = (await rollout.scale(set, 0)) || shrunk
  const oldRun = totalOf(rollout.old, actualReplicas) > 0 || rollout.old.some((set) => podsOf(set).some((pod) => !isFinished(pod)))
  if (!shrunk && !oldRun) {
    if (!rollout.newest) await rollout.syncNewest({ create: true })
    if (rollout.newest) await rollout.scale(rollout.newest, desiredReplicas(rollout.deployment))
    if (rollout.complete) await rollout.cleanUp()
  }
  return rollout.syncStatus()
}

/** While paused, or when only the number of replicas changed: no rollout, sizes only. */
export async function resize(rollout: Rollout, { keepsHistory = false } = {}): Outcome {
  await rollout.syncNewest({ create: false })
  await distribute(rollout)
  if (rollout.deployment.spec?.paused && !keepsHistory) await rollout.cleanUp()
  await rollout.syncCounts()
}

async function distribute(rollout: Rollout): Promise<void> {
  const { deployment } = rollout
  const only = activeOrLatest(rollout)
  if (only) {
    if (replicasOf(only) !== desiredReplicas(deployment)) await rollout.scale(only, desiredReplicas(deployment))
    return
  }
  if (isSaturated(deployment, rollout.newest)) {
    for (const set of rollout.activeOld) await rollout.scale(set, 0)
    return
  }
  if (!isRollingUpdate(deployment)) return
  const active = rollout.all.filter((set) => replicasOf(set) > 0)
  for (const [set, size] of proportionalSizes(deployment, active)) await rollout.scale(set, size)
}

/** The one set that carries the deployment, or undefined while several do. */
function activeOrLatest(rollout: Rollout): ReplicaSet | undefined {
  const active = rollout.all.filter((set) => replicasOf(set) > 0)
  if (active.length === 1) return active[0]
  return active.length === 0 ? (rollout.newest ?? rollout.old.at(-1)) : undefined
}

async function sizeNewest(rollout: Rollout): Promise<boolean> {
  const { deployment, newest } = rollout
  if (!newest || replicasOf(newest) === desiredReplicas(deployment)) return false
  const desired = desiredReplicas(deployment)
  return rollout.scale(newest, replicasOf(newest) > desired ? desired : newSetSize(deployment, rollout.all, newest))
}

/** Takes from the old sets what availability can spare: first pods that do not work anyway, then working ones. */
async function shrinkOld(rollout: Rollout): Promise<boolean> {
  const { deployment } = rollout
  if (totalOf(rollout.old, specReplicas) === 0) return false
  const minimum = desiredReplicas(deployment) - maxUnavailableOf(deployment)
  const newUnavailable = rollout.newest ? replicasOf(rollout.newest) - availableReplicas(rollout.newest) : 0
  let spare = totalOf(rollout.all, specReplicas) - minimum - newUnavailable
  if (spare <= 0) return false
  let shrunk = false

  for (const set of rollout.activeOld) {
    const broken = Math.min(spare, replicasOf(set) - availableReplicas(set))
    if (broken <= 0) continue
    spare -= broken
    shrunk = (await rollout.scale(set, replicasOf(set) - broken)) || shrunk
  }

  let surplus = totalOf(rollout.all, availableReplicas) - minimum
  for (const set of rollout.activeOld) {
    const count = Math.min(surplus, replicasOf(set))
    if (count <= 0) continue
    surplus -= count
    shrunk = (await rollout.scale(set, replicasOf(set) - count)) || shrunk
  }
  return shrunk
}
