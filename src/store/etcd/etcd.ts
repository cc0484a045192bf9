// The store in an etcd cluster (v3 API, etcd 3.4 or later), which other API servers may share: revisions are etcd's own, a write is durable on a
// majority when it is acknowledged. Nothing is kept in memory here; a watch outlives lost connections. Never leases, never authentication by password.
import { hostPort } from '#lib/dial-error.ts'
import { GrpcChannel, type GrpcTarget } from '#lib/grpc/channel.ts'
import { GrpcError, hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import type { Clock } from '#lib/clock.ts'
import { type Change, Compacted, type Entry, type Page, type Revision, RevisionMismatch, type Store } from '#store/store.ts'
import { ownBytes } from './own-bytes.ts'
import { etcdSchema, type KeyValue, type RangeResponse, type TxnResponse } from './schema.ts'
import { EtcdWatch } from './watch.ts'

export interface EtcdOptions {
  target: GrpcTarget
  clock: Clock
  /** Ends the waiting for a first answer, and nothing after it. */
  opening?: AbortSignal
}

/** etcd did not answer, or not in time. */
export class EtcdUnavailable extends Error {
  override name = 'EtcdUnavailable'
}

const DEADLINE_MS = 10_000
const PAGE = 1000
const TRIES = 3
/** A change that somebody waits for is told within this, or something else made its revision. */
const PATIENCE_MS = 50
const MARKER = 'sampan-revision'

export function openEtcdStore(options: EtcdOptions): Store {
  return new EtcdStore(options)
}

class EtcdStore implements Store {
  readonly #channel: GrpcChannel
  readonly #clock: Clock
  readonly #place: string
  readonly #closed = new AbortController()
  readonly #opening: AbortSignal
  readonly #watches = new Map<EtcdWatch, string>()
  #revision = 0
  #asking: Promise<Revision> | undefined
  #next: Promise<Revision> | undefined

  constructor({ target, clock, opening }: EtcdOptions) {
    this.#opening = opening ? AbortSignal.any([opening, this.#closed.signal]) : this.#closed.signal
    this.#channel = new GrpcChannel(target, { schema: etcdSchema(), clock })
    this.#clock = clock
    this.#place = typeof target === 'string' ? target : target.addresses.map(hostPort).join(', ')
  }

  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#read<RangeResponse>('KV.Range', { key: Buffer.from(key) })
    return kvs[0] && entryOf(kvs[0])
  }

  async list(prefix: string, { after, limit, revision }: { after?: string; limit?: number; revision?: Revision } = {}): Promise<Page> {
    const entries: Entry[] = []
    let from = after === undefined ? prefix : `${after}\0`
    let at = revision
    for (;;) {
      const wanted = Math.min(PAGE, (limit ?? Infinity) - entries.length)
      const request = { key: Buffer.from(from), rangeEnd: endOf(prefix), limit: wanted, ...(at ? { revision: at } : {}) }
      const { kvs, count, header } = await this.#read<RangeResponse>('KV.Range', request).catch((error: unknown) => this.#expired(error))
      at ??= header.revision
      for (const kv of kvs) entries.push(entryOf(kv))
      const remaining = count - kvs.length
      if (remaining <= 0) return { entries, revision: at }
      const next = entries.at(-1)!.key
      if (limit !== undefined && entries.length >= limit) return { entries, revision: at, next, remaining }
      from = `${next}\0`
    }
  }

  async put(key: string, value: Uint8Array, expected: Revision): Promise<Entry> {
    const name = Buffer.from(key)
    const writes = [{ requestPut: { key: name, value } }, ...(expected === 0 ? [] : [{ requestRange: { key: name, keysOnly: true } }])]
    const { header, responses } = await this.#transact(key, expected, writes)
    const createRevision = expected === 0 ? header.revision : responses[1]!.responseRange!.kvs[0]!.createRevision
    return { key, value, revision: header.revision, createRevision }
  }

  async delete(key: string, expected: Revision): Promise<Revision> {
    if (expected === 0) throw new RevisionMismatch(key, await this.get(key))
    const { header } = await this.#transact(key, expected, [{ requestDeleteRange: { key: Buffer.from(key) } }])
    return header.revision
  }

  async *watch(prefix: string, { after, signal }: { after: Revision; signal: AbortSignal }): AsyncGenerator<Change[]> {
    const until = AbortSignal.any([signal, this.#closed.signal])
    const range = { key: Buffer.from(prefix), rangeEnd: endOf(prefix) }
    const watch = new EtcdWatch(this.#channel, { range, after, signal: until, clock: this.#clock })
    this.#watches.set(watch, prefix)
    try {
      yield* watch.changes()
    } finally {
      this.#watches.delete(watch)
    }
  }

  async compact(before: Revision): Promise<void> {
    await this.#call('KV.Compact', { revision: before }).catch((error: unknown) => {
      // Somebody else has done it.
      if (!hasGrpcCode(error, 'OUT_OF_RANGE')) throw error
    })
  }

  revision(): Revision {
    return this.#revision
  }

  /** Asked at most once at a time: who comes while an answer is on its way waits for the next one, since his write may be younger. */
  latest(): Promise<Revision> {
    if (!this.#asking) return (this.#asking = this.#ask())
    return (this.#next ??= this.#asking
      .catch(() => 0)
      .then(() => {
        this.#next = undefined
        return (this.#asking = this.#ask())
      }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error('the store is closed'))
    this.#channel[Symbol.dispose]()
  }

  async #ask(): Promise<Revision> {
    const asked = this.#read<RangeResponse>('KV.Range', { key: Buffer.from('/'), countOnly: true })
    try {
      const { revision } = (await asked).header
      this.#clock.after(PATIENCE_MS, () => this.#stir(revision))
      return revision
    } finally {
      this.#asking = undefined
    }
  }

  /**
   * Strangers' keys make revisions of which no watch of ours is told: then a key of our own is written, whose revision is later and is told.
   * (etcd's own progress notifications may overtake changes before 3.4.31 and 3.5.13.)
   */
  #stir(revision: Revision): void {
    for (const [watch, prefix] of this.#watches) {
      if (watch.told >= revision) continue
      const put = { key: Buffer.from(`${prefix}${MARKER}`), value: Buffer.from('{}') }
      this.#call('KV.Txn', { success: [{ requestPut: put }] }).catch(() => {})
    }
  }

  async #transact(key: string, expected: Revision, success: object[]): Promise<TxnResponse> {
    const name = Buffer.from(key)
    const compare = [{ result: 'EQUAL', target: 'MOD', key: name, modRevision: expected }]
    const answer = await this.#call<TxnResponse>('KV.Txn', { compare, success, failure: [{ requestRange: { key: name } }] })
    if (answer.succeeded) return answer
    const actual = answer.responses[0]?.responseRange?.kvs[0]
    throw new RevisionMismatch(key, actual && entryOf(actual))
  }

  /** Reads may be asked again: of the next member, once the first does not answer. */
  async #read<Answer extends { header: { revision: number } }>(method: string, request: object): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#call<Answer>(method, request)
      } catch (error) {
        if (!(error instanceof EtcdUnavailable) || attempt >= TRIES) throw error
      }
    }
  }

  async #call<Answer extends { header: { revision: number } }>(method: string, request: object): Promise<Answer> {
    const signal = this.#revision === 0 ? this.#opening : this.#closed.signal
    try {
      const answer = await this.#channel.unary<Answer>(method, request, { deadlineMs: DEADLINE_MS, signal })
      if (answer.header.revision > this.#revision) this.#revision = answer.header.revision
      return answer
    } catch (error) {
      if (hasGrpcCode(error, 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED'))
        throw new EtcdUnavailable(`etcd does not answer at ${this.#place}: ${error.message}`, { cause: error })
      throw error
    }
  }

  /** A list at a revision that is gone. What is the oldest that is left, only a watch tells. */
  async #expired(error: unknown): Promise<never> {
    if (!(error instanceof GrpcError && error.codeName === 'OUT_OF_RANGE' && error.message.includes('compacted'))) throw error
    const range = { key: Buffer.from('/') }
    const watch = new EtcdWatch(this.#channel, { range, after: 0, signal: this.#closed.signal, clock: this.#clock })
    for await (const _ of watch.changes()) break
    throw new Compacted(0)
  }
}

function entryOf({ key, value, createRevision, modRevision }: KeyValue): Entry {
  return { key: key.toString(), value: ownBytes(value), revision: modRevision, createRevision }
}

/** The first key behind all keys with this prefix. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]!++
  return end
}
