// One watch of an etcd range that goes on over lost connections: every change after a revision, in order, without gaps, or Compacted.
import type { GrpcChannel, StreamCall } from '#lib/grpc/channel.ts'
import { GrpcError } from '#lib/grpc/grpc-error.ts'
import type { Clock } from '#lib/clock.ts'
import { type Change, Compacted, type Revision } from '#store/store.ts'
import { ownBytes } from './own-bytes.ts'
import type { WatchResponse } from './schema.ts'

export interface EtcdWatchOptions {
  range: { key: Buffer; rangeEnd?: Buffer }
  after: Revision
  signal: AbortSignal
  clock: Clock
}

const RETRY_MS = 250

export class EtcdWatch {
  readonly #channel: GrpcChannel
  readonly #options: EtcdWatchOptions
  #after: Revision

  constructor(channel: GrpcChannel, options: EtcdWatchOptions) {
    this.#channel = channel
    this.#options = options
    this.#after = options.after
  }

  async *changes(): AsyncGenerator<Change[]> {
    const { signal, clock } = this.#options
    while (!signal.aborted) {
      try {
        yield* this.#connected()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof GrpcError)) throw error
        await clock.sleep(RETRY_MS, signal).catch(() => {})
      }
    }
  }

  /** Everything up to here has been told. */
  get told(): Revision {
    return this.#after
  }

  async *#connected(): AsyncGenerator<Change[]> {
    const { range, signal } = this.#options
    using call: StreamCall<object, WatchResponse> = this.#channel.stream('Watch.Watch', { signal })
    call.send({ createRequest: { ...range, startRevision: this.#after + 1, prevKv: true } })
    for (let answer = await call.next(); answer !== undefined; answer = await call.next()) {
      if (answer.compactRevision > 0) throw new Compacted(answer.compactRevision)
      if (answer.canceled) throw new GrpcError(0, `the watch was cancelled: ${answer.cancelReason}`)
      if (answer.events.length === 0) continue
      const changes = answer.events.map(changeOf)
      this.#after = changes.at(-1)!.revision
      yield changes
    }
  }
}

function changeOf({ type, kv, prevKv }: WatchResponse['events'][number]): Change {
  const key = kv.key.toString()
  const revision = kv.modRevision
  if (type === 'DELETE') return { type: 'delete', key, previous: prevKv ? ownBytes(prevKv.value) : Buffer.alloc(0), revision }
  const { createRevision } = kv
  return { type: 'put', key, value: ownBytes(kv.value), revision, createRevision, ...(prevKv ? { previous: ownBytes(prevKv.value) } : {}) }
}
