// Carries what informers see into the cluster view and the queue, and says what may help pods that wait.
import { equal } from '#api/equal.ts'
import { isFinished } from '#api/finished-pod.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { CSIStorageCapacity } from '#api/kinds/storage/csi-storage-capacity.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'
import type { Cluster } from './cluster.ts'
import type { NominatedPods } from './nominations.ts'
import { isAssigned, type PodInfo, podInfoOf, uidOf } from './pod-info.ts'
import { objectsOf } from './objects.ts'
import { isResizeInfeasible, lessThan, podRequests } from './resources.ts'
import { siblingSelector } from './siblings.ts'
import type { ClusterChange } from './plugin.ts'
import { changeName } from './queue/change-names.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'

export interface ClusterFeedOptions {
  informers: Informers
  cluster: Cluster
  queue: SchedulingQueue
  nominations: NominatedPods
  /** Whether pods of that scheduler name are ours to place. */
  isOurs(pod: Pod): boolean
  /** A pod that waited is gone or has its node. */
  settled(uid: string): void
  now(): number
  /** What changed is noted, under upstream's name; `since` by `now`. */
  handled(event: string, since: number): void
}

/** What plugins look up; pods that wait may be helped by a change of any. */
const OTHER_KINDS: readonly Kind<any>[] = [
  PersistentVolumeClaim,
  PersistentVolume,
  StorageClass,
  CSINode,
  CSIDriver,
  CSIStorageCapacity,
  VolumeAttachment,
  ResourceResourceClaim,
  ResourceSlice,
  DeviceClass,
]

/** Nodes first: a pod must not be refused because its node was not heard of yet. */
export async function feedCluster(options: ClusterFeedOptions): Promise<Disposable> {
  using subscriptions = new DisposableStack()
  const nodes = options.informers.of(Node)
  subscriptions.use(nodes.subscribe(({ object, previous }) => nodeChanged(options, object, previous)))
  const namespaces = options.informers.of(Namespace)
  subscriptions.use(
    namespaces.subscribe(({ object, previous }) =>
      options.cluster.setNamespace((object ?? previous)?.metadata?.name ?? '', object && (object.metadata?.labels ?? {})),
    ),
  )
  options.cluster.siblingsOf = siblingSelector(options.informers)
  options.cluster.objects = objectsOf(options.informers)
  const others = OTHER_KINDS.map((kind) => options.informers.of<KubeObject>(kind))
  for (const informer of others) {
    const { kind } = informer.kind
    subscriptions.use(
      informer.subscribe(({ object, previous }) =>
        note(
          options,
          {
            type: 'object',
            kind,
            action: !object ? 'Delete' : previous ? 'Update' : 'Add',
            ...(object ? { object } : {}),
            ...(previous ? { previous } : {}),
          },
          options.now(),
        ),
      ),
    )
  }
  const budgets = options.informers.of(PodDisruptionBudget)
  const pods = options.informers.of(Pod)
  await Promise.all([nodes, namespaces, budgets, ...others].map((informer) => informer.synced()))
  subscriptions.use(pods.subscribe(({ object, previous }) => podChanged(options, object, previous)))
  await pods.synced()
  return subscriptions.move()
}

function note({ queue, handled }: ClusterFeedOptions, change: ClusterChange, since: number): void {
  queue.changed(change)
  handled(changeName(change), since)
}

function nodeChanged(options: ClusterFeedOptions, node: Node | undefined, previous: Node | undefined): void {
  const { cluster, now } = options
  const since = now()
  if (node) {
    cluster.setNode(node)
    note(options, { type: 'node', node, ...(previous ? { previous } : {}) }, since)
  } else if (previous) {
    cluster.removeNode(previous.metadata?.name ?? '')
    note(options, { type: 'node gone', node: previous }, since)
  }
}

function podChanged(options: ClusterFeedOptions, pod: Pod | undefined, previous: Pod | undefined): void {
  const since = options.now()
  podNoted(options, pod, previous)
  const seen = pod ?? previous
  if (!seen || (!isAssigned(seen) && !options.isOurs(seen))) return
  const what = !pod ? 'Delete' : previous && isAssigned(previous) === isAssigned(pod) ? 'Update' : 'Add'
  options.handled(`${isAssigned(seen) ? 'Assigned' : 'Unscheduled'}Pod${what}`, since)
}

function podNoted(options: ClusterFeedOptions, pod: Pod | undefined, previous: Pod | undefined): void {
  const { cluster, queue, nominations, isOurs, settled } = options
  if (previous && (!pod || previous.metadata?.uid !== pod.metadata?.uid)) {
    podGone(options, previous)
    previous = undefined
  }
  if (!pod) return
  if (isFinished(pod)) return podGone(options, pod)
  if (isAssigned(pod)) {
    const counted = previous && isAssigned(previous) ? previous : undefined
    const uid = uidOf(pod)
    const assumed = counted ? undefined : cluster.podOf(uid)
    const same = counted !== undefined && sameNeeds(counted, pod)
    if (same) cluster.renewPod(uid, pod)
    // Bound to where it was placed, it needs what it needed.
    else if (!assumed || !sameNeeds(assumed, pod) || !cluster.confirm(uid, pod)) cluster.setPod(podInfoOf(pod), pod.spec!.nodeName!)
    if (!counted) {
      queue.delete(uid)
      nominations.delete(uid)
      settled(uid)
      queue.changed({ type: 'pod assigned', pod })
    } else if (!same || !equal(counted.metadata?.labels, pod.metadata?.labels)) {
      queue.changed({
        type: 'pod changed',
        pod,
        previous: counted,
        freed: same ? new Set() : lessThan(podRequests(counted), podRequests(pod)),
      })
    }
    return
  }
  if (!isOurs(pod)) return
  if (pod.metadata?.deletionTimestamp) return podGone(options, pod)
  const info: PodInfo = podInfoOf(pod)
  if (cluster.isAssumed(info.uid)) return
  const promised = nominations.nodeOf(info.uid)
  // A promise just made is not in what others write of the pod yet.
  const told = pod.status?.nominatedNodeName ?? (previous?.status?.nominatedNodeName ? undefined : promised)
  nominations.set(info, told)
  queue.set(info)
  if (promised !== undefined && promised !== told) promiseEnded(queue, info)
}

function podGone({ cluster, queue, nominations, settled }: ClusterFeedOptions, pod: Pod): void {
  const uid = uidOf(pod)
  const counted = cluster.has(uid)
  const promised = nominations.nodeOf(uid) !== undefined
  cluster.removePod(uid)
  queue.delete(uid)
  nominations.delete(uid)
  settled(uid)
  if (counted) queue.changed({ type: 'pod gone', pod })
  else if (promised) promiseEnded(queue, podInfoOf(pod))
}

/** Pods no more important than this one made way for it as if it were there. */
function promiseEnded(queue: SchedulingQueue, { pod, priority }: PodInfo): void {
  queue.changed({ type: 'pod gone', pod, priority })
}

/** Whether the pod counts for as much as before: most changes of running pods are of their status only. */
function sameNeeds(previous: Pod, pod: Pod): boolean {
  if (previous.metadata?.generation !== pod.metadata?.generation || pod.metadata?.generation === undefined) {
    if (!equal(previous.spec, pod.spec)) return false
  }
  return equal(resized(previous), resized(pod))
}

/** What the pod and its containers really have, where nodes tell. */
function resized({ status = {} }: Pod): unknown {
  const { containerStatuses = [], initContainerStatuses = [], resources: whole, allocatedResources: given } = status
  const single = [...containerStatuses, ...initContainerStatuses].flatMap(({ name, resources, allocatedResources }) =>
    resources?.requests || allocatedResources ? [[name, resources?.requests, allocatedResources]] : [],
  )
  return [single, whole?.requests, given, isResizeInfeasible(status)]
}
