// deployment-controller: a replica set per pod template, and the way from one to the next.
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { adoptersOf, itself, mapped, ownersOf } from '#client/triggers.ts'
import { conditionOf } from '#api/conditions.ts'
import { isEmptySelector, selectorMatches } from '#api/validation/label-selector.ts'
import { claim, controllerOf } from '#controllers/owners.ts'
import { Repeats } from '#controllers/repeats.ts'
import { hasDeadline } from './progress.ts'
import { rollBack, rollbackTo } from './rollback.ts'
import { Rollout } from './rollout.ts'
import { desiredOf, desiredReplicas, isRollingUpdate, replicasOf } from './sizes.ts'
import { recreate, resize, rollingUpdate } from './strategies.ts'

export function deploymentController(): Controller {
  const changed = new Repeats()
  return {
    name: 'deployment-controller',
    workers: 20,
    retries: 15,
    triggers: [
      itself(Deployment),
      ownersOf(ReplicaSet, Deployment),
      adoptersOf(ReplicaSet, Deployment, ({ spec }) => spec?.selector),
      mapped(Pod, forRecreate),
    ],
    async reconcile(key, context) {
      const deployment = context.informers.of(Deployment).get(key)
      if (!deployment?.metadata?.uid) return
      if (isEmptySelector(deployment.spec?.selector)) return warnOfSelectingAll(deployment, context)

      const sets = await claimSets(deployment, context)
      const rollout = new Rollout(deployment, sets, { ...context, changed })
      if (deployment.metadata.deletionTimestamp) return rollout.syncCounts()
      await syncPaused(rollout)
      const asked = rollbackTo(deployment)
      if (deployment.spec?.paused) return resize(rollout, { keepsHistory: asked !== undefined })
      if (asked !== undefined) return rollBack(rollout, asked)
      if (wasResized(rollout)) return resize(rollout)
      if (isRollingUpdate(deployment)) return rollingUpdate(rollout)
      return recreate(rollout, (set) => context.informers.of(Pod).ownedBy(set.metadata?.uid ?? ''))
    },
  }
}

async function claimSets(deployment: Deployment, { client, informers }: ControllerContext): Promise<ReplicaSet[]> {
  const sets = informers.of(ReplicaSet)
  const candidates = [...sets.ownedBy(deployment.metadata?.uid ?? ''), ...sets.orphans(deployment.metadata?.namespace ?? '')]
  return claim(candidates, {
    client,
    ownerKind: Deployment,
    owner: deployment,
    dependentKind: ReplicaSet,
    matches: (set) => selectorMatches(deployment.spec?.selector, set.metadata?.labels),
  })
}

/** Notes in the Progressing condition that a rollout was paused or goes on, so that its deadline does not run meanwhile. */
async function syncPaused(rollout: Rollout): Promise<void> {
  const { spec, status } = rollout.deployment
  if (!hasDeadline(rollout.deployment)) return
  const current = conditionOf(status?.conditions, 'Progressing')
  if (current?.reason === 'ProgressDeadlineExceeded') return
  const noted = current?.reason === 'DeploymentPaused'
  if (spec?.paused && !noted) await rollout.setProgressing('Unknown', 'DeploymentPaused', 'Deployment is paused')
  else if (!spec?.paused && noted) await rollout.setProgressing('Unknown', 'DeploymentResumed', 'Deployment is resumed')
}

/** Some set in use was last sized for another number of replicas. */
function wasResized(rollout: Rollout): boolean {
  const desired = desiredReplicas(rollout.deployment)
  return rollout.all.some((set) => replicasOf(set) > 0 && desiredOf(set) !== undefined && desiredOf(set) !== desired)
}

async function warnOfSelectingAll(deployment: Deployment, { client, events }: ControllerContext): Promise<void> {
  const message = 'This deployment is selecting all pods. A non-empty selector is required.'
  events.event(deployment, 'Warning', 'SelectingAll', message)
  const { generation } = deployment.metadata ?? {}
  if (generation === undefined || (deployment.status?.observedGeneration ?? 0) >= generation) return
  await client.update(
    Deployment,
    { ...deployment, status: { ...deployment.status, observedGeneration: generation } },
    { subresource: 'status' },
  )
}

/** A Recreate rollout waits for the last old pod to be gone. */
function forRecreate(pod: Pod, informers: Informers): ObjectKey[] {
  const namespace = pod.metadata?.namespace ?? ''
  const owner = controllerOf(pod)
  if (owner?.kind !== 'ReplicaSet') return []
  const set = informers.of(ReplicaSet).get({ namespace, name: owner.name })
  const above = set && controllerOf(set)
  const deployment = above?.kind === 'Deployment' ? informers.of(Deployment).get({ namespace, name: above.name }) : undefined
  return deployment && !isRollingUpdate(deployment) ? [keyOf(deployment)] : []
}
