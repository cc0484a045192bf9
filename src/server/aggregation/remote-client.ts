// The Client of this process for kinds of other API servers: its requests go the way of those from outside, without sockets, and from there on.
import type { Kind } from '#api/kind.ts'
import { StatusError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { clientOver, type Transport } from '#client/transport-client.ts'
import { MemoryExchange } from '#server/http/memory-exchange.ts'
import type { Aggregator } from './aggregator.ts'

export interface RemoteClientOptions {
  aggregator: Pick<Aggregator, 'serves'>
  /** As the user whose client this is. */
  serve(exchange: MemoryExchange): void
}

const MAX_BODY_BYTES = 64 * 1024 * 1024

export function withRemote(local: Client, { aggregator, serve }: RemoteClientOptions): Client {
  const remote = clientOver(transportOver(serve))
  const of = ({ group, version }: Kind<any>) => (aggregator.serves(group, version) ? remote : local)
  return {
    get: (kind, key, options) => of(kind).get(kind, key, options),
    list: (kind, options) => of(kind).list(kind, options),
    watch: (kind, options) => of(kind).watch(kind, options),
    create: (kind, object, options) => of(kind).create(kind, object, options),
    update: (kind, object, options) => of(kind).update(kind, object, options),
    patch: (kind, key, patch, options) => of(kind).patch(kind, key, patch, options),
    delete: (kind, key, options) => of(kind).delete(kind, key, options),
    deleteCollection: (kind, options) => of(kind).deleteCollection(kind, options),
    resources: (group, version, options) => remote.resources!(group, version, options),
  }
}

function transportOver(serve: (exchange: MemoryExchange) => void): Transport {
  return {
    async request({ method, path, body, contentType, signal }) {
      signal?.throwIfAborted()
      const headers = {
        accept: 'application/json',
        'user-agent': 'sampan',
        ...(body === undefined
          ? {}
          : { 'content-type': contentType ?? 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      }
      const exchange = new MemoryExchange({ method, path, headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) })
      serve(exchange)
      const answer = await exchange.answer().catch((cause: unknown) => {
        throw new StatusError('ServiceUnavailable', `${method} ${path.split('?')[0]}: ${String(cause)}`, { cause })
      })
      const close = () => void answer.stream.destroy()
      return { status: answer.status, headers: {}, stream: Object.assign(answer.stream, { close }) }
    },
    async readBody({ stream }) {
      const parts: Buffer[] = []
      let size = 0
      try {
        for await (const part of stream as AsyncIterable<Buffer>) {
          size += part.length
          if (size > MAX_BODY_BYTES) break
          parts.push(part)
        }
      } catch (cause) {
        throw new StatusError('ServiceUnavailable', 'the answer broke off in the middle', { cause })
      }
      if (size <= MAX_BODY_BYTES) return Buffer.concat(parts)
      throw new StatusError('RequestEntityTooLarge', `the server's answer is larger than ${MAX_BODY_BYTES} bytes`)
    },
  }
}
