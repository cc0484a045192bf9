// What is counted of admission webhooks. The number of series is bounded: names beyond it are counted together.
import type { MetricFamily } from '#lib/metric-family.ts'

/** Upstream's words for mutating and validating. */
export type WebhookType = 'admit' | 'validating'

interface About {
  name: string
  type: WebhookType
  operation: string
}

interface Histogram {
  labels: Record<string, string>
  buckets: number[]
  sum: number
}

const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25]
const MAX_SERIES = 2000
/** Codes are the webhook's own. */
const MAX_CODE = 600

export class WebhookMetrics {
  readonly #durations = new Map<string, Histogram>()
  readonly #requests = new Counter()
  readonly #rejections = new Counter()
  readonly #open = new Counter()

  observe({ name, type, operation, rejected, code, seconds }: About & { rejected: boolean; code: number; seconds: number }): void {
    const labels = { name, type, operation, rejected: String(rejected) }
    this.#requests.add({ ...labels, code: bounded(code) })
    const key = Object.values(labels).join(' ')
    let series = this.#durations.get(key)
    if (!series) {
      if (this.#durations.size >= MAX_SERIES) return
      series = { labels, buckets: Array.from({ length: BUCKETS_SECONDS.length + 1 }, () => 0), sum: 0 }
      this.#durations.set(key, series)
    }
    const bucket = BUCKETS_SECONDS.findIndex((bound) => seconds <= bound)
    series.buckets[bucket < 0 ? BUCKETS_SECONDS.length : bucket]!++
    series.sum += seconds
  }

  rejected({ name, type, operation, code, error }: About & { code: number; error: string }): void {
    this.#rejections.add({ name, type, operation, error_type: error, rejection_code: bounded(code) })
  }

  failedOpen({ name, type }: About): void {
    this.#open.add({ name, type })
  }

  *families(): Generator<MetricFamily> {
    const prefix = 'apiserver_admission_webhook'
    const durations = [...this.#durations.values()]
    yield {
      name: `${prefix}_admission_duration_seconds`,
      help: 'How long admission webhooks took, by name, operation, type and whether they refused.',
      type: 'histogram',
      samples: durations.flatMap(samplesOf),
    }
    yield { name: `${prefix}_request_total`, help: 'Calls of admission webhooks.', type: 'counter', samples: this.#requests.samples() }
    yield {
      name: `${prefix}_rejection_count`,
      help: 'Requests refused because of admission webhooks.',
      type: 'counter',
      samples: this.#rejections.samples(),
    }
    yield {
      name: `${prefix}_fail_open_count`,
      help: 'Failed calls of admission webhooks that were let pass.',
      type: 'counter',
      samples: this.#open.samples(),
    }
  }
}

const bounded = (code: number): string => String(Math.min(Math.max(Math.trunc(code), 0), MAX_CODE))

class Counter {
  readonly #series = new Map<string, { labels: Record<string, string>; value: number }>()

  add(labels: Record<string, string>): void {
    const key = Object.values(labels).join(' ')
    const series = this.#series.get(key)
    if (series) series.value++
    else if (this.#series.size < MAX_SERIES) this.#series.set(key, { labels, value: 1 })
  }

  samples() {
    return this.#series.values()
  }
}

function samplesOf({ labels, buckets, sum }: Histogram) {
  let count = 0
  const parts = buckets.map((value, index) => {
    count += value
    const le = index < BUCKETS_SECONDS.length ? String(BUCKETS_SECONDS[index]) : '+Inf'
    return { labels: { ...labels, le }, value: count, suffix: '_bucket' }
  })
  return [...parts, { labels, value: sum, suffix: '_sum' }, { labels, value: count, suffix: '_count' }]
}
