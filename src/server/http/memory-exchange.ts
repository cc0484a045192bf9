// An exchange without sockets: tests and in-process callers hand a request to the chain and get the whole answer back.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { PassThrough, Readable, type Writable } from 'node:stream'
import type { Peer, ServedExchange } from './exchange.ts'

export interface MemoryRequest {
  method?: string
  path: string
  headers?: IncomingHttpHeaders
  body?: string | Uint8Array
  peer?: Partial<Peer>
  signal?: AbortSignal
}

export interface MemoryResponse {
  status: number
  headers: OutgoingHttpHeaders
  body: Buffer
  text: string
  json: any
}

export class MemoryExchange implements ServedExchange {
  readonly method: string
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly peer: Peer
  readonly signal: AbortSignal
  readonly input: Readable
  answered = false
  status = 0
  opened: ((status: number) => void) | undefined
  #abort = new AbortController()
  #done = Promise.withResolvers<{ status: number; headers: OutgoingHttpHeaders; stream: Readable }>()

  constructor({ method = 'GET', path, headers = {}, body, peer, signal }: MemoryRequest) {
    this.method = method
    this.url = path
    this.path = path.split('?', 1)[0]!
    this.query = new URLSearchParams(path.slice(this.path.length + 1))
    this.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    this.peer = { remoteAddress: '127.0.0.1', ...peer }
    this.signal = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
    this.input = Readable.from(body === undefined ? [] : [Buffer.from(body as string)])
  }

  get remoteAddress(): string {
    return this.peer.remoteAddress
  }

  send(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    this.opened = undefined
    this.open(status, headers).end(this.method === 'HEAD' || body === undefined ? undefined : body)
  }

  open(status: number, headers: OutgoingHttpHeaders): Writable {
    const stream = new PassThrough()
    if (this.answered) return stream
    this.answered = true
    this.status = status
    this.opened?.(status)
    this.signal.addEventListener('abort', () => stream.destroy(), { once: true })
    this.#done.resolve({ status, headers, stream })
    return stream
  }

  cancel(): void {
    this.#abort.abort()
  }

  abort(): void {
    this.#abort.abort()
    this.#done.reject(new Error('the exchange was broken off'))
  }

  /** Head and body stream of the answer. */
  answer(): Promise<{ status: number; headers: OutgoingHttpHeaders; stream: Readable }> {
    return this.#done.promise
  }

  async response(): Promise<MemoryResponse> {
    const { status, headers, stream } = await this.answer()
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks)
    const text = body.toString('utf8')
    return {
      status,
      headers,
      body,
      text,
      get json() {
        return JSON.parse(text)
      },
    }
  }
}
