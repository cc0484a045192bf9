// How often policies were checked, and how long it took. Validating policies tell what they did; mutating ones only count.
import type { MetricFamily } from '#lib/metric-family.ts'
import { Metrics } from '#lib/metrics.ts'

const BUCKETS_SECONDS = [0.0000005, 0.001, 0.01, 0.1, 1]
const LABELS = ['error_type', 'policy', 'policy_binding']

export interface PolicyCheck {
  policy: string
  binding: string
  errorType?: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget'
  /** Of validating policies. */
  action?: 'allow' | 'deny' | 'audit' | 'warn'
  seconds: number
}

export class PolicyMetrics {
  readonly #type: 'validating' | 'mutating'
  readonly #metrics: Metrics

  constructor(type: 'validating' | 'mutating') {
    this.#type = type
    const labels = type === 'validating' ? ['enforcement_action', ...LABELS] : LABELS
    const help = 'Policy checks by policy, binding, kind of error and what was done.'
    this.#metrics = new Metrics({
      [this.#name('total')]: { type: 'counter', help, labels },
      [this.#name('duration_seconds')]: { type: 'histogram', help: 'Time policy checks took.', labels, bounds: BUCKETS_SECONDS },
    })
  }

  observe({ policy, binding, errorType = 'no_error', action = 'allow', seconds }: PolicyCheck): void {
    const labels = [...(this.#type === 'validating' ? [action] : []), errorType, policy, binding]
    this.#metrics.add(this.#name('total'), labels)
    this.#metrics.observe(this.#name('duration_seconds'), labels, seconds)
  }

  families(): Iterable<MetricFamily> {
    return this.#metrics.families()
  }

  #name(what: string): string {
    return `apiserver_${this.#type}_admission_policy_check_${what}`
  }
}
