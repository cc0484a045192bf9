// Asks the admission plugins that a request concerns, and notes how long each and each step took: upstream's names and buckets. Measured between
// plugins, so that one reading of the clock serves two.
import type { Clock } from '#lib/clock.ts'
import { Histogram, type Series } from '#lib/histogram.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { AdmissionPlugin, AdmissionRequest } from '#server/request.ts'
import { target } from './refusal.ts'

const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5]
/** Custom resources come and go. */
const MAX_CHAINS = 4096
type Step = 'admit' | 'validate'

interface Link {
  plugin: AdmissionPlugin
  /** Of requests it let pass: several plugins are counted with every write. Made at the first. */
  passed?: Series | undefined
}

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

  /** Who is asked, by step, operation and target. */
  readonly #chains = new Map<string, Link[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Asks all plugins that have the step and that the request concerns, in order. `plugins` are the same at every call. */
  async run(step: Step, plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> {
    const { operation } = request
    const began = this.#clock.monotonic()
    let before = began
    let rejected = 'true'
    let asked = ''
    try {
      for (const link of this.#chain(step, plugins, request)) {
        asked = link.plugin.name
        const pending = link.plugin[step]!(request)
        if (pending) await pending
        const now = this.#clock.monotonic()
        link.passed ??= this.#plugins.series([asked, operation, 'false', step])
        link.passed?.observe((now - before) / 1000)
        before = now
      }
      rejected = 'false'
    } finally {
      const now = this.#clock.monotonic()
      if (rejected === 'true') this.#plugins.observe([asked, operation, rejected, step], (now - before) / 1000)
      this.#steps.observe([operation, rejected, step], (now - began) / 1000)
    }
  }

  #chain(step: Step, plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Link[] {
    const what = target(request)
    const key = `${step} ${request.operation} ${what}`
    let chain = this.#chains.get(key)
    if (!chain) {
      chain = plugins.filter((plugin) => plugin[step] && (plugin.of?.includes(what) ?? true)).map((plugin) => ({ plugin }))
      if (this.#chains.size >= MAX_CHAINS) this.#chains.clear()
      this.#chains.set(key, chain)
    }
    return chain
  }

  *families(): Generator<MetricFamily> {
    yield this.#plugins.family()
    yield this.#steps.family()
  }
}
