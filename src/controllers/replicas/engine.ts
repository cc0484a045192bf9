// Keeps as many pods as a set asks for: the one engine behind ReplicaSet and ReplicationController.
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import type { LabelSelector, ReplicaSetStatus } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { adoptersOf, itself, ownersOf } from '#client/triggers.ts'
import { selectorMatcher } from '#api/validation/label-selector.ts'
import { claim, controllerOf } from '#controllers/owners.ts'
import { EarlyEnds, isRefused, refusalWaitMs } from '#controllers/failed-pods.ts'
import { createPod, deletePod, isNamespaceTerminating, podFromTemplate, slowStart } from '#controllers/pod-control.ts'
import { availableInMs, isActive, isTerminating } from '#controllers/pod-state.ts'
import type { PodTemplateSpec } from '#api/generated/types.ts'
import { podsToDelete } from './deletion-order.ts'
import { statusOf } from './status.ts'

/** Most pods created or deleted in one pass. */
const BURST = 500

/** A pass looks at every pod of the set: after one over so many, those that pods call for come together in the next. */
const LARGE_SET = 100
const REST_MS_PER_POD = 0.3
const MOST_REST_MS = 1000

/** What ReplicaSet and ReplicationController have in common. */
export interface ReplicatedSet extends KubeObject {
  spec?: { replicas?: number; minReadySeconds?: number; selector?: unknown; template?: PodTemplateSpec }
  status?: ReplicaSetStatus
}

export interface ReplicasOptions<S extends ReplicatedSet> {
  name: string
  account: string
  kind: Kind<S>
  selectorOf(set: S): LabelSelector | undefined
  /** Whether the kind's status tells of pods on their way out. */
  countsTerminating: boolean
}

export function replicasController<S extends ReplicatedSet>(options: ReplicasOptions<S>): Controller {
  const { kind, selectorOf } = options
  const ends = new EarlyEnds({ failed: true })
  return {
    name: options.name,
    account: options.account,
    component: options.account,
    workers: 20,
    triggers: [itself(kind), ownersOf(Pod, kind), adoptersOf(Pod, kind, selectorOf)],
    async run(context) {
      ends.follow(context)
    },
    async reconcile(key, context) {
      const { informers, clock } = context
      const set = informers.of(kind).get(key)
      if (!set?.metadata?.uid) return
      const pods = informers.of(Pod)
      const matches = selectorMatcher(selectorOf(set))
      const candidates = [...pods.ownedBy(set.metadata.uid), ...pods.orphans(key.namespace ?? '')].filter((pod) => isActive(pod))
      const active = await claim(candidates, {
        client: context.client,
        ownerKind: kind,
        owner: set,
        dependentKind: Pod,
        matches: (pod) => matches(pod.metadata?.labels),
      })
      const refusalMs = active.length < (set.spec?.replicas ?? 1) ? waitForRefused(set, ends, context) : 0
      const held = set.metadata.deletionTimestamp !== undefined || refusalMs > 0
      const failure = held ? undefined : await scale(set, active, options, { ...context, ends })

      const terminating = options.countsTerminating ? pods.ownedBy(set.metadata.uid).filter((pod) => isTerminating(pod)).length : undefined
      const status = statusOf(set, { active, terminating, failure, now: clock.now() })
      if (!equal(normal(set.status), normal(status))) {
        await context.client.update(kind, { ...set, status }, { subresource: 'status' })
      }
      if (failure !== undefined) throw failure
      const waits = [nextAvailableMs(set, active, clock.now()) ?? 0, refusalMs].filter((waitMs) => waitMs > 0)
      return {
        ...(waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {}),
        ...(active.length >= LARGE_SET ? { restMs: Math.min(MOST_REST_MS, active.length * REST_MS_PER_POD) } : {}),
      }
    },
  }
}

/** Moves the number of pods towards what is wanted. Returns what went wrong. */
async function scale<S extends ReplicatedSet>(
  set: S,
  active: readonly Pod[],
  options: ReplicasOptions<S>,
  context: ControllerContext & { ends: EarlyEnds },
): Promise<unknown> {
  const difference = (set.spec?.replicas ?? 1) - active.length
  if (difference > 0) {
    const pod = podFromTemplate(set.spec?.template, set, options.kind)
    const { error } = await slowStart(Math.min(difference, BURST), () => createPod(pod, set, context))
    return isNamespaceTerminating(error) ? undefined : error
  }
  if (difference < 0) {
    const related = relatedPods(set, options.kind, context.informers)
    const doomed = podsToDelete(active, Math.min(-difference, BURST), { related, now: context.clock.now() })
    const results = await Promise.allSettled(doomed.map((pod) => deletePod(pod, set, context)))
    return results.find((result) => result.status === 'rejected')?.reason
  }
  return undefined
}

/** How long a set whose pods are refused, round after round, waits with the next; says so. */
function waitForRefused(set: ReplicatedSet, ends: EarlyEnds, context: ControllerContext): number {
  const { informers, clock, events } = context
  const owned = informers.of(Pod).ownedBy(set.metadata!.uid!)
  const wanted = set.spec?.replicas ?? 1
  const takenMs = ends.holdBack(set, wanted, context)
  const waitMs = Math.max(takenMs, refusalWaitMs(owned, wanted, clock.now()))
  if (waitMs === 0 || takenMs > 0) return waitMs
  const last = owned.findLast(isRefused)
  const why = `${last?.metadata?.name} on ${last?.spec?.nodeName}: ${last?.status?.reason}: ${last?.status?.message}`
  events.event(set, 'Warning', 'PodsRefused', `Nodes refuse the pods as they come, the next has to wait. The last was ${why}`)
  return waitMs
}

/** Active pods of all sets with the same controller (a deployment's), this set's own included. */
function relatedPods<S extends ReplicatedSet>(set: S, kind: Kind<S>, informers: Informers): Pod[] {
  const controller = controllerOf(set)
  const sets = controller ? informers.of(kind).ownedBy(controller.uid) : [set]
  return sets.flatMap(({ metadata }) => informers.of(Pod).ownedBy(metadata?.uid ?? '')).filter((pod) => isActive(pod))
}

/** When the next ready pod will have been ready long enough. */
function nextAvailableMs({ spec }: ReplicatedSet, active: readonly Pod[], now: number): number | undefined {
  const minReadySeconds = spec?.minReadySeconds ?? 0
  if (minReadySeconds === 0) return undefined
  const waits = active.map((pod) => availableInMs(pod, minReadySeconds, now)).filter((wait) => wait !== undefined && wait > 0) as number[]
  return waits.length > 0 ? Math.min(...waits) : undefined
}

/** Zeroes and absent fields are the same on the wire. */
function normal(status: ReplicaSetStatus | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0 && value !== undefined))
}
