// How often policies were checked, and how long it took.
import type { MetricFamily } from '#lib/metric-family.ts'

const BUCKETS_SECONDS = [0.0000005, 0.001, 0.01, 0.1, 1]

/** As Go prints them. */
const LE = ['5e-07', '0.001', '0.01', '0.1', '1']

interface Series {
  labels: Record<string, string>
  buckets: number[]
  sum: number
  count: number
}

export interface PolicyCheck {
  policy: string
  binding: string
  errorType?: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget'
  /** Validating policies tell what they did; mutating ones only count. */
  action?: 'allow' | 'deny' | 'audit' | 'warn'
  seconds: number
}

/** One series for each policy, binding, kind of error and action: as many as somebody configured. */
export class PolicyMetrics {
  readonly #series = new Map<string, Series>()
  readonly #prefix: string

  /** e.g. apiserver_validating_admission_policy. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  observe({ policy, binding, errorType = 'no_error', action, seconds }: PolicyCheck): void {
    const labels = { ...(action ? { enforcement_action: action } : {}), error_type: errorType, policy, policy_binding: binding }
    const key = Object.values(labels).join(' ')
    let series = this.#series.get(key)
    if (!series) {
      series = { labels, buckets: BUCKETS_SECONDS.map(() => 0), sum: 0, count: 0 }
      this.#series.set(key, series)
    }
    series.count++
    series.sum += seconds
    for (const [index, bound] of BUCKETS_SECONDS.entries()) if (seconds <= bound) series.buckets[index]!++
  }

  *families(): Generator<MetricFamily> {
    const all = [...this.#series.values()]
    if (all.length === 0) return
    yield {
      name: `${this.#prefix}_check_total`,
      help: 'Policy checks by policy, binding, kind of error and what was done.',
      type: 'counter',
      samples: all.map(({ labels, count }) => ({ labels, value: count })),
    }
    yield {
      name: `${this.#prefix}_check_duration_seconds`,
      help: 'Time policy checks took.',
      type: 'histogram',
      samples: all.flatMap(({ labels, buckets, sum, count }) => [
        ...buckets.map((value, index) => ({ labels: { ...labels, le: LE[index]! }, value, suffix: '_bucket' })),
        { labels: { ...labels, le: '+Inf' }, value: count, suffix: '_bucket' },
        { labels, value: sum, suffix: '_sum' },
        { labels, value: count, suffix: '_count' },
      ]),
    }
  }
}
