// Which of a target's pods count for a metric: ready ones do, unready and missing ones are assumed something of, those on their way out are ignored.
import { conditionOf } from '#api/conditions.ts'
import type { Container } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { quantityMilliValue } from '#api/quantity.ts'

/** Metrics are whole thousandths throughout, as upstream reckons with them. */
export interface PodMetric {
  value: number
  /** Epoch milliseconds of the end of its window. */
  timestamp: number
  windowMs: number
}

export type MetricsByPod = Map<string, PodMetric>

export interface PodGroups {
  ready: number
  unready: Set<string>
  missing: Set<string>
  ignored: Set<string>
}

/** While it starts, a pod's CPU says little. */
const CPU_INITIALIZATION_MS = 5 * 60_000
/** A pod that was unready from so soon after its start has never been ready. */
const INITIAL_READINESS_MS = 30_000

export function groupPods(
  pods: readonly Pod[],
  metrics: ReadonlyMap<string, PodMetric>,
  { resource, now }: { resource: string; now: number },
): PodGroups {
  const groups: PodGroups = { ready: 0, unready: new Set(), missing: new Set(), ignored: new Set() }
  for (const pod of pods) {
    const name = pod.metadata!.name!
    const phase = pod.status?.phase ?? 'Pending'
    const metric = metrics.get(name)
    if (pod.metadata!.deletionTimestamp || phase === 'Failed') groups.ignored.add(name)
    else if (phase === 'Pending') groups.unready.add(name)
    else if (!metric) groups.missing.add(name)
    else if (resource === 'cpu' && isStarting(pod, metric, now)) groups.unready.add(name)
    else groups.ready++
  }
  return groups
}

function isStarting(pod: Pod, metric: PodMetric, now: number): boolean {
  const readiness = readinessOf(pod)
  if (!readiness) return true
  const { started, changed, unready } = readiness
  // A whole window must have passed in the state it is in.
  if (started + CPU_INITIALIZATION_MS > now) return unready || metric.timestamp < changed + metric.windowMs
  return unready && started + INITIAL_READINESS_MS > changed
}

/** Whether the passing of time alone can no longer put any of the pods into another group. */
export function isSteady(pods: readonly Pod[], { resource, now }: { resource: string; now: number }): boolean {
  return resource !== 'cpu' || pods.every((pod) => (readinessOf(pod)?.started ?? 0) + CPU_INITIALIZATION_MS <= now)
}

interface Readiness {
  /** Epoch milliseconds. */
  started: number
  changed: number
  unready: boolean
}

const knownReadiness = new WeakMap<Pod, Readiness>()

/** undefined where the pod does not tell; read once for each version of a pod. */
function readinessOf(pod: Pod): Readiness | undefined {
  const known = knownReadiness.get(pod)
  if (known) return known
  const condition = conditionOf(pod.status?.conditions, 'Ready')
  const started = Date.parse(pod.status?.startTime ?? '')
  if (!condition || Number.isNaN(started)) return undefined
  const read = { started, changed: Date.parse(condition.lastTransitionTime ?? '') || 0, unready: condition.status === 'False' }
  knownReadiness.set(pod, read)
  return read
}

/** By list of pods, which stays the same while they do: an autoscaler asks about the same ones every 15 seconds. */
const known = new WeakMap<readonly Pod[], Map<string, ReadonlyMap<string, number>>>()

/** In thousandths, by pod. Throws where one of the containers asked about requests nothing, or is not there. */
export function requestsOf(pods: readonly Pod[], resource: string, container: string): ReadonlyMap<string, number> {
  let requests = known.get(pods)
  if (!requests) known.set(pods, (requests = new Map()))
  const asked = `${resource}/${container}`
  let found = requests.get(asked)
  if (!found) requests.set(asked, (found = new Map(pods.map((pod) => [pod.metadata!.name!, requestOf(pod, resource, container)]))))
  return found
}

function requestOf(pod: Pod, resource: string, container: string): number {
  if (container === '' && Object.keys(pod.spec?.resources?.requests ?? {}).length > 0) return wholeRequestOf(pod, resource)
  let sum = 0
  for (const one of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers?.filter(isSidecar) ?? [])]) {
    if (container !== '' && container !== one.name) continue
    const request = requestIn(one, resource)
    if (request === undefined) throw new Error(`missing request for ${resource} in container ${one.name} of Pod ${pod.metadata!.name}`)
    if (container !== '') return request
    sum += request
  }
  if (container !== '') throw new Error(`container ${container} not found in Pod ${pod.metadata!.name}`)
  return sum
}

/** Of a pod that asks for something itself: what it does not ask for it needs as the scheduler reckons. */
function wholeRequestOf({ metadata, spec }: Pod, resource: string): number {
  const amounts = (containers: readonly Container[] = []) => containers.map((one) => requestIn(one, resource))
  const sum = (numbers: readonly (number | undefined)[]) => numbers.reduce<number>((total, one) => total + (one ?? 0), 0)
  const inits = spec?.initContainers ?? []
  const main = sum(amounts([...(spec?.containers ?? []), ...inits.filter(isSidecar)]))
  const steps = inits.map((one, at) => sum(amounts([...inits.slice(0, at).filter(isSidecar), one])))
  const asked = [...amounts(spec?.containers), ...amounts(inits)].some((one) => one !== undefined)
  const own = requestIn(spec ?? {}, resource) ?? (asked ? Math.max(main, ...steps) : undefined)
  const { overhead } = spec ?? {}
  const more = overhead && Object.hasOwn(overhead, resource) ? quantityMilliValue(overhead[resource]) : undefined
  if (own === undefined && more === undefined) throw new Error(`missing pod-level request for ${resource} in Pod ${metadata!.name}`)
  return (own ?? 0) + (more ?? 0)
}

const isSidecar = ({ restartPolicy }: Container): boolean => restartPolicy === 'Always'

/** In thousandths. */
function requestIn({ resources }: Pick<Container, 'resources'>, resource: string): number | undefined {
  const { requests } = resources ?? {}
  return requests && Object.hasOwn(requests, resource) ? quantityMilliValue(requests[resource]) : undefined
}
