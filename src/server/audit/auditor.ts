// Decides by policy what is recorded and hands finished events to the backends. Whether a request waits for them, or fails with them, is its caller's affair.
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { RequestAttributes } from '#server/request.ts'
import { type AuditEvent, AuditRecord, type AuditSource } from './audit-record.ts'
import type { AuditPolicy, AuditStage } from './policy.ts'

/** Where events go. */
export interface AuditBackend extends AsyncDisposable {
  readonly name: string
  /** A request whose arrival cannot be recorded is not served. */
  readonly strict?: boolean
  /** Whether it was taken: at once, or by when it is written where requests wait for that. Never rejects. */
  write(event: AuditEvent): boolean | Promise<boolean>
  /** Events that were taken but could not be written. */
  readonly failures: number
}

export class Auditor implements AsyncDisposable {
  readonly #policy: AuditPolicy
  readonly #backends: readonly { backend: AuditBackend; counts: { lost: number } }[]
  readonly #clock: Clock
  readonly #levels = new Map<string, number>()
  #events = 0

  constructor(policy: AuditPolicy, { backends, clock }: { backends: readonly AuditBackend[]; clock: Clock }) {
    this.#policy = policy
    this.#backends = backends.map((backend) => ({ backend, counts: { lost: 0 } }))
    this.#clock = clock
  }

  /** undefined: nothing is recorded of it. */
  begin(attributes: RequestAttributes, source: AuditSource, annotations: ReadonlyMap<string, string>): AuditRecord | undefined {
    const decision = this.#policy.decide(attributes)
    this.#levels.set(decision.level, (this.#levels.get(decision.level) ?? 0) + 1)
    if (decision.level === 'None') return undefined
    return new AuditRecord(decision, { attributes, source, annotations, now: this.#clock.now() })
  }

  /** Who could not say who they are. */
  refused(
    attributes: Omit<RequestAttributes, 'user'>,
    source: AuditSource,
    { message, annotations }: { message: string; annotations: ReadonlyMap<string, string> },
  ): void {
    const user: UserInfo = { username: '', groups: [] }
    const record = this.begin({ ...attributes, user }, source, annotations)
    if (!record) return
    record.status = { status: 'Failure', message, reason: 'Unauthorized', code: 401 }
    void this.tell(record, 'ResponseStarted')
  }

  /** False: a backend without which no request is served did not take it. A promise where requests wait until it is written. */
  tell(record: AuditRecord, stage: AuditStage): boolean | Promise<boolean> {
    if (record.decision.omitStages.has(stage)) return true
    this.#events++
    const event = record.event(stage, this.#clock.now())
    const waiting: Promise<boolean>[] = []
    let served = true
    for (const { backend, counts } of this.#backends) {
      const judge = (taken: boolean) => {
        if (!taken) counts.lost++
        return taken || !backend.strict
      }
      const taken = backend.write(event)
      if (typeof taken === 'boolean') served = judge(taken) && served
      else waiting.push(taken.then(judge))
    }
    return waiting.length === 0 ? served : Promise.all(waiting).then((all) => served && all.every(Boolean))
  }

  *families(): Generator<MetricFamily> {
    yield {
      name: 'apiserver_audit_event_total',
      help: 'Audit events told to the backends.',
      type: 'counter',
      samples: [{ labels: {}, value: this.#events }],
    }
    yield {
      name: 'apiserver_audit_level_total',
      help: 'Requests by the level the policy gave them.',
      type: 'counter',
      samples: [...this.#levels].map(([level, value]) => ({ labels: { level }, value })),
    }
    yield {
      name: 'apiserver_audit_error_total',
      help: 'Audit events that did not arrive: they could not be written, or there was no room to wait.',
      type: 'counter',
      samples: this.#backends.map(({ backend, counts }) => ({
        labels: { plugin: backend.name },
        value: backend.failures + counts.lost,
      })),
    }
    yield {
      name: 'sampan_audit_dropped_events_total',
      help: 'Audit events that a backend did not take: no room to wait, too large, or not written while the request waited.',
      type: 'counter',
      samples: this.#backends.map(({ backend, counts }) => ({ labels: { plugin: backend.name }, value: counts.lost })),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#backends.map(({ backend }) => backend[Symbol.asyncDispose]()))
  }
}
