// What a pod's requests and limits become on the node: quality of service, cgroup parent, shares, quota, memory and out-of-memory score.
import type { Container as ContainerSpec, Pod, ResourceRequirements } from '#api/generated/types.ts'
import { Quantity, quantityMilliValue, quantityOf, quantityValue, ZERO } from '#api/quantity.ts'
import type { ContainerResources } from '#node/runtime.ts'
import { isSidecar } from './identity.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

export const CPU_PERIOD = 100_000
const MIN_SHARES = 2
const MAX_SHARES = 262_144
const MIN_QUOTA = 1000
const GUARANTEED_OOM = -997
const BEST_EFFORT_OOM = 1000
const CRITICAL_PRIORITY = 2_000_000_000
const QOS_RESOURCES = ['cpu', 'memory']

/** Of the system's own classes: evicted by nobody. */
export function isCritical({ spec }: Pick<Pod, 'spec'>): boolean {
  return (spec?.priority ?? 0) >= CRITICAL_PRIORITY
}

export function qosClassOf(pod: Pod): QosClass {
  const known = pod.status?.qosClass
  if (known) return known as QosClass
  const own = pod.spec?.resources
  const all =
    own?.requests || own?.limits ? [own] : [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map((c) => c.resources)
  const positive = (list: Record<string, string> | undefined) => QOS_RESOURCES.filter((name) => quantityOf(list?.[name]).sign > 0)
  if (all.every((resources) => positive(resources?.requests).length === 0 && positive(resources?.limits).length === 0)) return 'BestEffort'
  const guaranteed = all.every((resources) =>
    QOS_RESOURCES.every((name) => {
      const limit = quantityOf(resources?.limits?.[name])
      return limit.sign > 0 && quantityOf(resources?.requests?.[name] ?? resources?.limits?.[name]).compare(limit) === 0
    }),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

export function cgroupParentOf(pod: Pod): string {
  const qos = qosClassOf(pod)
  const tier = qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`
  return `/kubepods${tier}/pod${pod.metadata?.uid ?? ''}`
}

export function sharesOf(milli: number): number {
  return milli <= 0 ? MIN_SHARES : Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000)))
}

/** 0: no limit. */
export function quotaOf(milli: number): number {
  return milli <= 0 ? 0 : Math.max(MIN_QUOTA, Math.floor((milli * CPU_PERIOD) / 1000))
}

export function containerResources(pod: Pod, container: ContainerSpec, options: { memoryCapacityBytes: number }): ContainerResources {
  const { requests, limits } = container.resources ?? {}
  const limit = quantityMilliValue(limits?.cpu)
  const request = requests?.cpu === undefined ? limit : quantityMilliValue(requests.cpu)
  return {
    cpuShares: sharesOf(request),
    cpuQuota: quotaOf(limit),
    cpuPeriod: CPU_PERIOD,
    memoryLimitBytes: quantityValue(limits?.memory),
    oomScoreAdj: oomScoreAdjust(pod, container, options.memoryCapacityBytes),
  }
}

function oomScoreAdjust(pod: Pod, container: ContainerSpec, memoryCapacityBytes: number): number {
  if (isCritical(pod)) return GUARANTEED_OOM
  const qos = qosClassOf(pod)
  if (qos === 'Guaranteed') return GUARANTEED_OOM
  if (qos === 'BestEffort' || memoryCapacityBytes <= 0) return BEST_EFFORT_OOM
  const request = quantityValue(container.resources?.requests?.memory ?? container.resources?.limits?.memory)
  const score = Math.floor(1000 - (1000 * request) / memoryCapacityBytes)
  return Math.min(BEST_EFFORT_OOM - 1, Math.max(1000 + GUARANTEED_OOM, score))
}

/** Sum of containers and sidecars, or the largest moment of initialisation; plus overhead. Pod-level requests replace the sum. */
export function podRequest(pod: Pod, resource: string): Quantity {
  return podTotal(pod, resource, (resources) => resources?.requests?.[resource] ?? resources?.limits?.[resource])
}

/** What the containers that have a limit may take together; zero: none has one. */
export function sumOfLimits(pod: Pod, resource: string): Quantity {
  return podTotal(pod, resource, (resources) => resources?.limits?.[resource])
}

/** undefined: at least one container has no limit, so neither has the pod. */
export function podLimit(pod: Pod, resource: string): Quantity | undefined {
  const own = pod.spec?.resources?.limits?.[resource]
  if (own !== undefined) return quantityOf(own)
  const running = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)]
  if (running.some((container) => quantityOf(container.resources?.limits?.[resource]).sign <= 0)) return undefined
  return sumOfLimits(pod, resource)
}

function podTotal(pod: Pod, resource: string, pick: (resources: ResourceRequirements | undefined) => string | undefined): Quantity {
  const overhead = quantityOf(pod.spec?.overhead?.[resource])
  const own = pod.spec?.resources && pick(pod.spec.resources)
  if (own !== undefined) return quantityOf(own).add(overhead)
  let sidecars: Quantity = ZERO
  let initial: Quantity = ZERO
  for (const container of pod.spec?.initContainers ?? []) {
    const value = quantityOf(pick(container.resources))
    if (isSidecar(container)) sidecars = sidecars.add(value)
    const moment = isSidecar(container) ? sidecars : sidecars.add(value)
    if (moment.compare(initial) > 0) initial = moment
  }
  const main = (pod.spec?.containers ?? []).reduce((sum, container) => sum.add(quantityOf(pick(container.resources))), sidecars)
  return (main.compare(initial) >= 0 ? main : initial).add(overhead)
}
