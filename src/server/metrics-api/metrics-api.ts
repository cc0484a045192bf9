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
import { apiVersionOf, keyOf, keyText, type KubeObject, type ObjectKey, type ObjectMeta } from '#api/object.ts'
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

export class MetricsApi implements Disposable {
  readonly handlers: readonly SubresourceHandler[]
  readonly #context: ServerContext
  readonly #measured: KubeletUsage
  readonly #simulated: SimulatedUsage
  readonly #simulatedPods: SimulatedPods
  readonly #texts = { created: lastRemembered(formatTime), timestamp: lastRemembered(formatTime), window: lastRemembered(formatGoDuration) }
  /** Readings share their amounts from window to window while these stay the same. */
  readonly #shown = new WeakMap<PodReading['containers'], PodMetrics['containers']>()

  constructor(context: ServerContext, kubelets: Kubelets) {
    const { reader, clock, log, registry } = context
    this.#context = context
    this.#measured = new KubeletUsage({ reader, kubelets, clock, log })
    this.#simulated = new SimulatedUsage({ reader, registry, clock })
    const metricsOf = (pod: Pod, reading: PodReading) => this.#metricsOf(pod, reading)
    this.#simulatedPods = new SimulatedPods({ reader, usage: this.#simulated, metricsOf })
    this.handlers = [
      {
        kind: NodeMetrics,
        subresource: '',
        get: ({ key }) => this.#nodeNamed(key.name),
        list: (request) => this.#nodes(inOrder([...reader.list(Node)].filter(matcher(Node, request)))),
      },
      { kind: PodMetrics, subresource: '', get: ({ key }) => this.#podNamed(key), list: (request) => this.#pods(request) },
    ]
  }

  [Symbol.dispose](): void {
    this.#measured[Symbol.dispose]()
    this.#simulated[Symbol.dispose]()
  }

  async #nodeNamed(name: string): Promise<NodeMetrics> {
    const node = this.#context.reader.get(Node, { name })
    if (!node) throw notFoundError(Node, name)
    const [found] = await this.#nodes([node])
    if (!found) throw notFoundError({ group: METRICS_GROUP, plural: 'nodemetrics' }, name)
    return { ...typeOf(NodeMetrics), ...found }
  }

  async #nodes(nodes: readonly Node[]): Promise<NodeMetrics[]> {
    await this.#measured.wanted()
    const others = nodes.some(isSimulated) ? this.#simulated.nodes() : undefined
    return nodes.flatMap((node) => {
      const name = node.metadata!.name!
      const reading = isSimulated(node) ? others?.get(name) : this.#measured.node(name)
      return reading ? [{ ...this.#headOf(node, reading), usage: usageOf(reading) }] : []
    })
  }

  async #podNamed(key: ObjectKey): Promise<PodMetrics> {
    const pod = this.#context.reader.get(Pod, key)
    if (!pod) throw notFoundError(Pod, key.name)
    await this.#measured.wanted()
    const reading = pod.status?.phase === 'Running' ? this.#readingOf(pod, key) : undefined
    if (!reading) throw notFoundError({ group: METRICS_GROUP, plural: 'podmetrics' }, `${key.namespace}/${key.name}`)
    return { ...typeOf(PodMetrics), ...this.#metricsOf(pod, reading) }
  }

  #readingOf({ spec }: Pod, key: ObjectKey): PodReading | undefined {
    const text = keyText(key)
    return readingIn(this.#simulated.pods(key.namespace), text) ?? this.#measured.pod(text, spec?.nodeName ?? '')
  }

  async #pods(request: SubresourceRequest): Promise<PodMetrics[]> {
    const { namespace = '', labelSelector = '', fieldSelector = '' } = request.attributes
    const picks = () => matcher(Pod, request)
    const text = fieldSelector ? `${labelSelector}\0${fieldSelector}` : labelSelector
    const found = this.#simulatedPods.list(namespace, { text, picks })
    // They come in order, unless more are put among them.
    const wanted = this.#measured.wanted()
    if (!wanted || !(await wanted)) return found
    const matches = picks()
    for (const pod of this.#context.reader.list(Pod, namespace || undefined)) {
      const node = pod.spec?.nodeName
      if (!node || pod.status?.phase !== 'Running' || !matches(pod)) continue
      const reading = this.#measured.pod(keyText(keyOf(pod)), node)
      if (reading) found.push(this.#metricsOf(pod, reading))
    }
    return inOrder(found)
  }

  #metricsOf(pod: Pod, reading: PodReading): PodMetrics {
    let containers = this.#shown.get(reading.containers)
    if (!containers) {
      containers = reading.containers.map(({ name, ...amounts }) => ({ name, usage: usageOf(amounts) }))
      this.#shown.set(reading.containers, containers)
    }
    return { ...this.#headOf(pod, reading), containers }
  }

  #headOf({ metadata }: KubeObject, { timestamp, windowMs }: Window): Measured {
    const { name, namespace, labels } = metadata ?? {}
    const own: ObjectMeta = {}
    if (name) own.name = name
    if (namespace) own.namespace = namespace
    own.creationTimestamp = this.#texts.created(this.#context.clock.now())
    if (labels) own.labels = labels
    return { metadata: own, timestamp: this.#texts.timestamp(timestamp), window: this.#texts.window(windowMs) }
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
