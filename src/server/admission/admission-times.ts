// Asks the admission plugins that a request concerns, and notes how long each and each step took: upstream's names and buckets. Measured between
// plugins, so that one reading of the clock serves two.
import type { Kind } from '#api/kind.ts'
import type { Clock } from '#lib/clock.ts'
import { Histogram, type Series } from '#lib/histogram.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { AdmissionPlugin, AdmissionRequest } from '#server/request.ts'
import { target } from './refusal.ts'

const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5]
type Step = 'admit' | 'validate'

interface Link {
  plugin: AdmissionPlugin
  /** Of requests it let pass: several plugins are counted with every write. Made at the first. */
  passed?: Series | undefined
}

interface Chain {
  readonly step: Step
  readonly operation: string
  readonly resource: string
  readonly group: string
  readonly subresource: string
  links: readonly Link[]
  /** Of requests all let pass. */
  passed?: Series | undefined
}

/** One request's way along a chain. */
interface Round {
  step: Step
  request: AdmissionRequest
  chain: Chain
  began: number
  /** When the last plugin was done. */
  before: number
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

  /** Who is asked. By kind, not by a text that every write would have to make. */
  readonly #chains = new WeakMap<Kind, Chain[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Asks all plugins that have the step and that the request concerns, in order. `plugins` are the same at every call. Waits only for those who do. */
  run(step: Step, plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<void> | void {
    const chain = this.#chain(step, plugins, request)
    const began = this.#clock.monotonic()
    return this.#ask({ step, request, chain, began, before: began }, 0)
  }

  #ask(round: Round, from: number): Promise<void> | void {
    const { step, request, chain } = round
    for (let at = from; at < chain.links.length; at++) {
      const link = chain.links[at]!
      let pending: Promise<void> | void
      try {
        pending = link.plugin[step]!(request)
      } catch (error) {
        throw this.#refused(round, link, error)
      }
      if (pending) return this.#await(pending, round, at)
      this.#passed(round, link)
    }
    chain.passed ??= this.#steps.series([request.operation, 'false', step])
    chain.passed?.observe((round.before - round.began) / 1000)
  }

  /** By itself, so that those who need not wait make no closures. */
  async #await(pending: Promise<void>, round: Round, at: number): Promise<void> {
    const link = round.chain.links[at]!
    try {
      await pending
    } catch (error) {
      throw this.#refused(round, link, error)
    }
    this.#passed(round, link)
    await this.#ask(round, at + 1)
  }

  #passed(round: Round, link: Link): void {
    const now = this.#clock.monotonic()
    link.passed ??= this.#plugins.series([link.plugin.name, round.request.operation, 'false', round.step])
    link.passed?.observe((now - round.before) / 1000)
    round.before = now
  }

  #refused({ step, request: { operation }, began, before }: Round, { plugin }: Link, error: unknown): unknown {
    const now = this.#clock.monotonic()
    this.#plugins.observe([plugin.name, operation, 'true', step], (now - before) / 1000)
    this.#steps.observe([operation, 'true', step], (now - began) / 1000)
    return error
  }

  #chain(step: Step, plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Chain {
    const { operation, kind, attributes } = request
    const { resource, group, subresource } = attributes
    let known = this.#chains.get(kind)
    if (!known) this.#chains.set(kind, (known = []))
    for (const chain of known) {
      const sameAsk = chain.step === step && chain.operation === operation
      if (sameAsk && chain.subresource === subresource && chain.resource === resource && chain.group === group) return chain
    }
    const what = target(request)
    const concerned = plugins.filter((plugin) => plugin[step] && (plugin.of?.includes(what) ?? true))
    const chain: Chain = { step, operation, resource, group, subresource, links: concerned.map((plugin) => ({ plugin })) }
    known.push(chain)
    return chain
  }

  *families(): Generator<MetricFamily> {
    yield this.#plugins.family()
    yield this.#steps.family()
  }
}
