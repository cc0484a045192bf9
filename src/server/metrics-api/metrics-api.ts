// metrics.k8s.io as metrics-server answers it, without one: what nodes and pods use, measured by kubelets or simulated. A metrics server that is
// installed takes over: its APIService leads elsewhere, and nothing here is asked any more.
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { METRICS_GROUP, type Measured, type Usage } from '#api/kinds/metrics/metrics-kind.ts'
import { NodeMetrics } from '#api/kinds/metrics/node-metrics.ts'
import { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { checkFieldSelector, matchesFields, parseFieldSelector } from '#api/field-selector.ts'
import { matchesLabels, parseLabelSelector } from '#api/label-selector.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, keyOf, keyText, type KubeObject, type ObjectMeta } from '#api/object.ts'
import { Quantity } from '#api/quantity.ts'
import { notFoundError } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { formatGoDuration } from '#lib/duration.ts'
import type { ServerContext, SubresourceHandler, SubresourceRequest } from '#server/request.ts'
import type { Kubelets } from '#server/subresources/kubelets.ts'
import { KubeletUsage } from './kubelet-usage.ts'
import type { Amounts, PodReading, PodReadings, Window } from './reading.ts'
import { SimulatedPods } from './simulated-pods.ts'
import { isSimulated, SimulatedUsage } from './simulated-usage.ts'

export const metricsKinds: readonly Kind<any>[] = [NodeMetrics, PodMetrics]

export interface MetricsApi extends Disposable {
  handlers: SubresourceHandler[]
}

export function metricsApi(context: ServerContext, kubelets: Kubelets): MetricsApi {
  const { reader, clock, log, registry } = context
  const measured = new KubeletUsage({ reader, kubelets, clock, log })
  const simulated = new SimulatedUsage({ reader, registry, clock })

  const [created, measuredAt, lasted] = [lastRemembered(formatTime), lastRemembered(formatTime), lastRemembered(formatGoDuration)]
  const headOf = ({ metadata }: KubeObject, { timestamp, windowMs }: Window): Measured => {
    const { name, namespace, labels } = metadata ?? {}
    const own: ObjectMeta = {}
    if (name) own.name = name
    if (namespace) own.namespace = namespace
    own.creationTimestamp = created(clock.now())
    if (labels) own.labels = labels
    return { metadata: own, timestamp: measuredAt(timestamp), window: lasted(windowMs) }
  }

  const nodeMetrics = async (nodes: readonly Node[]) => {
    await measured.wanted()
    const others = nodes.some(isSimulated) ? simulated.nodes() : undefined
    return nodes.flatMap((node) => {
      const name = node.metadata!.name!
      const reading = isSimulated(node) ? others?.get(name) : measured.node(name)
      return reading ? [{ ...headOf(node, reading), usage: usageOf(reading) }] : []
    })
  }
  /** Readings share their amounts from window to window while these stay the same. */
  const shown = new WeakMap<PodReading['containers'], PodMetrics['containers']>()
  const metricsOf = (pod: Pod, reading: PodReading): PodMetrics => {
    let containers = shown.get(reading.containers)
    if (!containers)
      shown.set(reading.containers, (containers = reading.containers.map(({ name, ...amounts }) => ({ name, usage: usageOf(amounts) }))))
    return { ...headOf(pod, reading), containers }
  }
  const simulatedPods = new SimulatedPods({ reader, usage: simulated, metricsOf })
  const podMetrics = async (request: SubresourceRequest): Promise<PodMetrics[]> => {
    const { namespace = '', labelSelector = '', fieldSelector = '' } = request.attributes
    const picks = () => matcher(Pod, request)
    const text = fieldSelector ? `${labelSelector}\0${fieldSelector}` : labelSelector
    const found = simulatedPods.list(namespace, { text, picks })
    // They come in order, unless more are put among them.
    const wanted = measured.wanted()
    if (!wanted || !(await wanted)) return found
    const matches = picks()
    for (const pod of reader.list(Pod, namespace || undefined)) {
      const node = pod.spec?.nodeName
      if (!node || pod.status?.phase !== 'Running' || !matches(pod)) continue
      const reading = measured.pod(keyText(keyOf(pod)), node)
      if (reading) found.push(metricsOf(pod, reading))
    }
    return inOrder(found)
  }

  return {
    handlers: [
      {
        kind: NodeMetrics,
        subresource: '',
        async get({ key }) {
          const node = reader.get(Node, { name: key.name })
          if (!node) throw notFoundError(Node, key.name)
          const [found] = await nodeMetrics([node])
          if (!found) throw notFoundError({ group: METRICS_GROUP, plural: 'nodemetrics' }, key.name)
          return { ...typeOf(NodeMetrics), ...found }
        },
        list: (request) => nodeMetrics(inOrder([...reader.list(Node)].filter(matcher(Node, request)))),
      },
      {
        kind: PodMetrics,
        subresource: '',
        async get({ key }) {
          const pod = reader.get(Pod, key)
          if (!pod) throw notFoundError(Pod, key.name)
          const node = pod.spec?.nodeName ?? ''
          await measured.wanted()
          const text = keyText(key)
          const reading =
            pod.status?.phase === 'Running' ? (readingIn(simulated.pods(key.namespace), text) ?? measured.pod(text, node)) : undefined
          if (!reading) throw notFoundError({ group: METRICS_GROUP, plural: 'podmetrics' }, `${key.namespace}/${key.name}`)
          return { ...typeOf(PodMetrics), ...metricsOf(pod, reading) }
        },
        list: podMetrics,
      },
    ],
    [Symbol.dispose]() {
      measured[Symbol.dispose]()
      simulated[Symbol.dispose]()
    },
  }
}

/** Whether labels and fields are as asked for. Fields are the object's own name and namespace. */
function matcher(kind: Kind<any>, { attributes }: SubresourceRequest): (object: KubeObject) => boolean {
  const labels = attributes.labelSelector ? parseLabelSelector(attributes.labelSelector) : undefined
  const fields = attributes.fieldSelector ? parseFieldSelector(attributes.fieldSelector) : undefined
  if (fields) checkFieldSelector({}, fields)
  return (object) => (!labels || matchesLabels(labels, object.metadata?.labels)) && (!fields || matchesFields(kind, fields, object))
}

function readingIn({ pods, ...window }: PodReadings, pod: string): PodReading | undefined {
  const containers = pods.get(pod)
  return containers && { ...window, containers }
}

/** By namespace and name. */
function inOrder<T extends KubeObject>(objects: T[]): T[] {
  const nameOf = ({ metadata }: T) => `${metadata?.namespace ?? ''}/${metadata?.name}`
  return objects.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

function typeOf(kind: Kind<any>) {
  return { kind: kind.kind, apiVersion: apiVersionOf(kind) }
}

/** The same argument as the last time gives the same text: pods of one window have one time. */
function lastRemembered(format: (ms: number) => string): (ms: number) => string {
  let last = { ms: NaN, text: '' }
  return (ms) => {
    if (ms !== last.ms) last = { ms, text: format(ms) }
    return last.text
  }
}

function usageOf({ cpuNanoCores, memoryBytes }: Amounts): Usage {
  return {
    cpu: new Quantity(BigInt(Math.round(cpuNanoCores))).toString(),
    memory: Quantity.of(Math.round(memoryBytes), 'BinarySI').toString(),
  }
}
