// Plain nodes and pods for tests, and one scheduling cycle over them.
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { PodSpec } from '#api/generated/types.ts'
import { seededRandom } from '#lib/random.ts'
import { Cluster } from './cluster.ts'
import { NominatedPods } from './nominations.ts'
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

export function place(pod: Pod, cluster: Cluster, profile: Profile = defaultProfile()): Placement {
  return placePod(podInfoOf(pod), cluster, { profile, random: seededRandom(1), nominations: new NominatedPods(), start: 0 })
}

/** The node's name, or why there is none. */
export function outcome(pod: Pod, cluster: Cluster, profile: Profile = defaultProfile()): string {
  const placement = place(pod, cluster, profile)
  return 'node' in placement ? placement.node.name : placement.diagnosis.message
}
