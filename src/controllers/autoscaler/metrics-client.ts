// The three metrics APIs as the autoscaler asks them. Whoever serves them: this server, metrics-server, an adapter behind an APIService.
import type { CrossVersionObjectReferenceV2, LabelSelector } from '#api/generated/types.ts'
import { defineKind } from '#api/define-kind.ts'
import type { Kind } from '#api/kind.ts'
import { formatLabelSelector, selectorOf } from '#api/label-selector.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { METRICS_GROUP } from '#api/kinds/metrics/metrics-kind.ts'
import { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { parseApiVersion, type KubeObject } from '#api/object.ts'
import { quantityMilliValue } from '#api/quantity.ts'
import { hasReason } from '#api/status.ts'
import { meaningOf } from '#api/unexpected-answer.ts'
import type { ControllerContext } from '#client/controller.ts'
import { parseDuration } from '#lib/duration.ts'
import type { ClusterKinds } from '#controllers/cluster-kinds.ts'
import { textOf } from '#controllers/pod-control.ts'
import type { MetricsByPod } from './pod-groups.ts'

const CUSTOM = 'custom.metrics.k8s.io'
const EXTERNAL = 'external.metrics.k8s.io'
/** The newest an adapter serves is asked. */
const CUSTOM_VERSIONS = ['v1beta2', 'v1beta1']
const NOT_SERVED = 'the server could not find the requested resource'
/** Where an adapter does not say how long it measured. */
const DEFAULT_WINDOW_MS = 60_000

type Context = Pick<ControllerContext, 'client' | 'informers' | 'signal'>

interface MetricValue extends KubeObject {
  describedObject?: { name?: string }
  timestamp?: string
  windowSeconds?: number
  window?: number
  value?: string
}

/** Of every pod that `selector` finds and that is measured; at least one. */
export async function podMetrics(
  { client, signal }: Context,
  { namespace, selector }: { namespace: string; selector: string },
): Promise<readonly PodMetrics[]> {
  let items: readonly PodMetrics[]
  try {
    items = (await client.list(PodMetrics, { namespace, labelSelector: selector, signal })).items
  } catch (error) {
    return wrapped('unable to fetch metrics from resource metrics API', `pods.${METRICS_GROUP}`)(error)
  }
  if (items.length === 0) throw new Error('no metrics returned from resource metrics API')
  return items
}

/** `container` '' sums up all of a pod's; a pod of which something is not known is missing. */
export function amountsOf(items: readonly PodMetrics[], { resource, container }: { resource: string; container: string }): MetricsByPod {
  const found: MetricsByPod = new Map()
  let last = { timestamp: '', endedAt: 0, window: '', windowMs: 0 }
  for (const { metadata, containers, timestamp, window } of items) {
    const { name = '' } = metadata ?? {}
    const chosen = container === '' ? containers : containers.filter((one) => one.name === container)
    const value = sumOf(chosen, resource)
    if (value === undefined) continue
    // Pods are measured together.
    if (timestamp !== last.timestamp || window !== last.window)
      last = { timestamp, endedAt: Date.parse(timestamp), window, windowMs: parseDuration(window) ?? DEFAULT_WINDOW_MS }
    found.set(name, { value, timestamp: last.endedAt, windowMs: last.windowMs })
  }
  return found
}

/** In thousandths; undefined where one of them does not tell. */
function sumOf(containers: PodMetrics['containers'], resource: string): number | undefined {
  if (containers.length === 0) return undefined
  let sum = 0
  for (const { usage } of containers) {
    if (!Object.hasOwn(usage, resource)) return undefined
    sum += quantityMilliValue(usage[resource])
  }
  return sum
}

export interface CustomMetric {
  namespace: string
  metric: string
  metricSelector: LabelSelector | undefined
}

/** Of every pod that `selector` finds. */
export async function podsMetric(
  context: Context,
  { namespace, metric, metricSelector, selector }: CustomMetric & { selector: string },
): Promise<MetricsByPod> {
  const answer = await customMetric(context, { namespace, metric, metricSelector, selector, resource: 'pods', name: '*' })
  if (answer.length === 0) throw new Error('no metrics returned from custom metrics API')
  const found: MetricsByPod = new Map()
  for (const { describedObject, timestamp, value, windowSeconds, window = windowSeconds } of answer) {
    const windowMs = window === undefined ? DEFAULT_WINDOW_MS : window * 1000
    found.set(describedObject?.name ?? '', { value: quantityMilliValue(value), timestamp: Date.parse(timestamp ?? '') || 0, windowMs })
  }
  return found
}

/** In thousandths. */
export async function objectMetric(
  context: Context,
  { described, kinds, ...metric }: CustomMetric & { described: CrossVersionObjectReferenceV2; kinds: ClusterKinds },
): Promise<number> {
  const { group } = parseApiVersion(described.apiVersion ?? '')
  const isNamespace = described.kind === 'Namespace' && group === ''
  const kind = kinds.find(described.apiVersion ?? '', described.kind)
  const failed = 'unable to fetch metrics from custom metrics API'
  if (!kind) {
    const what = group ? `${described.kind}.${group}` : described.kind
    throw new Error(`${failed}: unable to map kind ${what} to resource: ${noMatch(described)}`)
  }
  const resource = isNamespace ? 'metrics' : group ? `${kind.plural}.${group}` : kind.plural
  const found = await customMetric(context, { ...metric, resource, name: isNamespace ? '' : described.name })
  if (found.length !== 1)
    throw new Error(`${failed}: the custom metrics API server returned ${found.length} results when we asked for exactly one`)
  return quantityMilliValue(found[0]!.value)
}

async function customMetric(
  { client, informers, signal }: Context,
  { namespace, metric, metricSelector, selector, resource, name }: CustomMetric & { selector?: string; resource: string; name: string },
): Promise<MetricValue[]> {
  const services = informers.of(APIService)
  const version = CUSTOM_VERSIONS.find((one) => services.get({ name: `${one}.${CUSTOM}` }))
  const failed = wrapped('unable to fetch metrics from custom metrics API', `${resource}.${CUSTOM} ${name === '' ? metric : name}`)
  if (!version) return failed(new Error(`no custom metrics API (${CUSTOM}) registered`))
  const kind = metricKind({ group: CUSTOM, version, plural: resource })
  const query = {
    labelSelector: selector,
    metricLabelSelector: metricSelector && formatLabelSelector(selectorOf(metricSelector)),
  }
  const key = { namespace, name: name === '' ? metric : name }
  const subresource = name === '' ? {} : { subresource: metric }
  const answer = (await client.get(kind, key, { ...subresource, query, signal }).catch(failed)) as KubeObject & { items?: MetricValue[] }
  return answer.items ?? []
}

/** Every value of the metric, in thousandths. */
export async function externalMetric({ client, signal }: Context, { namespace, metric, metricSelector }: CustomMetric): Promise<number[]> {
  const kind = metricKind({ group: EXTERNAL, version: 'v1beta1', plural: metric })
  const labelSelector = metricSelector ? formatLabelSelector(selectorOf(metricSelector)) : ''
  const { items } = await client
    .list<MetricValue>(kind, { namespace, labelSelector, signal })
    .catch(wrapped('unable to fetch metrics from external metrics API', `${metric}.${EXTERNAL}`))
  if (items.length === 0) throw new Error('no metrics returned from external metrics API')
  return items.map(({ value }) => quantityMilliValue(value))
}

function metricKind(of: { group: string; version: string; plural: string }): Kind<MetricValue> {
  return defineKind<MetricValue>({ ...of, kind: 'MetricValueList', scope: 'Namespaced', verbs: ['get', 'list'], virtual: true })
}

export function noMatch({ apiVersion = '', kind }: { apiVersion?: string; kind: string }): string {
  return `no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(parseApiVersion(apiVersion).group)}`
}

/** Of an API that nobody serves, or that does not answer as one, clients say what was asked for. */
function wrapped(what: string, asked: string): (error: unknown) => never {
  return (error) => {
    const absent = hasReason(error, 'NotFound') && error.message === NOT_SERVED
    const meaning = absent ? NOT_SERVED : meaningOf(error)
    throw new Error(`${what}: ${meaning === undefined ? textOf(error) : `${meaning} (get ${asked})`}`, { cause: error })
  }
}
