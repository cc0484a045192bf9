// What is told of simulated pods: made once in a window, by namespace, however often it is asked for. What a selection picks in one window it picks in
// the next, unless pods or nodes have changed.
import { Pod } from '#api/kinds/core/pod.ts'
import type { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { keyOf, type KubeObject, parseKeyText } from '#api/object.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { ObjectReader } from '#server/request.ts'
import type { PodReading, PodReadings } from './reading.ts'
import type { SimulatedUsage } from './simulated-usage.ts'

export interface Selection {
  /** Selections of one text pick the same. */
  text: string
  /** Parses it: asked for only where it is not known. */
  picks(): (object: KubeObject) => boolean
}

interface Told {
  readings: PodReadings
  /** How often pods and nodes had changed when this was made, and when it was last looked whether the pods are still there. */
  madeAt: number
  checkedAt: number
  pods: readonly Pod[]
  metrics: readonly PodMetrics[]
  /** Positions, by the text of the selection. */
  picked: LruMap<string, readonly number[]>
}

/** Clients name them: what is remembered is bounded. */
const MOST_NAMESPACES = 1000
const MOST_SELECTIONS = 1000

export interface SimulatedPodsContext {
  reader: ObjectReader
  usage: SimulatedUsage
  metricsOf(pod: Pod, reading: PodReading): PodMetrics
}

export class SimulatedPods {
  readonly #context: SimulatedPodsContext
  readonly #told = new LruMap<string, Told>(MOST_NAMESPACES)

  constructor(context: SimulatedPodsContext) {
    this.#context = context
  }

  /** Of one namespace or of all (''), by namespace and name. */
  list(namespace: string, { text, picks }: Selection): PodMetrics[] {
    const { metrics, picked } = this.#tell(namespace)
    let positions = picked.get(text)
    if (!positions) {
      const matches = picks()
      positions = [...metrics.keys()].filter((at) => matches(metrics[at]!))
      picked.set(text, positions)
    }
    return positions.map((at) => metrics[at]!)
  }

  #tell(namespace: string): Told {
    const { reader, usage } = this.#context
    const readings = usage.pods(namespace)
    const before = this.#told.get(namespace)
    if (!before || before.readings !== readings) return this.#make(namespace, readings, before)
    if (before.checkedAt === usage.changes) return before
    before.checkedAt = usage.changes
    const there = before.metrics.filter((one) => reader.get(Pod, keyOf(one)))
    if (there.length < before.metrics.length) Object.assign(before, { metrics: there, picked: selections() })
    return before
  }

  #make(namespace: string, readings: PodReadings, before: Told | undefined): Told {
    const { reader, usage, metricsOf } = this.#context
    const { changes } = usage
    const { pods: measured, ...window } = readings
    const same = before?.madeAt === changes && before.pods.length === measured.size && haveSameKeys(before.readings.pods, measured)
    const known = same ? before : undefined
    const pods: Pod[] = []
    const metrics: PodMetrics[] = []
    let at = 0
    for (const [key, containers] of measured) {
      const pod = known ? known.pods[at++] : reader.get(Pod, parseKeyText(key))
      if (!pod) continue
      pods.push(pod)
      metrics.push(metricsOf(pod, { ...window, containers }))
    }
    const told = { readings, madeAt: changes, checkedAt: changes, pods, metrics, picked: known?.picked ?? selections() }
    this.#told.set(namespace, told)
    return told
  }
}

const selections = () => new LruMap<string, readonly number[]>(MOST_SELECTIONS)

function haveSameKeys(left: ReadonlyMap<string, unknown>, right: ReadonlyMap<string, unknown>): boolean {
  if (left === right) return true
  if (left.size !== right.size) return false
  const others = right.keys()
  for (const key of left.keys()) if (others.next().value !== key) return false
  return true
}
