// How events reach a sink: while the request waits (blocking), or gathered and sent later (batch). Bounded in number and bytes; what finds no room
// is lost and counted. What is too large loses its objects first.
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { AuditEvent } from './audit-record.ts'
import type { AuditBackend } from './auditor.ts'

/** Where events end up. */
export interface AuditSink extends AsyncDisposable {
  readonly name: string
  /** Resolves when all are there; rejects when they are not. */
  deliver(events: readonly string[]): Promise<void>
  /** Nobody waits any longer: what is tried again is tried no more. */
  hurry?(): void
}

export type AuditMode = 'batch' | 'blocking' | 'blocking-strict'

export interface AuditDelivery {
  mode: AuditMode
  batch: {
    /** Events that may wait. */
    bufferSize: number
    maxSize: number
    maxWaitMs: number
    /** Batches a second, and how many may go at once after a rest. */
    throttle?: { qps: number; burst: number }
    /** Batches under way at a time; one: in order. */
    atOnce: number
  }
  truncate?: { maxEventBytes: number; maxBatchBytes: number }
}

interface DeliveryParts {
  clock: Clock
  log: Logger
}

const MAX_WAITING_BYTES = 32 * 1024 * 1024

export function auditBackend(sink: AuditSink, delivery: AuditDelivery, parts: DeliveryParts): AuditBackend {
  return delivery.mode === 'batch' ? new Batches(sink, delivery, parts) : new Blocking(sink, delivery, parts)
}

/** undefined: too large even without its objects. */
function fitting(event: AuditEvent, { truncate }: AuditDelivery): string | undefined {
  if (!truncate || Buffer.byteLength(event.text) <= truncate.maxEventBytes) return event.text
  const text = event.truncated?.()
  return text !== undefined && Buffer.byteLength(text) <= truncate.maxEventBytes ? text : undefined
}

/** The request waits until its event is there. */
class Blocking implements AuditBackend {
  readonly name: string
  readonly strict: boolean
  /** Who waits sees what failed: such events count as not taken. */
  readonly failures = 0
  readonly #sink: AuditSink
  readonly #delivery: AuditDelivery
  readonly #log: Logger
  #waitingBytes = 0

  constructor(sink: AuditSink, delivery: AuditDelivery, { log }: DeliveryParts) {
    this.name = sink.name
    this.strict = delivery.mode === 'blocking-strict'
    this.#sink = sink
    this.#delivery = delivery
    this.#log = log
  }

  write(event: AuditEvent): boolean | Promise<boolean> {
    const text = fitting(event, this.#delivery)
    if (text === undefined || this.#waitingBytes + text.length > MAX_WAITING_BYTES) return false
    this.#waitingBytes += text.length
    return this.#sink
      .deliver([text])
      .then(
        () => true,
        (error: unknown) => {
          this.#log.error('an audit event was not written', { backend: this.name, error })
          return false
        },
      )
      .finally(() => (this.#waitingBytes -= text.length))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sink.hurry?.()
    await this.#sink[Symbol.asyncDispose]()
  }
}

class Batches implements AuditBackend {
  readonly name: string
  failures = 0
  readonly #sink: AuditSink
  readonly #delivery: AuditDelivery
  readonly #clock: Clock
  readonly #log: Logger
  readonly #underWay = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #waiting: string[] = []
  #waitingBytes = 0
  #full = Promise.withResolvers<void>()
  #sending: Promise<void> | undefined
  #tokens: number
  #tokensAt: number

  constructor(sink: AuditSink, delivery: AuditDelivery, { clock, log }: DeliveryParts) {
    this.name = sink.name
    this.#sink = sink
    this.#delivery = delivery
    this.#clock = clock
    this.#log = log
    this.#tokens = delivery.batch.throttle?.burst ?? 0
    this.#tokensAt = clock.monotonic()
  }

  write(event: AuditEvent): boolean {
    const { bufferSize, maxSize } = this.#delivery.batch
    const text = fitting(event, this.#delivery)
    if (text === undefined || this.#waiting.length >= bufferSize || this.#waitingBytes + text.length > MAX_WAITING_BYTES) return false
    this.#waiting.push(text)
    this.#waitingBytes += text.length
    if (this.#waiting.length >= maxSize) this.#full.resolve()
    this.#sending ??= this.#send()
    return true
  }

  async #send(): Promise<void> {
    const { maxSize, maxWaitMs, atOnce } = this.#delivery.batch
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < maxSize && maxWaitMs > 0) await this.#gathered(maxWaitMs)
      await this.#throttled()
      while (this.#underWay.size >= atOnce) await Promise.race(this.#underWay)
      const batch = this.#next()
      const under = this.#deliver(batch).finally(() => this.#underWay.delete(under))
      this.#underWay.add(under)
    }
    this.#sending = undefined
  }

  async #gathered(maxWaitMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#full = Promise.withResolvers()
    using _timer = this.#clock.after(maxWaitMs, this.#full.resolve)
    await this.#full.promise
  }

  async #throttled(): Promise<void> {
    const { throttle } = this.#delivery.batch
    if (!throttle) return
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(throttle.burst, this.#tokens + ((now - this.#tokensAt) / 1000) * throttle.qps)
    this.#tokensAt = now
    this.#tokens--
    const { signal } = this.#closing
    if (this.#tokens < 0 && !signal.aborted) await this.#clock.sleep((-this.#tokens / throttle.qps) * 1000, signal).catch(() => {})
  }

  #next(): string[] {
    const { batch, truncate } = this.#delivery
    const limit = truncate?.maxBatchBytes ?? Infinity
    let count = 0
    for (let bytes = 0; count < Math.min(batch.maxSize, this.#waiting.length); count++) {
      bytes += Buffer.byteLength(this.#waiting[count]!)
      if (count > 0 && bytes > limit) break
    }
    return this.#waiting.splice(0, count)
  }

  async #deliver(batch: string[]): Promise<void> {
    try {
      await this.#sink.deliver(batch)
    } catch (error) {
      this.failures += batch.length
      this.#log.error('audit events were not written', { backend: this.name, events: batch.length, error })
    }
    for (const { length } of batch) this.#waitingBytes -= length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#full.resolve()
    this.#sink.hurry?.()
    await this.#sending
    await Promise.all(this.#underWay)
    await this.#sink[Symbol.asyncDispose]()
  }
}
