// What must hold of a cluster at rest, whatever befell it before. Each check returns what is wrong, in words.
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { KubeObject } from '#api/object.ts'
import type { Client } from '#client/client.ts'

export interface Snapshot {
  of<T extends KubeObject>(kind: Kind<T>): readonly T[]
  all(): readonly (readonly [Kind<any>, KubeObject])[]
}

export async function snapshotOf(client: Client): Promise<Snapshot> {
  const kinds = builtinKinds.filter(({ virtual, verbs }) => !virtual && verbs.includes('list'))
  const lists = new Map<Kind<any>, readonly KubeObject[]>()
  for (const kind of kinds) lists.set(kind, (await client.list(kind)).items)
  return {
    of: <T extends KubeObject>(kind: Kind<T>) => (lists.get(kind) ?? []) as readonly T[],
    all: () => [...lists].flatMap(([kind, items]) => items.map((item) => [kind, item] as const)),
  }
}

type Check = (world: Snapshot) => Iterable<string>

const nameOf = (kind: Kind<any>, { metadata }: KubeObject) =>
  `${kind.singular} ${metadata?.namespace ? `${metadata.namespace}/` : ''}${metadata?.name}`
const ownerOf = ({ metadata }: KubeObject) => metadata?.ownerReferences?.find(({ controller }) => controller)
const isOver = ({ status }: Pod) => status?.phase === 'Succeeded' || status?.phase === 'Failed'
const isReady = ({ status }: Pod) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
const alive = (world: Snapshot, uid: string | undefined) =>
  world.of(Pod).filter((pod) => ownerOf(pod)?.uid === uid && !isOver(pod) && !pod.metadata?.deletionTimestamp)
const isFull = (world: Snapshot, namespace: string | undefined) =>
  world
    .of(ResourceQuota)
    .some(
      ({ metadata, status }) =>
        metadata?.namespace === namespace && Number(status?.used?.pods ?? 0) >= Number(status?.hard?.pods ?? Infinity),
    )

function* replicaCounts(world: Snapshot): Iterable<string> {
  for (const one of world.of(Deployment)) {
    const { spec, status, metadata } = one
    const sets = world.of(ReplicaSet).filter((set) => ownerOf(set)?.uid === metadata?.uid)
    if (status?.observedGeneration !== metadata?.generation) yield `${nameOf(Deployment, one)} is not observed`
    // Paused in the middle of a rollout it stays there, however many pods there are then.
    if (spec?.paused || isFull(world, metadata?.namespace)) continue
    const wanted = spec?.replicas ?? 1
    if ((status?.replicas ?? 0) !== wanted || (status?.availableReplicas ?? 0) !== wanted)
      yield `${nameOf(Deployment, one)} wants ${wanted}, has ${status?.replicas ?? 0} of which ${status?.availableReplicas ?? 0} available`
    if (sets.filter(({ spec: of }) => (of?.replicas ?? 0) > 0).length > 1) yield `${nameOf(Deployment, one)} has several live replica sets`
  }
  for (const one of world.of(ReplicaSet)) {
    if (isFull(world, one.metadata?.namespace)) continue
    const pods = alive(world, one.metadata?.uid).length
    if (pods !== (one.spec?.replicas ?? 1)) yield `${nameOf(ReplicaSet, one)} wants ${one.spec?.replicas}, has ${pods} pods`
  }
  for (const one of world.of(StatefulSet)) {
    const { spec, status, metadata } = one
    if (isFull(world, metadata?.namespace)) continue
    const wanted = Array.from({ length: spec?.replicas ?? 1 }, (_, index) => `${metadata?.name}-${index}`)
    const names = alive(world, metadata?.uid)
      .map((pod) => pod.metadata?.name)
      .sort()
    if (names.join() !== wanted.join()) yield `${nameOf(StatefulSet, one)} wants ${wanted.join()}, has ${names.join()}`
    if ((status?.readyReplicas ?? 0) !== wanted.length)
      yield `${nameOf(StatefulSet, one)} says ${status?.readyReplicas ?? 0} are ready of ${wanted.length}`
    if (status?.updateRevision !== status?.currentRevision) yield `${nameOf(StatefulSet, one)} has not finished its update`
  }
  for (const one of world.of(DaemonSet)) {
    if (isFull(world, one.metadata?.namespace)) continue
    const nodes = alive(world, one.metadata?.uid).map(({ spec }) => spec?.nodeName)
    const wanted = world.of(Node).map(({ metadata }) => metadata?.name)
    if (nodes.sort().join() !== wanted.sort().join()) yield `${nameOf(DaemonSet, one)} runs on ${nodes.join()} of ${wanted.join()}`
  }
}

function* jobs(world: Snapshot): Iterable<string> {
  for (const one of world.of(Job)) {
    const { spec, status, metadata } = one
    const done = status?.conditions?.some(({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True')
    const pods = alive(world, metadata?.uid).length
    if (done && pods > 0) yield `${nameOf(Job, one)} is over and has ${pods} pods`
    // A pod whose making was never confirmed is made once more, as upstream does; one that has an index is known by it.
    const over = spec?.completionMode === 'Indexed' ? 0 : (spec?.parallelism ?? 1)
    if ((status?.succeeded ?? 0) > (spec?.completions ?? Infinity) + over)
      yield `${nameOf(Job, one)} counts ${status?.succeeded} of ${spec?.completions}`
    if (status?.uncountedTerminatedPods?.succeeded?.length) yield `${nameOf(Job, one)} has not counted all its pods`
    if (done || spec?.suspend || isFull(world, metadata?.namespace) || ownerOf(one)) continue
    yield `${nameOf(Job, one)} is not over: ${JSON.stringify(status)}`
  }
  for (const one of world.of(CronJob)) {
    const running = world
      .of(Job)
      .filter(
        (job) =>
          ownerOf(job)?.uid === one.metadata?.uid && !job.status?.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed'),
      )
    if (one.spec?.concurrencyPolicy !== 'Allow' && running.length > 1) yield `${nameOf(CronJob, one)} runs ${running.length} jobs at once`
  }
}

function* owners(world: Snapshot): Iterable<string> {
  const uids = new Set(world.all().map(([, { metadata }]) => metadata?.uid))
  for (const [kind, object] of world.all()) {
    const refs = object.metadata?.ownerReferences ?? []
    if (refs.filter(({ controller }) => controller).length > 1) yield `${nameOf(kind, object)} has two controllers`
    if (refs.length > 0 && refs.every(({ uid }) => !uids.has(uid)))
      yield `${nameOf(kind, object)} outlived its owner ${refs[0]!.kind} ${refs[0]!.name}`
    if (object.metadata?.deletionTimestamp)
      yield `${nameOf(kind, object)} is being deleted since ${object.metadata.deletionTimestamp}: ${object.metadata.finalizers?.join() ?? ''}`
  }
  const namespaces = new Set(world.of(Namespace).map(({ metadata }) => metadata?.name))
  for (const [kind, object] of world.all()) {
    if (object.metadata?.namespace && !namespaces.has(object.metadata.namespace)) yield `${nameOf(kind, object)} outlived its namespace`
  }
}

function* placement(world: Snapshot): Iterable<string> {
  const nodes = new Map(world.of(Node).map((node) => [node.metadata?.name, node]))
  const addresses = new Map<string, string>()
  const used = new Map<string, number>()
  for (const pod of world.of(Pod)) {
    if (isOver(pod)) continue
    const name = nameOf(Pod, pod)
    const node = pod.spec?.nodeName
    if (!node || !isReady(pod))
      yield `${name} is not running: ${pod.status?.phase} on ${node ?? 'no node'} ${pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message ?? ''}`
    else if (!nodes.has(node)) yield `${name} runs on ${node}, which is gone`
    if (node) used.set(node, (used.get(node) ?? 0) + 1)
    const ip = pod.status?.podIP
    if (ip && addresses.has(ip)) yield `${name} has the address ${ip} of ${addresses.get(ip)}`
    if (ip) addresses.set(ip, name)
  }
  for (const [name, count] of used) {
    const most = Number(nodes.get(name)?.status?.allocatable?.pods)
    if (count > most) yield `node ${name} holds ${count} pods of ${most}`
  }
  for (const node of nodes.values())
    if (node.spec?.taints?.length) yield `node ${node.metadata?.name} is tainted: ${JSON.stringify(node.spec.taints)}`
}

function* quotas(world: Snapshot): Iterable<string> {
  for (const quota of world.of(ResourceQuota)) {
    const here = <T extends KubeObject>(kind: Kind<T>) =>
      world.of(kind).filter(({ metadata }) => metadata?.namespace === quota.metadata?.namespace)
    const expected: Record<string, number> = {
      pods: here(Pod).filter((pod) => !isOver(pod)).length,
      'count/deployments.apps': here(Deployment).length,
      services: here(Service).length,
      persistentvolumeclaims: here(PersistentVolumeClaim).length,
    }
    for (const [name, count] of Object.entries(expected)) {
      const said = Number(quota.status?.used?.[name] ?? Number.NaN)
      if (said !== count) yield `${nameOf(ResourceQuota, quota)} says ${said} ${name} of ${count}`
    }
  }
}

function* services(world: Snapshot): Iterable<string> {
  for (const service of world.of(Service)) {
    const selector = Object.entries(service.spec?.selector ?? {})
    if (selector.length === 0) continue
    const { namespace, name } = service.metadata!
    const pods = world
      .of(Pod)
      .filter(
        (pod) =>
          pod.metadata?.namespace === namespace && !isOver(pod) && selector.every(([key, value]) => pod.metadata?.labels?.[key] === value),
      )
    const slices = world
      .of(EndpointSlice)
      .filter(({ metadata }) => metadata?.namespace === namespace && metadata?.labels?.['kubernetes.io/service-name'] === name)
    const told = slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap((one) => one.addresses)).sort()
    const real = pods.map(({ status }) => status?.podIP ?? '').sort()
    if (told.join() !== real.join()) yield `${nameOf(Service, service)} leads to ${told.join()} and should to ${real.join()}`
  }
}

function* volumes(world: Snapshot): Iterable<string> {
  const claims = new Map(world.of(PersistentVolumeClaim).map((claim) => [claim.metadata?.uid, claim]))
  const bound = new Map<string, string>()
  for (const volume of world.of(PersistentVolume)) {
    const claim = claims.get(volume.spec?.claimRef?.uid)
    if (volume.status?.phase === 'Bound' && claim?.spec?.volumeName !== volume.metadata?.name)
      yield `${nameOf(PersistentVolume, volume)} is bound to a claim that knows nothing of it`
    if (volume.status?.phase === 'Available' && volume.spec?.claimRef?.uid)
      yield `${nameOf(PersistentVolume, volume)} is available and claimed`
  }
  for (const claim of claims.values()) {
    const volume = claim.spec?.volumeName
    if (claim.status?.phase === 'Bound' && !volume) yield `${nameOf(PersistentVolumeClaim, claim)} is bound to nothing`
    if (!volume) continue
    if (bound.has(volume)) yield `${nameOf(PersistentVolumeClaim, claim)} shares ${volume} with ${bound.get(volume)}`
    bound.set(volume, nameOf(PersistentVolumeClaim, claim))
  }
  const free = world.of(PersistentVolume).filter(({ status }) => status?.phase === 'Available')
  for (const claim of claims.values()) {
    if (claim.status?.phase !== 'Pending') continue
    const fitting = free.find(({ spec }) => claim.spec?.accessModes?.every((mode) => spec?.accessModes?.includes(mode)))
    if (fitting) yield `${nameOf(PersistentVolumeClaim, claim)} waits though ${fitting.metadata?.name} is free`
  }
}

function* budgets(world: Snapshot): Iterable<string> {
  for (const budget of world.of(PodDisruptionBudget)) {
    const labels = Object.entries(budget.spec?.selector?.matchLabels ?? {})
    const healthy = world
      .of(Pod)
      .filter(
        (pod) =>
          pod.metadata?.namespace === budget.metadata?.namespace &&
          isReady(pod) &&
          labels.every(([key, value]) => pod.metadata?.labels?.[key] === value),
      )
    if (budget.status?.currentHealthy !== healthy.length)
      yield `${nameOf(PodDisruptionBudget, budget)} says ${budget.status?.currentHealthy} healthy of ${healthy.length}`
  }
}

function* devices(world: Snapshot): Iterable<string> {
  const holders = new Map<string, string>()
  const running = new Set(world.of(Pod).flatMap((pod) => (isOver(pod) ? [] : (pod.metadata?.uid ?? []))))
  for (const claim of world.of(ResourceClaim)) {
    const name = nameOf(ResourceClaim, claim)
    const { allocation, reservedFor = [] } = claim.status ?? {}
    for (const { driver, pool, device } of allocation?.devices?.results ?? []) {
      const which = `${driver}/${pool}/${device}`
      if (holders.has(which)) yield `${name} has ${which} of ${holders.get(which)}`
      holders.set(which, name)
    }
    for (const { uid, name: pod } of reservedFor) if (!running.has(uid)) yield `${name} is reserved for ${pod}, which runs no more`
    if (allocation && reservedFor.length === 0) yield `${name} is allocated for nobody`
  }
  for (const { metadata } of world.of(Node)) {
    const slices = world.of(ResourceSlice).filter(({ spec }) => spec.nodeName === metadata?.name)
    if (slices.length !== 1) yield `node ${metadata?.name} publishes ${slices.length} slices`
  }
}

function* exclusiveVolumes(world: Snapshot): Iterable<string> {
  for (const claim of world.of(PersistentVolumeClaim)) {
    if (!claim.spec?.accessModes?.includes('ReadWriteOncePod')) continue
    const users = world
      .of(Pod)
      .filter(
        (pod) =>
          pod.metadata?.namespace === claim.metadata?.namespace &&
          pod.spec?.nodeName &&
          !isOver(pod) &&
          pod.spec.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claim.metadata?.name),
      )
    if (users.length > 1) yield `${nameOf(PersistentVolumeClaim, claim)} is used by ${users.map(({ metadata }) => metadata?.name).join()}`
  }
}

const CHECKS: readonly Check[] = [replicaCounts, jobs, owners, placement, quotas, services, volumes, exclusiveVolumes, devices, budgets]

export function violations(world: Snapshot): string[] {
  return CHECKS.flatMap((check) => [...check(world)])
}
