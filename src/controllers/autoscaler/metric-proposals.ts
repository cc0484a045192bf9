// What each metric of an autoscaler wants, with its present value for the status, in upstream's names and messages.
import type {
  HorizontalPodAutoscalerV2,
  LabelSelector,
  MetricSpecV2,
  MetricStatusV2,
  MetricTargetV2,
  MetricValueStatusV2,
} from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { goSelector } from '#api/label-selector.ts'
import { Quantity, quantityMilliValue, quantityOf } from '#api/quantity.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { ClusterKinds } from '#controllers/cluster-kinds.ts'
import { textOf } from '#controllers/pod-control.ts'
import { amountsOf, externalMetric, objectMetric, podMetrics, podsMetric } from './metrics-client.ts'
import { isSteady } from './pod-groups.ts'
import {
  replicasForAverage,
  replicasForShare,
  replicasForUtilization,
  replicasForValue,
  type Situation,
  type Tolerances,
} from './replica-calculation.ts'

const TOLERANCE = 0.1

/** What a metric is judged by. */
export interface Target {
  /** Of the scale's spec and status. */
  replicas: number
  statusReplicas: number
  selector: string
  pods: readonly Pod[]
}

export interface MetricProposal {
  replicas: number
  /** As events name it. */
  name: string
  status: MetricStatusV2
}

/** A metric that says nothing: why, and the reason its condition and event give. */
export class MetricFailure extends Error {
  override name = 'MetricFailure'
  readonly reason: string
  /** What went wrong, before it is said of which metric. */
  readonly why: string

  constructor(reason: string, what: string, why: string) {
    super(`${what}: ${why}`)
    this.reason = reason
    this.why = why
  }
}

interface Tools {
  context: ControllerContext
  kinds: ClusterKinds
}

export async function proposalOf(
  autoscaler: HorizontalPodAutoscalerV2,
  metric: MetricSpecV2,
  target: Target,
  tools: Tools,
): Promise<MetricProposal> {
  const known = Object.hasOwn(SOURCES, metric.type) ? SOURCES[metric.type] : undefined
  if (!known) {
    const why = `unknown metric source type ${JSON.stringify(metric.type)}`
    throw new MetricFailure('InvalidMetricSourceType', why, why)
  }
  const { replicas, pods } = target
  const situation = { replicas, pods, tolerances: tolerancesOf(autoscaler), now: tools.context.clock.now() }
  const namespace = autoscaler.metadata!.namespace!
  try {
    return await known.propose(metric, { namespace, target, situation, ...tools })
  } catch (error) {
    throw new MetricFailure(known.failure, known.what(metric), textOf(error))
  }
}

/** Each direction has its own. */
function tolerancesOf({ spec }: HorizontalPodAutoscalerV2): Tolerances {
  const of = (text: string | undefined) => (text === undefined ? TOLERANCE : Number(quantityOf(text).nanos) / 1e9)
  return { up: of(spec.behavior?.scaleUp?.tolerance), down: of(spec.behavior?.scaleDown?.tolerance) }
}

interface Asked extends Tools {
  namespace: string
  target: Target
  situation: Situation
}

interface Source {
  /** The reason of its condition and event when it fails. */
  failure: string
  what(metric: MetricSpecV2): string
  propose(metric: MetricSpecV2, asked: Asked): Promise<MetricProposal>
}

const milli = (value: number): string => Quantity.ofMilli(value).toString()

const SOURCES: Readonly<Record<string, Source>> = {
  Resource: {
    failure: 'FailedGetResourceMetric',
    what: ({ resource }) => `failed to get ${resource!.name} resource metric value`,
    async propose({ resource: source }, asked) {
      const { name, target } = source!
      return byResource(asked, { name, container: '', target }, ({ replicas, label, current }) => ({
        replicas,
        name: `${name} resource${label}`,
        status: { type: 'Resource', resource: { name, current } },
      }))
    },
  },
  ContainerResource: {
    failure: 'FailedGetContainerResourceMetric',
    what: ({ containerResource }) => `failed to get ${containerResource!.container} container metric value`,
    async propose({ containerResource: source }, asked) {
      const { name, container, target } = source!
      return byResource(asked, { name, container, target }, ({ replicas, label, current }) => ({
        replicas,
        name: label === '' ? `${name} resource` : `${name} container resource${label}`,
        status: { type: 'ContainerResource', containerResource: { name, container, current } },
      }))
    },
  },
  Pods: {
    failure: 'FailedGetPodsMetric',
    what: () => 'failed to get pods metric value',
    async propose({ pods: source }, { context, namespace, target, situation }) {
      const { metric, target: wanted } = source!
      const asked = { namespace, metric: metric.name, metricSelector: metric.selector, selector: target.selector }
      const metrics = await podsMetric(context, asked).catch(prefixed(`unable to get metric ${metric.name}`))
      const { replicas, usage } = replicasForAverage(situation, metrics, {
        resource: '',
        target: quantityMilliValue(wanted.averageValue),
      })
      const status = { type: 'Pods', pods: { metric: identified(metric), current: { averageValue: milli(usage) } } }
      return { replicas, name: `pods metric ${metric.name}`, status }
    },
  },
  Object: {
    failure: 'FailedGetObjectMetric',
    what: () => 'failed to get object metric value',
    async propose({ object: source }, { context, kinds, namespace, target, situation }) {
      const { metric, describedObject: described, target: wanted } = source!
      const value = () =>
        objectMetric(context, { namespace, metric: metric.name, metricSelector: metric.selector, described, kinds }).catch(
          (error: unknown) => {
            // In this order upstream says it, too.
            throw new Error(`unable to get metric ${metric.name}: ${described.kind} on ${namespace} ${described.name}/${textOf(error)}`)
          },
        )
      const status = (current: MetricValueStatusV2): MetricStatusV2 => ({
        type: 'Object',
        object: { describedObject: described, metric: identified(metric), current },
      })
      if (wanted.type === 'Value' && wanted.value !== undefined) {
        const { replicas, usage } = replicasForValue(situation, await value(), quantityMilliValue(wanted.value))
        return { replicas, name: `${described.kind} metric ${metric.name}`, status: status({ value: milli(usage) }) }
      }
      if (wanted.type !== 'AverageValue' || wanted.averageValue === undefined)
        throw new Error('invalid object metric source: neither a value target nor an average value target was set')
      const amount = await value().catch(prefixed(`failed to get ${metric.name} object metric`))
      const shared = { replicas: target.statusReplicas, tolerances: situation.tolerances }
      const { replicas, usage } = replicasForShare(shared, amount, quantityMilliValue(wanted.averageValue))
      return { replicas, name: externalName(metric), status: status({ averageValue: milli(usage) }) }
    },
  },
  External: {
    failure: 'FailedGetExternalMetric',
    what: ({ external }) => `failed to get ${external!.metric.name} external metric value`,
    async propose({ external: source }, { context, namespace, target, situation }) {
      const { metric, target: wanted } = source!
      const { averageValue, value } = wanted
      if (averageValue === undefined && value === undefined)
        throw new Error('invalid external metric source: neither a value target nor an average value target was set')
      const what =
        averageValue === undefined ? `failed to get external metric ${metric.name}` : `failed to get ${metric.name} external metric`
      const asked = { namespace, metric: metric.name, metricSelector: metric.selector }
      const values = await externalMetric(context, asked)
        .catch(prefixed(`unable to get external metric ${namespace}/${metric.name}/${goSelector(metric.selector)}`))
        .catch(prefixed(what))
      const sum = values.reduce((total, one) => total + one, 0)
      const status = (current: MetricValueStatusV2): MetricStatusV2 => ({
        type: 'External',
        external: { metric: identified(metric), current },
      })
      if (averageValue !== undefined) {
        const shared = { replicas: target.statusReplicas, tolerances: situation.tolerances }
        const { replicas, usage } = replicasForShare(shared, sum, quantityMilliValue(averageValue))
        return { replicas, name: externalName(metric), status: status({ averageValue: milli(usage) }) }
      }
      const proposal = attempt(() => replicasForValue(situation, sum, quantityMilliValue(value)), what)
      return { replicas: proposal.replicas, name: externalName(metric), status: status({ value: milli(proposal.usage) }) }
    },
  },
}

interface ResourceMetric {
  name: string
  container: string
  target: MetricTargetV2
}

interface ResourceAnswer {
  replicas: number
  label: string
  current: MetricValueStatusV2
}

/** Of all containers or of one; of what they request or plainly. */
async function byResource(
  { context, namespace, target, situation }: Asked,
  metric: ResourceMetric,
  proposalOf: (answer: ResourceAnswer) => MetricProposal,
): Promise<MetricProposal> {
  const { name, container } = metric
  const { averageValue, averageUtilization } = metric.target
  if (averageValue === undefined && averageUtilization === undefined)
    throw new Error('invalid resource metric source: neither an average utilization target nor an average value (usage) target was set')
  const what = `failed to get ${name} ${averageValue === undefined ? 'utilization' : 'usage'}`
  const unread = `unable to get metrics for resource ${name}`
  let items: readonly PodMetrics[]
  try {
    items = await podMetrics(context, { namespace, selector: target.selector })
  } catch (error) {
    throw new Error(`${what}: ${unread}: ${textOf(error)}`, { cause: error })
  }
  return answerOnce(metric, situation, items, () => {
    const metrics = amountsOf(items, { resource: name, container })
    if (averageValue !== undefined) {
      const rules = { resource: name, target: quantityMilliValue(averageValue) }
      const { replicas, usage } = attempt(() => replicasForAverage(situation, metrics, rules), what)
      return proposalOf({ replicas, label: '', current: { averageValue: milli(usage) } })
    }
    const rules = { resource: name, container, target: averageUtilization! }
    const { replicas, usage, utilization } = attempt(() => replicasForUtilization(situation, metrics, rules), what)
    const current = { averageUtilization: utilization!, averageValue: milli(usage) }
    return proposalOf({ replicas, label: ' utilization (percentage of request)', current })
  })
}

interface Answered extends Omit<Situation, 'now'> {
  name: string
  container: string
  items: readonly PodMetrics[]
  answer: MetricProposal
}

const lastAnswers = new WeakMap<MetricTargetV2, Answered>()

/** The same amounts of the same pods give the same answer every 15 seconds, but for pods that have only just started. */
function answerOnce(
  { name, container, target }: ResourceMetric,
  { now, ...situation }: Situation,
  items: readonly PodMetrics[],
  work: () => MetricProposal,
): MetricProposal {
  const last = lastAnswers.get(target)
  const { replicas, pods, tolerances } = situation
  if (
    last?.pods === pods &&
    last.replicas === replicas &&
    last.tolerances.up === tolerances.up &&
    last.tolerances.down === tolerances.down &&
    last.name === name &&
    last.container === container &&
    haveSameAmounts(last.items, items)
  )
    return last.answer
  const answer = work()
  if (isSteady(pods, { resource: name, now })) lastAnswers.set(target, { ...situation, name, container, items, answer })
  return answer
}

/** Amounts that stay the same are shared from one answer to the next. */
function haveSameAmounts(left: readonly PodMetrics[], right: readonly PodMetrics[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ containers, metadata }, at) => containers === right[at]!.containers && metadata?.name === right[at]!.metadata?.name)
  )
}

const externalName = ({ name, selector }: { name: string; selector?: LabelSelector }): string =>
  `external metric ${name}(${goSelector(selector)})`

function identified({ name, selector }: { name: string; selector?: LabelSelector }) {
  return { name, ...(selector ? { selector } : {}) }
}

function prefixed(what: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${what}: ${textOf(error)}`, { cause: error })
  }
}

function attempt<T>(work: () => T, what: string): T {
  try {
    return work()
  } catch (error) {
    return prefixed(what)(error)
  }
}
