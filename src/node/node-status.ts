// A node's status as the API shows it: addresses, capacity, conditions with the kubelet's reasons, images. Pure.
import { conditionOf } from '#api/conditions.ts'
import type { ContainerImage, NodeCondition, NodeStatus, NodeSystemInfo } from '#api/generated/types.ts'
import { quantityOf, quantityValue } from '#api/quantity.ts'
import { HOSTNAME_LABEL } from '#api/well-known.ts'
import { formatTime } from '#lib/clock.ts'
import { byKey } from '#lib/order.ts'
import type { Image } from './runtime.ts'

const IMAGES_SHOWN = 50
const NAMES_SHOWN = 5
/** Of the features upstream's kubelet declares, those this node really has. */
const DECLARED_FEATURES: readonly string[] = ['ExtendWebSocketsToKubelet']

export interface Pressure {
  memory: boolean
  disk: boolean
  pid: boolean
}

export interface NodeObservation {
  name: string
  addresses: readonly { type: 'InternalIP' | 'Hostname' | 'ExternalIP'; address: string }[]
  capacity: Record<string, string>
  allocatable: Record<string, string>
  info: NodeSystemInfo
  kubeletPort: number
  images: readonly Image[]
  pressure: Pressure
  /** Why the node cannot run pods; absent: it can. */
  notReady?: string
  now: number
  previous: NodeStatus
}

export function nodeStatus(seen: NodeObservation): NodeStatus {
  return {
    addresses: [...seen.addresses],
    allocatable: seen.allocatable,
    capacity: seen.capacity,
    conditions: conditions(seen),
    daemonEndpoints: { kubeletEndpoint: { Port: seen.kubeletPort } },
    declaredFeatures: [...DECLARED_FEATURES],
    images: imagesShown(seen.images),
    nodeInfo: seen.info,
  }
}

function conditions({ pressure, notReady, now, previous }: NodeObservation): NodeCondition[] {
  const time = formatTime(now)
  const condition = (type: string, status: boolean, [reason, message]: [string, string]): NodeCondition => {
    const old = conditionOf(previous.conditions, type)
    const text = status ? 'True' : 'False'
    const since = old?.status === text ? old.lastTransitionTime : undefined
    return { type, status: text, reason, message, lastHeartbeatTime: time, lastTransitionTime: since ?? time }
  }
  return [
    condition(
      'MemoryPressure',
      pressure.memory,
      pressure.memory
        ? ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available']
        : ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ),
    condition(
      'DiskPressure',
      pressure.disk,
      pressure.disk
        ? ['KubeletHasDiskPressure', 'kubelet has disk pressure']
        : ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ),
    condition(
      'PIDPressure',
      pressure.pid,
      pressure.pid
        ? ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available']
        : ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ),
    condition(
      'Ready',
      notReady === undefined,
      notReady === undefined ? ['KubeletReady', 'kubelet is posting ready status'] : ['KubeletNotReady', notReady],
    ),
  ]
}

function imagesShown(images: readonly Image[]): ContainerImage[] {
  return [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.id < b.id ? -1 : 1))
    .slice(0, IMAGES_SHOWN)
    .map(({ digests, tags, sizeBytes }) => ({ names: [...digests, ...tags].slice(0, NAMES_SHOWN), sizeBytes }))
}

/** Differs in more than the time of the heartbeat. */
export function statusChanged(next: NodeStatus, previous: NodeStatus): boolean {
  return significant(next) !== significant(previous)
}

function significant(status: NodeStatus): string {
  const { addresses, allocatable, capacity, conditions: list, daemonEndpoints, declaredFeatures, images, nodeInfo } = status
  const plain = (list ?? []).map(({ type, status: text, reason, message }) => ({ type, text, reason, message }))
  return JSON.stringify([
    addresses,
    sorted(allocatable),
    sorted(capacity),
    plain.sort((a, b) => (a.type < b.type ? -1 : 1)),
    daemonEndpoints,
    declaredFeatures ?? [],
    images ?? [],
    sorted(nodeInfo),
  ])
}

function sorted(object: object | undefined): [string, unknown][] {
  return Object.entries(object ?? {})
    .filter(([, value]) => value !== '' && value !== undefined && value !== null)
    .sort(byKey)
}

/** Capacity less what is kept for the system and the eviction thresholds. */
export function allocatableOf(capacity: Record<string, string>, reserved: Record<string, string> = {}): Record<string, string> {
  const allocatable: Record<string, string> = {}
  for (const [name, value] of Object.entries(capacity)) {
    const left = quantityOf(value).sub(quantityOf(reserved[name]))
    allocatable[name] = left.sign < 0 ? '0' : left.toString()
  }
  return allocatable
}

/** Hard eviction keeps 100Mi of memory and a tenth of the disk free. */
export function evictionReserve(capacity: Record<string, string>): Record<string, string> {
  return { memory: '100Mi', 'ephemeral-storage': String(Math.ceil(quantityValue(capacity['ephemeral-storage']) / 10)) }
}

export function nodeLabels(name: string, architecture: string): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    [HOSTNAME_LABEL]: name,
    'kubernetes.io/os': 'linux',
  }
}
