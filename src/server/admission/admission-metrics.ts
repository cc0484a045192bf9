// How long admission took, each plugin and each step: upstream's names and buckets. Measured between plugins, so that one reading of the clock serves two.
import type { Clock } from '#lib/clock.ts'
import { Histogram, type Series } from '#lib/histogram.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { AdmissionPlugin, AdmissionRequest } from '#server/request.ts'

const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5]
type Step = 'admit' | 'validate'

export class AdmissionTimes {
  readonly #clock: Clock
  readonly #plugins = new Histogram({
    name: 'apiserver_admission_controller_admission_duration_seconds',
    help: 'How long admission plugins took.',
    labels: ['name', 'operation', 'rejected', 'type'],
    bounds: BOUNDS,
  })
  readonly #steps = new Histogram({
    name: 'apiserver_admission_step_admission_duration_seconds',
    help: 'How long all that change, and all that judge, took.',
    labels: ['operation', 'rejected', 'type'],
    bounds: BOUNDS,
  })

  /** Of plugins that let pass, by operation and step: thirty of them are counted with every write. */
  readonly #passed = new Map<string, Map<AdmissionPlugin, Series | undefined>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Asks all plugins that have the step, in order. */
  async run(step: Step, plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> {
    const { operation } = request
    const passed = getOrAdd(this.#passed, `${step} ${operation}`)
    const began = this.#clock.monotonic()
    let before = began
    let rejected = 'true'
    let asked = ''
    try {
      for (const plugin of plugins) {
        if (!plugin[step]) continue
        asked = plugin.name
        const pending = plugin[step](request)
        if (pending) await pending
        const now = this.#clock.monotonic()
        let series = passed.get(plugin)
        if (!series) passed.set(plugin, (series = this.#plugins.series([asked, operation, 'false', step])))
        series?.observe((now - before) / 1000)
        before = now
      }
      rejected = 'false'
    } finally {
      const now = this.#clock.monotonic()
      if (rejected === 'true') this.#plugins.observe([asked, operation, rejected, step], (now - before) / 1000)
      this.#steps.observe([operation, rejected, step], (now - began) / 1000)
    }
  }

  *families(): Generator<MetricFamily> {
    yield this.#plugins.family()
    yield this.#steps.family()
  }
}

function getOrAdd<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let map = maps.get(key)
  if (!map) maps.set(key, (map = new Map()))
  return map
}
