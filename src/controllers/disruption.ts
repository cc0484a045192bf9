// disruption-controller: how many pods of each PodDisruptionBudget may be evicted now.
import type { PodDisruptionBudgetStatus } from '#api/generated/types.ts'
import { isPercent, scaledValue } from '#api/int-or-string.ts'
import type { Kind } from '#api/kind.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { keyOf, type KubeObject, type OwnerReference, parseApiVersion } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { equal } from '#api/equal.ts'
import type { ClusterKinds } from './cluster-kinds.ts'
import { withStatusCondition } from '#api/conditions.ts'
import { goSelector } from '#api/label-selector.ts'
import { LruMap } from '#lib/lru-map.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { controllerOf } from './owners.ts'
import { textOf } from './pod-control.ts'
import { isReady } from './pod-state.ts'

/** An eviction that was granted counts as under way for this long, even if the pod shows nothing of it. */
const EVICTION_MS = 120_000
const MOST_REMEMBERED = 4096

/** Others are asked for their scale. */
const KNOWN: readonly Kind<any>[] = [ReplicaSet, StatefulSet, ReplicationController]

type Scaled = KubeObject & { spec?: { replicas?: number } }

interface Expectation {
  expected: number
  desired: number
  /** Some pods have no controller that says how many there should be. */
  unmanaged: boolean
}

export function disruptionController(kinds: ClusterKinds): Controller {
  /** Pods of several budgets, told once. */
  const told = new LruMap<string, true>(MOST_REMEMBERED)
  return {
    name: 'disruption-controller',
    component: 'controllermanager',
    triggers: [
      itself(PodDisruptionBudget),
      mapped(Pod, (pod, informers) => {
        const budgets = informers.of(PodDisruptionBudget).list(pod.metadata?.namespace)
        return budgets.filter(({ spec }) => selectorMatches(spec?.selector, pod.metadata?.labels)).map((budget) => keyOf(budget))
      }),
    ],
    reads: [ReplicaSet, Deployment, ReplicationController, StatefulSet],
    async reconcile(key, context) {
      const budget = context.informers.of(PodDisruptionBudget).get(key)
      if (!budget) return
      const pods = context.informers
        .of(Pod)
        .list(key.namespace)
        .filter((pod) => selectorMatches(budget.spec?.selector, pod.metadata?.labels))
      if (pods.length === 0) context.events.event(budget, 'Normal', 'NoPods', 'No matching pods found')
      tellShared(budget, pods, { told, context })
      let expectation: Expectation
      try {
        expectation = await expectationOf(budget, pods, { kinds, context })
      } catch (error) {
        context.events.event(
          budget,
          'Warning',
          'CalculateExpectedPodCountFailed',
          `Failed to calculate the number of expected pods: ${textOf(error)}`,
        )
        // Not before something changes: nothing may be disrupted until then.
        return writeFailure(budget, textOf(error), context)
      }
      if (expectation.unmanaged) context.events.event(budget, 'Warning', 'UnmanagedPods', unmanagedText(budget))
      const now = context.clock.now()
      const { disrupted, recheckMs } = stillDisrupted(budget, pods, { now, events: context.events })
      const healthy = pods.filter(
        (pod) => isReady(pod) && !pod.metadata?.deletionTimestamp && !Object.hasOwn(disrupted, pod.metadata?.name ?? ''),
      ).length
      const allowed = expectation.expected > 0 ? Math.max(0, healthy - expectation.desired) : 0
      await write(budget, { healthy, allowed, ...expectation, disrupted }, context)
      if (recheckMs !== undefined) return { requeueAfterMs: recheckMs }
    },
  }
}

/** The eviction API refuses pods of several budgets. */
function tellShared(
  { metadata }: PodDisruptionBudget,
  pods: readonly Pod[],
  { told, context }: { told: LruMap<string, true>; context: ControllerContext },
): void {
  const others = context.informers
    .of(PodDisruptionBudget)
    .list(metadata?.namespace)
    .filter((one) => one.metadata?.name !== metadata?.name)
  if (others.length === 0) return
  for (const pod of pods) {
    const uid = pod.metadata?.uid ?? ''
    if (told.get(uid) || !others.some(({ spec }) => selectorMatches(spec?.selector, pod.metadata?.labels))) continue
    told.set(uid, true)
    const [namespace, name, chosen] = [pod.metadata?.namespace, pod.metadata?.name, metadata?.name].map((text) => JSON.stringify(text))
    const text = `Pod ${namespace}/${name} matches multiple PodDisruptionBudgets.  Chose ${chosen} arbitrarily.`
    context.events.event(pod, 'Warning', 'MultiplePodDisruptionBudgets', text)
  }
}

function unmanagedText({ spec }: PodDisruptionBudget): string {
  return `Pods selected by this PodDisruptionBudget (selector: ${goSelector(spec?.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`
}

async function expectationOf(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  options: { kinds: ClusterKinds; context: ControllerContext },
): Promise<Expectation> {
  const { minAvailable, maxUnavailable } = spec ?? {}
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = await scaleOf(pods, options)
    return { expected, desired: Math.max(0, expected - scaledValue(maxUnavailable, expected, 'up')), unmanaged }
  }
  if (minAvailable === undefined) return { expected: pods.length, desired: 0, unmanaged: false }
  if (!isPercent(minAvailable)) return { expected: pods.length, desired: scaledValue(minAvailable, pods.length, 'up'), unmanaged: false }
  const { expected, unmanaged } = await scaleOf(pods, options)
  return { expected, desired: scaledValue(minAvailable, expected, 'up'), unmanaged }
}

/** The replicas that the pods' controllers want; a pod without one counts for nothing. */
async function scaleOf(
  pods: readonly Pod[],
  options: { kinds: ClusterKinds; context: ControllerContext },
): Promise<{ expected: number; unmanaged: boolean }> {
  let unmanaged = false
  const scales = new Map<string, number>()
  for (const pod of pods) {
    const owner = controllerOf(pod)
    if (!owner) unmanaged = true
    if (!owner || scales.has(owner.uid)) continue
    const found = await scaleOfOwner(owner, pod.metadata!.namespace!, options)
    if (!found) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata?.name)}`)
    scales.set(found.uid, found.replicas)
    scales.set(owner.uid, found.uid === owner.uid ? found.replicas : 0)
  }
  return { expected: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
}

async function scaleOfOwner(
  owner: OwnerReference,
  namespace: string,
  { kinds, context }: { kinds: ClusterKinds; context: ControllerContext },
): Promise<{ uid: string; replicas: number } | undefined> {
  const { informers, client } = context
  const kind = KNOWN.find((one) => isOfKind(owner, one))
  if (kind) {
    const object = informers.of(kind).get({ namespace, name: owner.name }) as Scaled | undefined
    if (!object || object.metadata?.uid !== owner.uid) return undefined
    const above = kind === ReplicaSet ? controllerOf(object) : undefined
    const deployment = above && isOfKind(above, Deployment) ? informers.of(Deployment).get({ namespace, name: above.name }) : undefined
    if (deployment && deployment.metadata?.uid === above?.uid) return { uid: above!.uid, replicas: deployment.spec?.replicas ?? 1 }
    return { uid: owner.uid, replicas: object.spec?.replicas ?? 1 }
  }
  const other = kinds.find(owner.apiVersion, owner.kind)
  if (!other) throw new Error(`no matches for kind "${owner.kind}" in version "${owner.apiVersion}"`)
  const scale = (await client.get<KubeObject>(other, { namespace, name: owner.name }, { subresource: 'scale' }).catch(ignoreNotFound)) as
    | Scaled
    | undefined
  if (!scale && !other.subresources['scale'])
    throw new Error(`${other.group ? `${other.plural}.${other.group}` : other.plural} does not implement the scale subresource`)
  if (!scale || scale.metadata?.uid !== owner.uid) return undefined
  return { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 }
}

/** In any version. Kinds of other groups may have the same name. */
function isOfKind({ apiVersion, kind }: OwnerReference, wanted: Kind<any>): boolean {
  return kind === wanted.kind && parseApiVersion(apiVersion).group === wanted.group
}

/** Evictions granted and still awaited, and when the first of them is to be given up. */
function stillDisrupted(
  { metadata: of, status }: PodDisruptionBudget,
  pods: readonly Pod[],
  { now, events }: { now: number; events: ControllerContext['events'] },
): { disrupted: Record<string, string>; recheckMs: number | undefined } {
  const disrupted: Record<string, string> = {}
  let recheckMs: number | undefined
  for (const [name, time] of Object.entries(status?.disruptedPods ?? {})) {
    const pod = pods.find(({ metadata }) => metadata?.name === name)
    if (!pod || pod.metadata?.deletionTimestamp) continue
    const leftMs = Date.parse(time) + EVICTION_MS - now
    if (leftMs <= 0) {
      events.event(pod, 'Warning', 'NotDeleted', `Pod was expected by PDB ${of?.namespace}/${of?.name} to be deleted but it wasn't`)
      continue
    }
    disrupted[name] = time
    recheckMs = Math.min(recheckMs ?? Infinity, leftMs)
  }
  return { disrupted, recheckMs }
}

async function write(
  budget: PodDisruptionBudget,
  {
    healthy,
    desired,
    expected,
    allowed,
    disrupted,
  }: { healthy: number; desired: number; expected: number; allowed: number; disrupted: Record<string, string> },
  { client, clock }: ControllerContext,
): Promise<void> {
  const condition = {
    type: 'DisruptionAllowed',
    status: allowed > 0 ? 'True' : 'False',
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    lastTransitionTime: formatTime(clock.now()),
    observedGeneration: budget.metadata?.generation ?? 0,
  }
  const status: PodDisruptionBudgetStatus = {
    observedGeneration: budget.metadata?.generation ?? 0,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    disruptionsAllowed: allowed,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    conditions: withStatusCondition(budget.status?.conditions, condition),
  }
  if (equal(status, budget.status)) return
  await client.update(PodDisruptionBudget, { ...budget, status }, { subresource: 'status' })
}

/** When nothing can be computed nothing may be disrupted. */
async function writeFailure(budget: PodDisruptionBudget, message: string, { client, clock }: ControllerContext): Promise<void> {
  const condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    message,
    lastTransitionTime: formatTime(clock.now()),
    observedGeneration: budget.status?.observedGeneration ?? 0,
  }
  const conditions = withStatusCondition(budget.status?.conditions, condition)
  const status = { ...budget.status, disruptionsAllowed: 0, conditions }
  if (!equal(status, budget.status)) await client.update(PodDisruptionBudget, { ...budget, status }, { subresource: 'status' })
}
