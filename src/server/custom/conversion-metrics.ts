// What is counted of conversion webhooks, as upstream names it.
import { Histogram } from '#lib/histogram.ts'
import type { MetricFamily } from '#lib/metric-family.ts'

export type ConversionFailure =
  | 'conversion_webhook_call_failure'
  | 'conversion_webhook_malformed_response_failure'
  | 'conversion_webhook_partial_response_failure'
  | 'conversion_webhook_invalid_converted_object_failure'

export interface ObservedConversion {
  definition: string
  from: string
  to: string
  /** Absent: there was none. */
  failure: ConversionFailure | undefined
  seconds: number
}

const CALL_BOUNDS = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60]
const DEFINITION_BOUNDS = Array.from({ length: 15 }, (_, power) => 2 ** power / 1000)

export class ConversionMetrics {
  readonly #requests = new Map<string, { labels: { failure_type: string; result: string }; value: number }>()
  readonly #calls = new Histogram({
    name: 'apiserver_conversion_webhook_duration_seconds',
    help: 'How long calls of conversion webhooks took.',
    labels: ['failure_type', 'result'],
    bounds: CALL_BOUNDS,
  })
  readonly #definitions = new Histogram({
    name: 'apiserver_crd_conversion_webhook_duration_seconds',
    help: 'How long conversions by webhook took, by definition and versions.',
    labels: ['crd_name', 'from_version', 'succeeded', 'to_version'],
    bounds: DEFINITION_BOUNDS,
  })

  observe({ definition, from, to, failure: given, seconds }: ObservedConversion): void {
    const failure = given ?? ''
    const result = failure ? 'failure' : 'success'
    const count = this.#requests.get(failure) ?? { labels: { failure_type: failure, result }, value: 0 }
    count.value++
    this.#requests.set(failure, count)
    this.#calls.observe([failure, result], seconds)
    this.#definitions.observe([definition, from, String(!failure), to], seconds)
  }

  *families(): Generator<MetricFamily> {
    if (this.#requests.size === 0) return
    yield {
      name: 'apiserver_conversion_webhook_request_total',
      help: 'Calls of conversion webhooks, by what came of them.',
      type: 'counter',
      samples: this.#requests.values(),
    }
    yield this.#calls.family()
    yield this.#definitions.family()
  }
}
