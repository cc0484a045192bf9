// One HTTP/2 connection to an API server, opened on first use, again after it broke, kept until disposed. Bodies are bounded; nothing here knows of objects.
import http2 from 'node:http2'
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import { AnswerStream } from './answer-stream.ts'

export interface SessionOptions {
  url: string
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** A bearer token, or where to get the present one. */
  token?: string | (() => string | Promise<string>)
  /** Name to verify in the server's certificate when it is not the URL's host. */
  servername?: string
  userAgent?: string
  /** Largest answer taken, in bytes; a watch's bound is per event. */
  maxBodyBytes?: number
  clock: Clock
}

export interface HttpRequest {
  method: string
  path: string
  body?: string
  contentType?: string
  headers?: Record<string, string | string[]>
  signal?: AbortSignal
}

export interface HttpResponse {
  status: number
  headers: http2.IncomingHttpHeaders
  stream: ResponseStream
}

/** What is read of an HTTP/2 stream here; an answer from within the process looks the same. */
export interface ResponseStream extends AsyncIterable<any> {
  close(code: number): void
  readonly aborted?: boolean
  readonly rstCode?: number | undefined
}

const PING_MS = 30_000
const PING_TIMEOUT_MS = 15_000
export const MAX_BODY_BYTES = 512 * 1024 * 1024

export class HttpSession implements AsyncDisposable {
  #options: SessionOptions
  #session: http2.ClientHttp2Session | undefined
  #closed = false

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Resolves with the head of the answer; the body is still to be read from its stream. */
  async request({ method, path, body, contentType, headers: more, signal }: HttpRequest): Promise<HttpResponse> {
    signal?.throwIfAborted()
    const { token, userAgent = 'sampan' } = this.#options
    const bearer = typeof token === 'function' ? await token() : token
    const headers: http2.OutgoingHttpHeaders = {
      ...more,
      ':method': method,
      ':path': path,
      accept: 'application/json',
      'user-agent': userAgent,
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    const stream = this.#connect().request(headers, { endStream: body === undefined })
    const abort = () => stream.close(http2.constants.NGHTTP2_CANCEL)
    signal?.addEventListener('abort', abort, { once: true })
    stream.once('close', () => signal?.removeEventListener('abort', abort))
    if (body !== undefined) stream.end(body)
    return new Promise((resolve, reject) => {
      const failed = (cause?: unknown) => reject(signal?.aborted ? signal.reason : unavailable(method, path, cause))
      stream.once('response', (answer) => {
        stream.off('close', failed)
        resolve({ status: Number(answer[':status']), headers: answer, stream: new AnswerStream(stream) })
      })
      stream.once('error', failed)
      stream.once('close', failed)
    })
  }

  async readBody({ stream }: HttpResponse): Promise<Buffer> {
    const limit = this.#options.maxBodyBytes ?? MAX_BODY_BYTES
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) {
        stream.close(http2.constants.NGHTTP2_CANCEL)
        throw new StatusError('RequestEntityTooLarge', `the server's answer is larger than ${limit} bytes`)
      }
      chunks.push(chunk)
    }
    // A stream that was cut off ends like a finished one; only its reset code tells.
    if (stream.aborted || stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) {
      throw new StatusError('ServiceUnavailable', 'the connection broke off in the middle of an answer')
    }
    return Buffer.concat(chunks)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#session?.destroy()
  }

  #connect(): http2.ClientHttp2Session {
    if (this.#closed) throw new StatusError('ServiceUnavailable', 'the client is closed')
    const current = this.#session
    if (current && !current.closed && !current.destroyed) return current
    const { url, ca, cert, key, servername, clock } = this.#options
    const session = http2.connect(url, {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(servername ? { servername } : {}),
      settings: { initialWindowSize: 4 * 1024 * 1024, enablePush: false },
    })
    session.once('connect', () => session.setLocalWindowSize(16 * 1024 * 1024))
    // Every stream is told of the failure as well; without a listener the process would fall.
    session.on('error', () => {})
    // A peer that vanished without a word would leave watches waiting for ever.
    const pinging = clock.every(PING_MS, () => {
      if (session.closed || session.destroyed || session.connecting) return
      const overdue = clock.after(PING_TIMEOUT_MS, () => session.destroy())
      session.ping((error) => (overdue.cancel(), error && session.destroy()))
    })
    session.once('close', () => pinging.cancel())
    this.#session = session
    return session
  }
}

function unavailable(method: string, path: string, cause: unknown): StatusError {
  // Why there is no connection stands behind what became of the stream.
  const first = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const why = first instanceof Error ? first.message || (first as NodeJS.ErrnoException).code : 'the connection was closed'
  return new StatusError('ServiceUnavailable', `${method} ${path.split('?')[0]}: ${why}`, { cause })
}
