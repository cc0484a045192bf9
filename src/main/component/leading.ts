// Whether a component leads, as its health and its metrics tell it.
import type { Clock } from '#lib/clock.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { HealthCheck } from '#server/endpoints/health-pages.ts'

/** So long after its lease ran out a leader that goes on is ill. */
const TOLERANCE_MS = 20_000

export class Leading {
  readonly #clock: Clock
  readonly #name: string
  readonly #leaseDurationMs: number
  #state: 'standing by' | 'starting' | 'leading' | 'stopping' = 'standing by'
  #renewedMs = 0

  constructor(name: string, { clock, leaseDurationMs = 15_000 }: { clock: Clock; leaseDurationMs?: number }) {
    this.#name = name
    this.#clock = clock
    this.#leaseDurationMs = leaseDurationMs
  }

  /** The lease is held; so it was a moment ago. */
  renewed(): void {
    this.#renewedMs = this.#clock.monotonic()
  }

  is(state: 'standing by' | 'starting' | 'leading' | 'stopping'): void {
    if (this.#state !== 'stopping') this.#state = state
  }

  /** `elects`: there is a lease at all. */
  checks({ elects }: { elects: boolean }): HealthCheck[] {
    const acts = () => this.#state === 'leading' || this.#state === 'starting'
    const lapsed = () => acts() && this.#clock.monotonic() - this.#renewedMs > this.#leaseDurationMs + TOLERANCE_MS
    const election: HealthCheck = {
      name: 'leaderElection',
      check: () => (lapsed() ? `failed election to renew leadership on lease ${this.#name}` : undefined),
    }
    return [
      { name: 'ping', check: () => undefined },
      ...(elects ? [election] : []),
      { name: 'informer-sync', of: ['readyz'], check: () => (this.#state === 'starting' ? 'informers have not synced' : undefined) },
      { name: 'shutdown', of: ['readyz'], check: () => (this.#state === 'stopping' ? 'process is shutting down' : undefined) },
    ]
  }

  *families(): Generator<MetricFamily> {
    const value = this.#state === 'leading' || this.#state === 'starting' ? 1 : 0
    yield {
      name: 'leader_election_master_status',
      help: 'Whether this process leads (1) or stands by (0).',
      type: 'gauge',
      samples: [{ labels: { name: this.#name }, value }],
    }
  }
}
