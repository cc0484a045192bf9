// daemonset-controller: one pod on every node that fits, and updates node by node.
import { isFinished } from '#api/finished-pod.ts'
import type { DaemonSetStatus } from '#api/generated/types.ts'
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, keyText } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { adoptersOf, itself, mapped, ownersOf } from '#client/triggers.ts'
import { isEmptySelector, selectorMatcher } from '#api/validation/label-selector.ts'
import { EarlyEnds, FailedPodPace } from '#controllers/failed-pods.ts'
import { claim } from '#controllers/owners.ts'
import { createPod, deletePod, isNamespaceTerminating, slowStart } from '#controllers/pod-control.ts'
import { availableInMs, isAvailable, isReady } from '#controllers/pod-state.ts'
import { Repeats } from '#controllers/repeats.ts'
import { hashOf, truncateHistory } from '#controllers/revision-history.ts'
import { equal } from '#api/equal.ts'
import { isUpdated, newPod, nodeOf } from './daemon-pods.ts'
import { eligibilities, type Eligibility } from './eligibility.ts'
import { daemonHistory } from './history.ts'
import { type Changes, maxSurgeOf, rollingUpdate } from './rolling-update.ts'

const BURST = 250
const FAILED_MAX_MS = 900_000

interface Plan extends Changes {
  /** How long until a failed pod may be replaced. */
  waitMs: number | undefined
}

export function daemonSetController(): Controller {
  const pace = new FailedPodPace({ maxMs: FAILED_MAX_MS })
  const ends = new EarlyEnds({ placeOf: nodeOf })
  const lost = new Repeats()
  return {
    name: 'daemonset-controller',
    account: 'daemon-set-controller',
    component: 'daemonset-controller',
    workers: 2,
    triggers: [
      itself(DaemonSet),
      ownersOf(Pod, DaemonSet),
      adoptersOf(Pod, DaemonSet, ({ spec }) => spec?.selector),
      // One that comes with its controller is seen to when something else happens, as upstream.
      { ...ownersOf(ControllerRevision, DaemonSet), matters: ({ previous }) => previous !== undefined },
      adoptersOf(ControllerRevision, DaemonSet, ({ spec }) => spec?.selector),
      mapped(
        Node,
        (_, informers) =>
          informers
            .of(DaemonSet)
            .list()
            .map((set) => keyOf(set)),
        ({ object, previous }) => !object || !previous || !samePlace(object, previous),
      ),
    ],
    async run(context) {
      ends.follow(context)
    },
    async reconcile(key, context) {
      const { informers, events, client, clock } = context
      const set = informers.of(DaemonSet).get(key)
      if (!set?.metadata?.uid) return
      if (isEmptySelector(set.spec?.selector)) {
        events.event(set, 'Warning', 'SelectingAll', 'This daemon set is selecting all pods. A non-empty selector is required.')
        return
      }
      if (set.metadata.deletionTimestamp) return
      const pods = await claimPods(set, context)
      const history = await daemonHistory(set, pods, { ...context, lost })
      const hash = hashOf(history.update)!
      const byNode = groupByNode(pods)
      const places = eligibilities(set, informers.of(Node).list())
      const wanted = places.filter(({ shouldRun }) => shouldRun).map(({ node }) => node)
      const plan = planOf(set, places, { byNode, hash, context, pace })
      const openOf = (nodes: readonly string[]) => {
        const { open, waitMs } = ends.openPlaces(set, nodes, context)
        if (waitMs !== undefined) plan.waitMs = Math.min(plan.waitMs ?? Infinity, waitMs)
        return open
      }
      plan.create = openOf(plan.create)
      if (plan.create.length + plan.delete.length === 0 && set.spec?.updateStrategy?.type !== 'OnDelete')
        Object.assign(plan, rollingUpdate(set, { wanted, byNode, hash, now: clock.now(), open: openOf }))
      const failure = await carryOut(set, plan, { hash, context: { ...context, ends } })
      await writeStatus(set, { places, byNode, hash, collisionCount: history.collisionCount, context })
      const hashes = new Set(pods.map((pod) => hashOf(pod)))
      const old = history.revisions.filter((revision) => revision !== history.update)
      const used = old.filter((revision) => hashes.has(hashOf(revision))).map(({ metadata }) => metadata!.name!)
      const inUse = new Set([history.update.metadata!.name!, ...used])
      await truncateHistory(set, { revisions: history.revisions, inUse, countsUsed: used.length, client })
      if (failure !== undefined && !isNamespaceTerminating(failure)) throw failure
      const waits = [plan.waitMs, nextAvailableMs(set, pods, clock.now())].filter((wait) => wait !== undefined) as number[]
      if (waits.length > 0) return { requeueAfterMs: Math.min(...waits) }
    },
  }
}

/** All that decides whether a daemon belongs on a node. */
function samePlace(after: Node, before: Node): boolean {
  return equal(after.metadata?.labels, before.metadata?.labels) && equal(after.spec?.taints, before.spec?.taints)
}

async function claimPods(set: DaemonSet, { client, informers }: ControllerContext): Promise<Pod[]> {
  const pods = informers.of(Pod)
  const matches = selectorMatcher(set.spec?.selector)
  return claim([...pods.ownedBy(set.metadata?.uid ?? ''), ...pods.orphans(set.metadata?.namespace ?? '')], {
    client,
    ownerKind: DaemonSet,
    owner: set,
    dependentKind: Pod,
    matches: (pod) => matches(pod.metadata?.labels),
  })
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>()
  for (const pod of pods) {
    const node = nodeOf(pod)
    // What has ended and is on its way out is held by others and no longer in the way.
    if (isFinished(pod) && pod.metadata?.deletionTimestamp) continue
    if (node) byNode.set(node, [...(byNode.get(node) ?? []), pod])
  }
  return byNode
}

interface Planning {
  byNode: ReadonlyMap<string, Pod[]>
  hash: string
  context: ControllerContext
  pace: FailedPodPace
}

function planOf(set: DaemonSet, places: readonly Eligibility[], { byNode, hash, context, pace }: Planning): Plan {
  const plan: Plan = { create: [], delete: [], waitMs: undefined }
  for (const { node, shouldRun, shouldContinue } of places) {
    const pods = byNode.get(node) ?? []
    if (shouldRun && pods.length === 0) plan.create.push(node)
    else if (!shouldContinue) plan.delete.push(...pods.filter((pod) => !pod.metadata?.deletionTimestamp))
    else if (!keepOne(set, pods, { node, plan, hash, pace, context }) && shouldRun && maxSurgeOf(set, 1) > 0) plan.create.push(node)
  }
  // Nobody will ever place a pod on a node that is gone.
  const known = new Set(places.map(({ node }) => node))
  for (const [name, pods] of byNode)
    if (!known.has(name)) plan.delete.push(...pods.filter(({ spec, metadata }) => !spec?.nodeName && !metadata?.deletionTimestamp))
  return plan
}

/** Of several pods on one node the oldest stays; failed ones are replaced, more slowly each time. Returns whether the node has a pod, or has to wait for one. */
function keepOne(
  set: DaemonSet,
  pods: readonly Pod[],
  { node, plan, hash, pace, context }: Omit<Planning, 'byNode'> & { node: string; plan: Plan },
): boolean {
  const running: Pod[] = []
  let waits = false
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp) continue
    if (pod.status?.phase === 'Failed') {
      // Another template is another chance.
      const waitMs = pace.ask(`${set.metadata!.uid}/${set.status?.observedGeneration ?? 0}/${node}`, context)
      if (waitMs > 0) {
        waits = true
        plan.waitMs = Math.min(plan.waitMs ?? Infinity, waitMs)
        continue
      }
      const text = `Found failed daemon pod ${keyText(keyOf(pod))} on node ${node}, will try to kill it`
      context.events.event(set, 'Warning', 'FailedDaemonPod', text)
      plan.delete.push(pod)
    } else if (pod.status?.phase === 'Succeeded') {
      const text = `Found succeeded daemon pod ${keyText(keyOf(pod))} on node ${node}, will try to delete it`
      context.events.event(set, 'Normal', 'SucceededDaemonPod', text)
      plan.delete.push(pod)
    } else running.push(pod)
  }
  if (running.length < 2) return waits || running.length > 0
  running.sort(placedThenOldest)
  if (maxSurgeOf(set, 1) === 0) {
    plan.delete.push(...running.slice(1))
    return true
  }
  // With surge there may be two: one of the present template beside one of an older one, until it takes over.
  const next = running.find((pod) => isUpdated(pod, set, hash))
  const old = running.find((pod) => !isUpdated(pod, set, hash))
  plan.delete.push(...running.filter((pod) => pod !== next && pod !== old))
  if (next && old && (!isReady(old) || isAvailable(next, set.spec?.minReadySeconds ?? 0, context.clock.now()))) plan.delete.push(old)
  return true
}

function placedThenOldest(a: Pod, b: Pod): number {
  const created = ({ metadata }: Pod) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  const placed = Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName))
  return placed || created(a) - created(b) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1)
}

async function carryOut(
  set: DaemonSet,
  plan: Plan,
  { hash, context }: { hash: string; context: ControllerContext & { ends: EarlyEnds } },
): Promise<unknown> {
  const nodes = plan.create.slice(0, BURST)
  let next = 0
  const { error } = await slowStart(nodes.length, async () => {
    const sent = newPod(set, { node: nodes[next++]!, hash })
    const pod = await createPod(sent, set, context)
    if (!isUpdated(pod, set, hash)) context.ends.outdated(pod, { sent, owner: set }, context.clock.now())
  })
  const results = await Promise.allSettled(plan.delete.slice(0, BURST).map((pod) => deletePod(pod, set, context)))
  return error ?? results.find((result) => result.status === 'rejected')?.reason
}

interface Standing {
  places: readonly Eligibility[]
  byNode: ReadonlyMap<string, Pod[]>
  hash: string
  collisionCount: number | undefined
  context: ControllerContext
}

async function writeStatus(set: DaemonSet, { places, byNode, hash, collisionCount, context }: Standing): Promise<void> {
  const now = context.clock.now()
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 }
  for (const { node, shouldRun } of places) {
    const pods = byNode.get(node) ?? []
    if (!shouldRun) {
      if (pods.length > 0) counts.misscheduled++
      continue
    }
    counts.desired++
    if (pods.length === 0) continue
    counts.current++
    // Of two the older one counts, until the other has taken over.
    const [pod] = pods.toSorted(placedThenOldest)
    if (isReady(pod!)) counts.ready++
    if (isAvailable(pod!, set.spec?.minReadySeconds ?? 0, now)) counts.available++
    if (isUpdated(pod!, set, hash)) counts.updated++
  }
  const { generation } = set.metadata!
  const status: DaemonSetStatus = {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    updatedNumberScheduled: counts.updated,
    numberAvailable: counts.available,
    numberUnavailable: counts.desired - counts.available,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  }
  const normal = (value: DaemonSetStatus | undefined) => Object.fromEntries(Object.entries(value ?? {}).filter(([, count]) => count !== 0))
  if (set.status?.observedGeneration !== undefined && equal(normal(status), normal(set.status))) return
  await context.client.update(DaemonSet, { ...set, status }, { subresource: 'status' })
}

function nextAvailableMs({ spec }: DaemonSet, pods: readonly Pod[], now: number): number | undefined {
  const waits = pods.map((pod) => availableInMs(pod, spec?.minReadySeconds ?? 0, now) ?? 0).filter((wait) => wait > 0)
  return waits.length > 0 ? Math.min(...waits) : undefined
}
