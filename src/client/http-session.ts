// HTTP/2 to an API server: connections are opened when they are needed, again after they broke, and kept until disposed. What a server has surely not
// begun is asked again. Bodies are bounded; nothing here knows of objects.
import http2 from 'node:http2'
import { StatusError } from '#api/status.ts'
import { AnswerStream } from './answer-stream.ts'
import { type ConnectionOptions, HttpConnection } from './http-connection.ts'

export interface SessionOptions extends ConnectionOptions {
  /** A bearer token, or where to get the present one. */
  token?: string | (() => string | Promise<string>)
  userAgent?: string
  /** Largest answer taken, in bytes; a watch's bound is per event. */
  maxBodyBytes?: number
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

/** A server that refuses again and again is not there for us. */
const MAX_TRIES = 4
const MAX_BODY_BYTES = 512 * 1024 * 1024

export class HttpSession implements AsyncDisposable {
  #options: SessionOptions
  readonly #connections = new Set<HttpConnection>()
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
    for (let attempt = 1; ; attempt++) {
      const connection = this.#connect()
      const stream = connection.request(headers, body)
      try {
        return await answerOf(stream, signal)
      } catch (cause) {
        signal?.throwIfAborted()
        if (attempt === MAX_TRIES || !connection.wasSpared(stream)) throw unavailable(method, path, cause)
      }
    }
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
    for (const connection of this.#connections) connection.destroy()
  }

  /** The oldest with room for one more request, so that those that were needed once come to rest. */
  #connect(): HttpConnection {
    if (this.#closed) throw new StatusError('ServiceUnavailable', 'the client is closed')
    for (const connection of this.#connections) if (connection.hasRoom) return connection
    const connection = new HttpConnection(this.#options, (closed) => this.#connections.delete(closed))
    this.#connections.add(connection)
    return connection
  }
}

/** Rejects with what went wrong, if anything is known of it. */
function answerOf(stream: http2.ClientHttp2Stream, signal: AbortSignal | undefined): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) => reject(cause)
    const abort = () => {
      stream.close(http2.constants.NGHTTP2_CANCEL)
      // One that waits for its connection would close only with that.
      failed(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    stream.once('response', (answer) => {
      stream.off('close', failed)
      resolve({ status: Number(answer[':status']), headers: answer, stream: new AnswerStream(stream) })
    })
    stream.once('error', failed)
    stream.once('close', failed)
    stream.once('close', () => signal?.removeEventListener('abort', abort))
  })
}

function unavailable(method: string, path: string, cause: unknown): StatusError {
  // Why there is no connection stands behind what became of the stream.
  const first = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const why = first instanceof Error ? first.message || (first as NodeJS.ErrnoException).code : 'the connection was closed'
  return new StatusError('ServiceUnavailable', `${method} ${path.split('?')[0]}: ${why}`, { cause })
}
