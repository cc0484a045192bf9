// What is counted of conversion webhooks, as upstream names it.
import type { MetricFamily } from '#lib/metric-family.ts'
import { exponentialBounds, Metrics, type MetricTable } from '#lib/metrics.ts'

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

const TABLE = {
  apiserver_conversion_webhook_request_total: {
    type: 'counter',
    help: 'Calls of conversion webhooks, by what came of them.',
    labels: ['failure_type', 'result'],
  },
  apiserver_conversion_webhook_duration_seconds: {
    type: 'histogram',
    help: 'How long calls of conversion webhooks took.',
    labels: ['failure_type', 'result'],
    bounds: [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60],
  },
  apiserver_crd_conversion_webhook_duration_seconds: {
    type: 'histogram',
    help: 'How long conversions by webhook took, by definition and versions.',
    labels: ['crd_name', 'from_version', 'succeeded', 'to_version'],
    bounds: exponentialBounds(0.001, 2, 15),
  },
} as const satisfies MetricTable

export class ConversionMetrics {
  readonly #metrics = new Metrics(TABLE)

  observe({ definition, from, to, failure, seconds }: ObservedConversion): void {
    const labels = [failure ?? '', failure ? 'failure' : 'success']
    this.#metrics.add('apiserver_conversion_webhook_request_total', labels)
    this.#metrics.observe('apiserver_conversion_webhook_duration_seconds', labels, seconds)
    this.#metrics.observe('apiserver_crd_conversion_webhook_duration_seconds', [definition, from, String(!failure), to], seconds)
  }

  families(): Iterable<MetricFamily> {
    return this.#metrics.families()
  }
}
