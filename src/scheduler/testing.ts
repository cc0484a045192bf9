// Plain nodes and pods for tests, and one scheduling cycle over them.
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import type { PodSpec } from '#api/generated/types.ts'
import { silentLogger } from '#lib/log.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { seededRandom } from '#lib/random.ts'
import { Cluster } from './cluster.ts'
import { DeviceAllocator } from './devices/device-allocator.ts'
import type { Scene } from './reference.ts'
import { NominatedPods } from './nominations.ts'
import type { Objects } from './objects.ts'
import { type Placement, placePod } from './place.ts'
import { podInfoOf } from './pod-info.ts'
import { defaultProfile, type Profile } from './profile.ts'

export interface PodShape extends Partial<PodSpec> {
  cpu?: string
  memory?: string
  labels?: Record<string, string>
  namespace?: string
  status?: Pod['status']
}

export function podOf(name: string, { cpu, memory, labels = {}, namespace = 'default', status, ...spec }: PodShape = {}): Pod {
  const requests = { ...(cpu ? { cpu } : {}), ...(memory ? { memory } : {}) }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: `uid-${namespace}-${name}`, labels },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }], ...spec },
    ...(status ? { status } : {}),
  }
}

export interface NodeShape {
  cpu?: string
  memory?: string
  pods?: string
  labels?: Record<string, string>
  spec?: Node['spec']
  images?: NonNullable<Node['status']>['images']
  more?: Record<string, string>
}

export function nodeOf(name: string, { cpu = '4', memory = '8Gi', pods = '110', labels = {}, spec, images, more }: NodeShape = {}): Node {
  const allocatable = { cpu, memory, pods, ...more }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...labels } },
    ...(spec ? { spec } : {}),
    status: { allocatable, capacity: allocatable, ...(images ? { images } : {}) },
  }
}

export function clusterOf(nodes: readonly Node[], pods: readonly Pod[] = []): Cluster {
  const cluster = new Cluster()
  for (const node of nodes) cluster.setNode(node)
  for (const pod of pods) cluster.setPod(podInfoOf(pod), pod.spec!.nodeName!)
  return cluster
}

/** With volumes, claims and devices to look up. */
export async function clusterOver({ nodes, pods, objects = [] }: Scene): Promise<Cluster> {
  const cluster = clusterOf(nodes, pods)
  cluster.objects = objectsFrom(objects)
  const { objects: found } = cluster
  const shared = { clock: createVirtualClock(), random: seededRandom(1), log: silentLogger, changed: () => {} }
  cluster.devices = new DeviceAllocator({ objects: found, ...shared })
  await cluster.devices.load()
  return cluster
}

export function place(pod: Pod, cluster: Cluster, profile: Profile = defaultProfile()): Placement {
  return placePod(podInfoOf(pod), cluster, { profile, random: seededRandom(1), nominations: new NominatedPods(), start: 0 })
}

/** The node's name, or why there is none. */
export function outcome(pod: Pod, cluster: Cluster, profile: Profile = defaultProfile()): string {
  const placement = place(pod, cluster, profile)
  return 'node' in placement ? placement.node.name : placement.diagnosis.message
}

/** What plugins look up, from objects that name their kinds. */
export function objectsFrom(objects: readonly KubeObject[]): Objects {
  const of = (kind: string) => objects.filter((one) => one.kind === kind)
  return {
    get: (kind, { namespace, name }) =>
      of(kind.kind).find(
        ({ metadata }) => metadata?.name === name && (kind.scope === 'Cluster' || metadata?.namespace === namespace),
      ) as any,
    list: (kind, namespace) => of(kind.kind).filter(({ metadata }) => namespace === undefined || metadata?.namespace === namespace) as any,
  }
}

export function claimOf(name: string, spec: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: 'default' }, spec } as KubeObject
}

export function volumeOf(name: string, spec: object = {}, labels: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name, labels }, spec } as KubeObject
}

/** A pod spec that mounts these claims. */
export const mounting = (...claims: string[]): PodShape => ({
  volumes: claims.map((claimName, i) => ({ name: `v${i}`, persistentVolumeClaim: { claimName } })),
})
