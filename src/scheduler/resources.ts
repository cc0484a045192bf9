// What pods ask for and nodes offer, as plain numbers: cpu in thousandths, everything else in whole units.
import type { Container, ContainerStatus, Pod } from '#api/generated/types.ts'
import { quantityMilliValue, quantityValue } from '#api/quantity.ts'

export interface Resources {
  milliCpu: number
  memory: number
  ephemeralStorage: number
  /** Extended resources and huge pages; absent when there are none. */
  scalars?: Map<string, number>
}

/** What a container that asks for nothing is taken to need when nodes are compared. */
const DEFAULT_MILLI_CPU = 100
const DEFAULT_MEMORY = 200 * 1024 * 1024

export const noResources = (): Resources => ({ milliCpu: 0, memory: 0, ephemeralStorage: 0 })

export function parseResources(list: Readonly<Record<string, string>> | undefined): Resources {
  const resources = noResources()
  for (const [name, text] of Object.entries(list ?? {})) {
    if (name === 'cpu') resources.milliCpu = quantityMilliValue(text)
    else if (name === 'memory') resources.memory = quantityValue(text)
    else if (name === 'ephemeral-storage') resources.ephemeralStorage = quantityValue(text)
    else if (name !== 'pods') (resources.scalars ??= new Map()).set(name, quantityValue(text))
  }
  return resources
}

export function amountOf(resources: Resources, name: string): number {
  if (name === 'cpu') return resources.milliCpu
  if (name === 'memory') return resources.memory
  if (name === 'ephemeral-storage') return resources.ephemeralStorage
  return resources.scalars?.get(name) ?? 0
}

/** Adds `other` to `into`, `by` times. */
export function addResources(into: Resources, other: Resources, by: 1 | -1 = 1): void {
  into.milliCpu += by * other.milliCpu
  into.memory += by * other.memory
  into.ephemeralStorage += by * other.ephemeralStorage
  if (!other.scalars) return
  into.scalars ??= new Map()
  for (const [name, value] of other.scalars) into.scalars.set(name, (into.scalars.get(name) ?? 0) + by * value)
}

function raiseTo(into: Resources, other: Resources): void {
  into.milliCpu = Math.max(into.milliCpu, other.milliCpu)
  into.memory = Math.max(into.memory, other.memory)
  into.ephemeralStorage = Math.max(into.ephemeralStorage, other.ephemeralStorage)
  for (const [name, value] of other.scalars ?? []) (into.scalars ??= new Map()).set(name, Math.max(into.scalars.get(name) ?? 0, value))
}

export interface PodRequests {
  requests: Resources
  /** The same with defaults for containers that ask for no cpu or memory; only used to compare nodes. */
  nonZero: { milliCpu: number; memory: number }
}

/** max(containers + sidecars, steps of the init containers) + overhead; the pod's own resources override. */
export function podRequests(pod: Pod): PodRequests {
  const statuses = statusesOf(pod)
  const infeasible = statuses !== undefined && isResizeInfeasible(pod.status)
  const ownOf = (container: Container) => containerRequests(container, { status: statuses?.get(container.name), infeasible })
  const plain = combined(pod, ownOf)
  const raised = asksForBoth(pod)
    ? { ...plain }
    : combined(pod, (container) => {
        const own = ownOf(container)
        const asked = container.resources?.requests
        if (asked?.cpu === undefined) own.milliCpu = DEFAULT_MILLI_CPU
        if (asked?.memory === undefined) own.memory = DEFAULT_MEMORY
        return own
      })
  const whole = wholeRequests(pod)
  const requests = overridden(plain, whole)
  const { milliCpu, memory } = overridden(raised, whole)
  const overhead = parseResources(pod.spec?.overhead)
  addResources(requests, overhead)
  return { requests, nonZero: { milliCpu: milliCpu + overhead.milliCpu, memory: memory + overhead.memory } }
}

/** Then nothing is raised. */
function asksForBoth({ spec }: Pod): boolean {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
  return all.every(({ resources }) => resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined)
}

function combined(pod: Pod, requestsOf: (container: Container) => Resources): Resources {
  const total = noResources()
  for (const container of pod.spec?.containers ?? []) addResources(total, requestsOf(container))
  const sidecars = noResources()
  const highest = noResources()
  for (const container of pod.spec?.initContainers ?? []) {
    const own = requestsOf(container)
    if (container.restartPolicy === 'Always') {
      addResources(total, own)
      addResources(sidecars, own)
      raiseTo(highest, sidecars)
    } else {
      addResources(own, sidecars)
      raiseTo(highest, own)
    }
  }
  raiseTo(total, highest)
  return total
}

/** By the name of the container; undefined where no node has told of it. */
function statusesOf({ status }: Pod): ReadonlyMap<string, ContainerStatus> | undefined {
  const { containerStatuses, initContainerStatuses = [] } = status ?? {}
  return containerStatuses && new Map([...initContainerStatuses, ...containerStatuses].map((one) => [one.name, one]))
}

/** While a container is being resized, the node must hold both what it has and what it wants. */
function containerRequests(
  { resources }: Container,
  { status, infeasible }: { status: ContainerStatus | undefined; infeasible: boolean },
): Resources {
  const wanted = parseResources(resources?.requests)
  const actual = status?.resources?.requests
  const allocated = status?.allocatedResources
  if (!actual && !allocated) return wanted
  const needed = infeasible ? noResources() : wanted
  raiseTo(needed, parseResources(actual))
  raiseTo(needed, parseResources(allocated))
  return needed
}

/** The node does not even try to give it what it wants. */
export function isResizeInfeasible(status: Pod['status']): boolean {
  return status?.conditions?.find(({ type }) => type === 'PodResizePending')?.reason === 'Infeasible'
}

/** For the pod as a whole, in place of its containers' own: the most of what it wants, has been given and has. */
function wholeRequests({ spec, status }: Pod): ReadonlyMap<string, number> {
  const most = new Map<string, number>()
  const wanted = spec?.resources?.requests
  if (!wanted) return most
  const { resources, allocatedResources } = status ?? {}
  const lists = resources ? [isResizeInfeasible(status) ? {} : wanted, resources.requests, allocatedResources] : [wanted]
  for (const list of lists) {
    const amounts = parseResources(list)
    for (const name of Object.keys(list ?? {}))
      if (isOfWholePods(name)) most.set(name, Math.max(most.get(name) ?? 0, amountOf(amounts, name)))
  }
  return most
}

const isOfWholePods = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')

function overridden(resources: Resources, whole: ReadonlyMap<string, number>): Resources {
  for (const [name, amount] of whole) {
    if (name === 'cpu') resources.milliCpu = amount
    else if (name === 'memory') resources.memory = amount
    else (resources.scalars ??= new Map()).set(name, amount)
  }
  return resources
}

/** Names of the resources that are less now. */
export function lessThan(
  { requests: before }: Pick<PodRequests, 'requests'>,
  { requests: after }: Pick<PodRequests, 'requests'>,
): ReadonlySet<string> {
  const names = ['cpu', 'memory', 'ephemeral-storage', ...(before.scalars?.keys() ?? [])]
  return new Set(names.filter((name) => amountOf(after, name) < amountOf(before, name)))
}
