// Decides by policy what is recorded and hands finished lines to the backend. Never waits and never fails a request.
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { MetricFamily } from '#server/metrics.ts'
import type { RequestAttributes } from '#server/request.ts'
import { AuditRecord, type AuditSource } from './audit-record.ts'
import type { AuditPolicy, AuditStage } from './policy.ts'

/** Takes lines at once and writes them when it can. */
export interface AuditBackend extends AsyncDisposable {
  readonly name: string
  /** False: there was no room, the line is lost. */
  write(line: string): boolean
  /** Writes that failed so far. */
  readonly failures: number
}

export class Auditor implements AsyncDisposable {
  readonly #policy: AuditPolicy
  readonly #backend: AuditBackend
  readonly #clock: Clock
  readonly #levels = new Map<string, number>()
  #events = 0
  #lost = 0

  constructor(policy: AuditPolicy, { backend, clock }: { backend: AuditBackend; clock: Clock }) {
    this.#policy = policy
    this.#backend = backend
    this.#clock = clock
  }

  /** undefined: nothing is recorded of it. Otherwise its arrival is. */
  begin(attributes: RequestAttributes, source: AuditSource, annotations: ReadonlyMap<string, string>): AuditRecord | undefined {
    const record = this.#record(attributes, source, annotations)
    if (record) this.tell(record, 'RequestReceived')
    return record
  }

  /** Who could not say who they are. */
  refused(attributes: Omit<RequestAttributes, 'user'>, source: AuditSource, message: string): void {
    const user: UserInfo = { username: '', groups: [] }
    const record = this.#record({ ...attributes, user }, source, new Map())
    if (!record) return
    record.status = { status: 'Failure', message, reason: 'Unauthorized', code: 401 }
    this.tell(record, 'ResponseStarted')
  }

  tell(record: AuditRecord, stage: AuditStage): void {
    if (record.decision.omitStages.has(stage)) return
    this.#events++
    if (!this.#backend.write(record.line(stage, this.#clock.now()))) this.#lost++
  }

  #record(attributes: RequestAttributes, source: AuditSource, annotations: ReadonlyMap<string, string>): AuditRecord | undefined {
    const decision = this.#policy.decide(attributes)
    this.#levels.set(decision.level, (this.#levels.get(decision.level) ?? 0) + 1)
    if (decision.level === 'None') return undefined
    return new AuditRecord(decision, { attributes, source, annotations, now: this.#clock.now() })
  }

  *families(): Generator<MetricFamily> {
    const plugin = this.#backend.name
    yield {
      name: 'apiserver_audit_event_total',
      help: 'Audit events told to the backend.',
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
      help: 'Audit events that are not in the log: it could not be written, or there was no room to wait.',
      type: 'counter',
      samples: [{ labels: { plugin }, value: this.#backend.failures + this.#lost }],
    }
    yield {
      name: 'sampan_audit_dropped_events_total',
      help: 'Audit events that found no room to wait for the log.',
      type: 'counter',
      samples: [{ labels: { plugin }, value: this.#lost }],
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backend[Symbol.asyncDispose]()
  }
}
