// The two ways an HTTP exchange is carried over sockets, behind one interface: HTTP/2 streams (core API: the hot path) and HTTP/1.1.
// Nothing here throws at a peer that went away.
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import { CODE } from '#lib/http2/frames.ts'
import type { ServerStream } from '#lib/http2/server-stream.ts'
import type { AuthenticationRequest, Exchange } from '#server/request.ts'

export type ClientCertificate = NonNullable<AuthenticationRequest['certificate']>

/** What the connection, not the request, tells of the client. */
export interface Peer {
  remoteAddress: string
  certificate?: ClientCertificate
  /** A certificate was shown that the client authority does not vouch for. */
  badCertificate?: boolean
}

/** An exchange as this room's own code sees it. */
export interface ServedExchange extends Exchange {
  readonly peer: Peer
  readonly answered: boolean
  /** HTTP status of the answer; 0 before there is one. */
  readonly status: number
  /** The body, where it has come already: then it need not be read as a stream. Told once. */
  takeWhole?(): Buffer | undefined
  /** Called when an answer's head leaves that is sent as a stream. */
  opened?: ((status: number) => void) | undefined
  /** Tells who serves it to come to an end: aborts the signal, leaves the connection. */
  cancel(): void
  /** Ends the exchange without an answer, or breaks a begun one off. */
  abort(): void
}

/** An answer of which nothing is taken for so long is given up; a small one is the kernel's by then. */
const STALLED_MS = 60_000
const NOTABLE_BYTES = 16 * 1024

abstract class SocketExchange {
  readonly url: string
  readonly path: string
  readonly peer: Peer
  #query: URLSearchParams | undefined
  #abort: AbortController | undefined
  protected gone = false
  status = 0
  opened: ((status: number) => void) | undefined

  constructor(url: string, peer: Peer) {
    this.url = url
    const mark = url.indexOf('?')
    this.path = mark < 0 ? url : url.slice(0, mark)
    this.peer = peer
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.url.slice(this.path.length + 1)))
  }

  get remoteAddress(): string {
    return this.peer.remoteAddress
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.gone) this.#abort.abort()
    }
    return this.#abort.signal
  }

  cancel(): void {
    this.leave()
  }

  protected leave(): void {
    this.gone = true
    this.#abort?.abort()
  }
}

export class Http2Exchange extends SocketExchange implements ServedExchange {
  readonly #stream: ServerStream

  constructor(stream: ServerStream, peer: Peer) {
    super(stream.head.path, peer)
    this.#stream = stream
    stream.closed = () => this.leave()
  }

  get method(): string {
    return this.#stream.head.method
  }

  get headers(): IncomingHttpHeaders {
    return this.#stream.head.headers
  }

  get input(): Readable {
    return this.#stream.input
  }

  takeWhole(): Buffer | undefined {
    return this.#stream.takeWhole()
  }

  get answered(): boolean {
    return this.#stream.answered
  }

  send(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    const stream = this.#stream
    if (stream.isClosed || stream.answered) return
    this.status = status
    stream.respond(status, headers, this.method === 'HEAD' ? undefined : body)
  }

  open(status: number, headers: OutgoingHttpHeaders): Writable {
    this.status = status
    this.opened?.(status)
    return this.#stream.open(status, headers)
  }

  abort(): void {
    this.#stream.reset(CODE.internal)
  }
}

export class Http1Exchange extends SocketExchange implements ServedExchange {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly upgrade?: { request: IncomingMessage; socket: Duplex; head: Buffer }
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** The peer waits with the body until it is asked for. */
  #expected: boolean

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    options: { peer: Peer; upgrade?: Http1Exchange['upgrade']; expected?: boolean },
  ) {
    super(pathOf(request.url), options.peer)
    this.method = request.method ?? 'GET'
    this.headers = request.headers['impersonate-user'] === undefined ? request.headers : severally(request)
    if (options.upgrade) this.upgrade = options.upgrade
    this.#request = request
    this.#response = response
    this.#expected = options.expected ?? false
    request.on('error', ignore)
    response.on('error', ignore)
    response.on('close', () => this.leave())
  }

  get input(): Readable {
    if (this.#expected) this.#response.writeContinue()
    this.#expected = false
    return this.#request
  }

  get answered(): boolean {
    return this.#response.headersSent
  }

  send(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    if (this.#response.headersSent || this.#response.destroyed) return
    this.status = status
    const length = typeof body === 'string' ? Buffer.byteLength(body) : (body?.length ?? 0)
    // An unread rest of a body would be taken for the next request.
    const close = this.#request.complete || !announcesBody(this.headers) ? {} : { connection: 'close' }
    const hasBody = status !== 304 && status !== 204
    this.#response.writeHead(status, { ...headers, ...(hasBody ? { 'content-length': length } : {}), ...close })
    this.#response.end(this.method === 'HEAD' ? undefined : body)
    if (length > NOTABLE_BYTES) this.#response.setTimeout(STALLED_MS, () => this.#request.destroy())
  }

  open(status: number, headers: OutgoingHttpHeaders): Writable {
    this.status = status
    this.opened?.(status)
    if (!this.#response.headersSent && !this.#response.destroyed) {
      this.#response.writeHead(status, headers)
      this.#response.flushHeaders()
    }
    return this.#response
  }

  abort(): void {
    this.#request.destroy()
  }
}

/** Clients that take this server for a proxy name the whole address. */
function pathOf(target = '/'): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '') || '/'
}

/** One without is whole when its head is; Node says so only a turn later, when the answer may be gone already. */
/** Groups and the like of whom the request is to be made as: each value by itself, since commas may be part of it. */
function severally({ headers, headersDistinct }: IncomingMessage): IncomingHttpHeaders {
  const apart = { ...headers }
  for (const [name, values] of Object.entries(headersDistinct))
    if (name.startsWith('impersonate-') && values && values.length > 1) apart[name] = values
  return apart
}

function announcesBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function ignore(): void {}
