// One HTTP/2 connection to an API server: opened when made, looked after while it lives. It takes as many requests at once as the server allows; whoever
// has more opens another.
import http2 from 'node:http2'
import type { Clock } from '#lib/clock.ts'

export interface ConnectionOptions {
  url: string
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** Name to verify in the server's certificate when it is not the URL's host. */
  servername?: string
  clock: Clock
}

const CONNECT_MS = 30_000
const PING_MS = 30_000
const PING_TIMEOUT_MS = 15_000
/** Until the server has told. */
const STREAMS_AT_FIRST = 100

export class HttpConnection {
  readonly #session: http2.ClientHttp2Session
  readonly #clock: Clock
  #requests = 0
  /** The server has answered, if only with its settings. */
  #greeted = false

  /** `closed` is called once nothing more can come of it. */
  constructor({ url, clock, ca, cert, key, servername }: ConnectionOptions, closed: (connection: HttpConnection) => void) {
    this.#clock = clock
    const session = http2.connect(url, {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(servername ? { servername } : {}),
      settings: { initialWindowSize: 4 * 1024 * 1024, enablePush: false },
    })
    this.#session = session
    const overdue = clock.after(CONNECT_MS, () => session.destroy(new Error('the server did not answer in time')))
    // Also one that was given up meanwhile connects.
    session.once('connect', () => session.destroyed || session.setLocalWindowSize(16 * 1024 * 1024))
    session.once('remoteSettings', () => {
      this.#greeted = true
      overdue.cancel()
    })
    // Every stream is told of the failure as well; without a listener the process would fall.
    session.on('error', () => {})
    const pinging = clock.every(PING_MS, () => this.#ping())
    session.once('close', () => {
      overdue.cancel()
      pinging.cancel()
      closed(this)
    })
  }

  get hasRoom(): boolean {
    if (this.#session.closed || this.#session.destroyed) return false
    return this.#requests < (this.#greeted ? (this.#session.remoteSettings.maxConcurrentStreams ?? Infinity) : STREAMS_AT_FIRST)
  }

  request(headers: http2.OutgoingHttpHeaders, body: string | undefined): http2.ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream: body === undefined })
    this.#requests++
    stream.once('close', () => this.#requests--)
    if (body !== undefined) stream.end(body)
    return stream
  }

  /** Whether the server has surely done nothing about it: then it may be asked again, whatever it was. */
  wasSpared(stream: http2.ClientHttp2Stream): boolean {
    return stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM || (this.#greeted && stream.id === undefined)
  }

  destroy(): void {
    this.#session.destroy()
  }

  /** A peer that vanished without a word would leave watches waiting for ever. */
  #ping(): void {
    const session = this.#session
    if (session.destroyed || session.connecting) return
    const overdue = this.#clock.after(PING_TIMEOUT_MS, () => session.destroy())
    session.ping((error) => (overdue.cancel(), error && session.destroy()))
  }
}
