// What is counted of admission webhooks.
import { Metrics, type MetricTable } from '#lib/metrics.ts'
import type { MetricFamily } from '#lib/metric-family.ts'

/** Upstream's words for mutating and validating. */
export type WebhookType = 'admit' | 'validating'

interface About {
  name: string
  type: WebhookType
  operation: string
}

/** Codes are the webhook's own. */
const MAX_CODE = 600

const TABLE = {
  apiserver_admission_webhook_admission_duration_seconds: {
    type: 'histogram',
    help: 'How long admission webhooks took, by name, operation, type and whether they refused.',
    labels: ['name', 'type', 'operation', 'rejected'],
    bounds: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
  },
  apiserver_admission_webhook_request_total: {
    type: 'counter',
    help: 'Calls of admission webhooks.',
    labels: ['name', 'type', 'operation', 'rejected', 'code'],
  },
  apiserver_admission_webhook_rejection_count: {
    type: 'counter',
    help: 'Requests refused because of admission webhooks.',
    labels: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
  },
  apiserver_admission_webhook_fail_open_count: {
    type: 'counter',
    help: 'Failed calls of admission webhooks that were let pass.',
    labels: ['name', 'type'],
  },
} as const satisfies MetricTable

export class WebhookMetrics {
  readonly #metrics = new Metrics(TABLE)

  observe({ name, type, operation, rejected, code, seconds }: About & { rejected: boolean; code: number; seconds: number }): void {
    const labels = [name, type, operation, String(rejected)]
    this.#metrics.add('apiserver_admission_webhook_request_total', [...labels, bounded(code)])
    this.#metrics.observe('apiserver_admission_webhook_admission_duration_seconds', labels, seconds)
  }

  rejected({ name, type, operation, code, error }: About & { code: number; error: string }): void {
    this.#metrics.add('apiserver_admission_webhook_rejection_count', [name, type, operation, error, bounded(code)])
  }

  failedOpen({ name, type }: About): void {
    this.#metrics.add('apiserver_admission_webhook_fail_open_count', [name, type])
  }

  families(): Iterable<MetricFamily> {
    return this.#metrics.families()
  }
}

const bounded = (code: number): string => String(Math.min(Math.max(Math.trunc(code), 0), MAX_CODE))
