// What the object of a running pod tells about what it uses, whatever time it is: worked out once for each version of the object.
import type { Container, OwnerReference } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import { isQuantity, quantityOf } from '#api/quantity.ts'
import type { PodReading } from './reading.ts'

export type Resource = 'cpu' | 'memory'
/** In cores and bytes. */
export type Amount = Record<Resource, number | undefined>

/** Of a pod: what it uses, or with `.CONTAINER` behind it what that container uses. */
const USAGE: Record<Resource, string> = { cpu: 'sampan.dev/usage-cpu', memory: 'sampan.dev/usage-memory' }
const USED_OF_REQUEST = 0.5

interface RunningContainer {
  name: string
  startedAtMs: number
  requests: Record<Resource, number>
  /** As an annotation of its own says. */
  said: Amount
}

export interface PodFacts {
  /** `namespace/name` */
  key: string
  /** Those that run, sidecars first. */
  containers: readonly RunningContainer[]
  /** When the first of them and the last of them started. */
  firstStartMs: number
  lastStartMs: number
  /** What annotations say of the whole pod. */
  said: Amount
  owner: OwnerReference | undefined
  /** What it was found to use the last time, and of what that was made. */
  last?: { count: number; share: Amount; amounts: PodReading['containers'] }
}

const known = new WeakMap<Pod, PodFacts>()

export function factsOf(pod: Pod): PodFacts {
  let facts = known.get(pod)
  if (!facts) known.set(pod, (facts = readFacts(pod)))
  return facts
}

/** Of the containers that ran at that time; `share` is the pod's part of what its owner is said to use. The same amounts are the same list. */
export function amountsAt({ timestamp, facts, share }: { timestamp: number; facts: PodFacts; share: Amount }): PodReading['containers'] {
  const { last, containers } = facts
  const measured = facts.lastStartMs <= timestamp ? containers : containers.filter(({ startedAtMs }) => startedAtMs <= timestamp)
  if (last && last.count === measured.length && last.share.cpu === share.cpu && last.share.memory === share.memory) return last.amounts
  const of = (resource: Resource) => {
    const requested = measured.reduce((sum, { requests }) => sum + requests[resource], 0)
    const whole = facts.said[resource] ?? share[resource]
    return ({ requests, said }: RunningContainer) => {
      const own = said[resource]
      if (own !== undefined) return own
      if (whole === undefined) return requests[resource] * USED_OF_REQUEST
      return whole * (requested > 0 ? requests[resource] / requested : 1 / measured.length)
    }
  }
  const [cpu, memory] = [of('cpu'), of('memory')]
  const amounts = measured.map((one) => ({
    name: one.name,
    cpuNanoCores: Math.ceil(cpu(one) * 1e9),
    memoryBytes: Math.ceil(memory(one)),
  }))
  facts.last = { count: measured.length, share, amounts }
  return amounts
}

/** How much an annotation of the object says; undefined where it says no amount. */
export function amountIn({ metadata }: KubeObject, annotation: string): number | undefined {
  const annotations = metadata?.annotations
  const text = annotations && Object.hasOwn(annotations, annotation) ? annotations[annotation] : undefined
  return isQuantity(text) ? Math.max(0, numberOf(text)) : undefined
}

function readFacts(pod: Pod): PodFacts {
  const { metadata, spec, status } = pod
  const sidecars = spec!.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? []
  const statuses = new Map([...(status!.containerStatuses ?? []), ...(status!.initContainerStatuses ?? [])].map((one) => [one.name, one]))
  const said = (suffix: string): Amount => ({ cpu: amountIn(pod, USAGE.cpu + suffix), memory: amountIn(pod, USAGE.memory + suffix) })
  const containers = [...sidecars, ...spec!.containers].flatMap((container) => {
    const { name } = container
    const running = statuses.get(name)?.state?.running
    if (!running) return []
    return { name, startedAtMs: Date.parse(running.startedAt ?? '') || Infinity, requests: requestsOf(container), said: said(`.${name}`) }
  })
  const starts = containers.map(({ startedAtMs }) => startedAtMs)
  return {
    key: `${metadata?.namespace}/${metadata?.name}`,
    containers,
    firstStartMs: Math.min(...starts),
    lastStartMs: Math.max(...starts),
    said: said(''),
    owner: metadata?.ownerReferences?.find(({ controller }) => controller),
  }
}

function requestsOf({ resources }: Container): Record<Resource, number> {
  return { cpu: numberOf(resources?.requests?.['cpu']), memory: numberOf(resources?.requests?.['memory']) }
}

const numberOf = (text: string | undefined): number => Number(quantityOf(text).nanos) / 1e9
