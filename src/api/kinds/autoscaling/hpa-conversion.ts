// autoscaling/v1 <-> v2. What v1 has no field for travels in annotations, in the flat form of its day, so that nothing is lost on the way.
import type * as types from '#api/generated/types.ts'
import { defaultAutoscaler } from './horizontal-pod-autoscaler-v2.ts'

type V1 = types.HorizontalPodAutoscaler
type V2 = types.HorizontalPodAutoscalerV2
type Json = Record<string, any>

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics'
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics'
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions'
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior'

export function toV2(v1: V1): V2 {
  const { targetCPUUtilizationPercentage: cpu, ...spec } = v1.spec ?? ({} as types.HorizontalPodAutoscalerSpec)
  const annotations = { ...v1.metadata?.annotations }
  const take = (key: string): any => {
    const text = annotations[key]
    delete annotations[key]
    return parse(text)
  }
  const [metrics, current, conditions, behavior] = [take(METRICS), take(CURRENT), take(CONDITIONS), take(BEHAVIOR)]
  const v2: V2 = { ...v1, apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', spec: { ...spec } } as V2
  if (v1.metadata) {
    v2.metadata = { ...v1.metadata }
    if (Object.keys(annotations).length > 0) v2.metadata.annotations = annotations
    else delete v2.metadata.annotations
  }
  const all: types.MetricSpecV2[] = Array.isArray(metrics) ? metrics.map(raiseMetric) : []
  if (cpu !== undefined) all.push({ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpu } } })
  if (all.length > 0) v2.spec!.metrics = all
  if (behavior && typeof behavior === 'object') v2.spec!.behavior = lowerKeys(behavior)
  if (v1.status) {
    const { currentCPUUtilizationPercentage: used, currentReplicas, ...status } = v1.status
    // Only v1 says that there are none.
    v2.status = { ...status, ...(currentReplicas ? { currentReplicas } : {}) }
    const seen: types.MetricStatusV2[] = Array.isArray(current) ? current.map(raiseStatus) : []
    if (used !== undefined && !seen.some(({ resource }) => resource?.name === 'cpu'))
      seen.unshift({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: used } } })
    v2.status.currentMetrics = seen.length > 0 ? seen : null
    if (Array.isArray(conditions)) v2.status.conditions = conditions
  }
  defaultAutoscaler(v2)
  return v2
}

export function fromV2(v2: V2): V1 {
  const { metrics = [], behavior, ...spec } = v2.spec ?? ({} as types.HorizontalPodAutoscalerSpecV2)
  const annotations = { ...v2.metadata?.annotations }
  const v1: V1 = { ...v2, apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', spec: { ...spec } } as V1
  const isCpu = ({ resource }: types.MetricSpecV2) => resource?.name === 'cpu' && resource.target.averageUtilization !== undefined
  const cpu = metrics.find(isCpu)
  if (cpu) v1.spec!.targetCPUUtilizationPercentage = cpu.resource!.target.averageUtilization!
  const others = metrics.filter((metric) => metric !== cpu)
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others.map(flattenMetric))
  if (behavior) annotations[BEHAVIOR] = JSON.stringify({ ScaleUp: goRules(behavior.scaleUp), ScaleDown: goRules(behavior.scaleDown) })
  if (v2.status) {
    const { conditions, currentMetrics, ...status } = v2.status
    const seen = currentMetrics ?? []
    v1.status = { ...status, currentReplicas: status.currentReplicas ?? 0 }
    const used = seen.find(({ resource }) => resource?.name === 'cpu')?.resource?.current.averageUtilization
    if (used !== undefined) v1.status.currentCPUUtilizationPercentage = used
    if (seen.length > 0) annotations[CURRENT] = JSON.stringify(seen.map(flattenStatus))
    if (conditions?.length) annotations[CONDITIONS] = JSON.stringify(conditions)
  }
  if (v2.metadata) {
    v1.metadata = { ...v2.metadata }
    if (Object.keys(annotations).length > 0) v1.metadata.annotations = annotations
  }
  return v1
}

/** `{metric: {name}, target: {averageValue}}` as the flat `{metricName, targetAverageValue}` of v1's annotations. */
function flattenMetric(metric: types.MetricSpecV2): Json {
  return flatten(metric as unknown as Json, 'target', ['targetAverageUtilization', 'targetAverageValue'])
}

function flattenStatus(status: types.MetricStatusV2): Json {
  return flatten(status as unknown as Json, 'current', ['currentAverageUtilization', 'currentAverageValue'])
}

function flatten(metric: Json, what: 'target' | 'current', [utilization, average]: [string, string]): Json {
  const member = memberOf(metric['type'])
  const { [what]: amount = {}, metric: identifier, describedObject, ...rest } = (metric[member] ?? {}) as Json
  const flat: Json = { ...rest }
  if (identifier) {
    flat['metricName'] = identifier.name
    if (identifier.selector) flat[member === 'external' ? 'metricSelector' : 'selector'] = identifier.selector
  }
  if (describedObject) flat['target'] = describedObject
  if (amount.averageUtilization !== undefined) flat[utilization] = amount.averageUtilization
  if (amount.averageValue !== undefined) flat[member === 'object' ? 'averageValue' : average] = amount.averageValue
  if (amount.value !== undefined) flat[what === 'target' ? 'targetValue' : 'currentValue'] = amount.value
  return { type: metric['type'], [member]: flat }
}

const raiseMetric = (metric: Json) => raise(metric, 'target') as unknown as types.MetricSpecV2
const raiseStatus = (metric: Json) => raise(metric, 'current') as unknown as types.MetricStatusV2

function raise(metric: Json, what: 'target' | 'current'): Json {
  const type = String(metric?.['type'] ?? '')
  const member = memberOf(type)
  const { metricName, selector, metricSelector, target: described, averageValue, ...rest } = (metric?.[member] ?? {}) as Json
  const amount: Json = {}
  for (const [flat, field] of [
    ['AverageUtilization', 'averageUtilization'],
    ['AverageValue', 'averageValue'],
    ['Value', 'value'],
  ] as const) {
    if (rest[what + flat] !== undefined) amount[field] = rest[what + flat]
    delete rest[what + flat]
  }
  if (averageValue !== undefined) amount['averageValue'] = averageValue
  if (what === 'target')
    amount['type'] =
      amount['averageUtilization'] !== undefined ? 'Utilization' : amount['averageValue'] !== undefined ? 'AverageValue' : 'Value'
  const raised: Json = { ...rest, [what]: amount }
  if (metricName !== undefined)
    raised['metric'] = { name: metricName, ...((metricSelector ?? selector) ? { selector: metricSelector ?? selector } : {}) }
  if (described) raised['describedObject'] = described
  return { type, [member]: raised }
}

const memberOf = (type: string) => (type ? type[0]!.toLowerCase() + type.slice(1) : 'resource')

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The annotation is written with the field names of Go, and says what is not there. */
function goRules(rules: types.HPAScalingRulesV2 | undefined): Json | null {
  if (!rules) return null
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = rules
  return {
    StabilizationWindowSeconds: stabilizationWindowSeconds ?? null,
    SelectPolicy: selectPolicy ?? null,
    Policies: policies?.map(({ type, value, periodSeconds }) => ({ Type: type, Value: value, PeriodSeconds: periodSeconds })) ?? null,
    Tolerance: tolerance ?? null,
  }
}

/** As JSON has the names; what is not there is left out. */
function lowerKeys(value: unknown): any {
  if (Array.isArray(value)) return value.map(lowerKeys)
  if (typeof value !== 'object' || value === null) return value
  const present = Object.entries(value).filter(([, item]) => item !== null)
  return Object.fromEntries(present.map(([key, item]) => [key && key[0]!.toLowerCase() + key.slice(1), lowerKeys(item)]))
}
