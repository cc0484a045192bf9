// gRPC's framing on one HTTP/2 stream: a flag byte, a length, a message; then the status in the trailers (or in the headers, when there is no
// message at all). Reading pulls: nothing is taken from the stream before somebody asks.
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { GrpcError, grpcCode } from './grpc-error.ts'

const HEADER_BYTES = 5
const MESSAGE_LIMIT = 64 * 1024 * 1024

export function frameMessage(message: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

export class MessageReader {
  readonly #stream: ClientHttp2Stream
  #held: Buffer[] = []
  #size = 0
  #done = false
  #failure: unknown
  #wake: (() => void) | undefined
  #status: { code: number; message: string } | undefined

  constructor(stream: ClientHttp2Stream, connectionLost: () => boolean) {
    this.#stream = stream
    const status = (headers: IncomingHttpHeaders) => {
      const code = headers['grpc-status']
      if (code === undefined) return
      this.#status = { code: Number(code), message: decodePercent(String(headers['grpc-message'] ?? '')) }
    }
    stream.on('response', (headers) => {
      status(headers)
      if (headers[':status'] !== 200) this.fail(new GrpcError(grpcCode('UNAVAILABLE'), `HTTP status ${headers[':status']}`))
    })
    stream.on('trailers', status)
    stream.on('data', (chunk: Buffer) => {
      this.#held.push(chunk)
      this.#size += chunk.length
      stream.pause()
      this.#wake?.()
    })
    stream.pause()
    // Paused streams do not end by themselves, and an unread trailer must still arrive.
    stream.on('end', () => this.#finish())
    stream.on('error', (error) => {
      // Why there is no connection stands behind what became of the stream.
      const { message } = error.cause instanceof Error ? error.cause : error
      this.fail(new GrpcError(grpcCode('UNAVAILABLE'), `connection error: ${message}`, error))
    })
    stream.on('close', () => {
      if (!this.#status && this.#failure === undefined) {
        this.fail(
          new GrpcError(grpcCode('UNAVAILABLE'), connectionLost() ? 'the connection to the server was lost' : 'the stream was closed'),
        )
      }
      this.#finish()
    })
  }

  /** undefined at the orderly end; throws the status of a failed call. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const message = this.#shift()
      if (message) return message
      if (this.#done) {
        if (this.#status && this.#status.code !== 0) throw new GrpcError(this.#status.code, this.#status.message)
        return undefined
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#stream.resume()
      })
      this.#wake = undefined
    }
  }

  fail(error: unknown): void {
    this.#failure ??= error ?? new GrpcError(grpcCode('CANCELLED'), 'context canceled')
    this.#wake?.()
  }

  #finish(): void {
    // The trailers are read before `close`, and `end` may come before them.
    if (!this.#status && !this.#stream.closed) return
    this.#done = true
    this.#wake?.()
  }

  #shift(): Buffer | undefined {
    if (this.#size < HEADER_BYTES) return undefined
    const held = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    this.#held = [held]
    if (held[0] !== 0) throw new GrpcError(grpcCode('INTERNAL'), 'compressed messages are not supported')
    const length = held.readUInt32BE(1)
    if (length > MESSAGE_LIMIT)
      throw new GrpcError(grpcCode('RESOURCE_EXHAUSTED'), `a message of ${length} bytes is larger than ${MESSAGE_LIMIT}`)
    const end = HEADER_BYTES + length
    if (held.length < end) return undefined
    this.#held = held.length > end ? [held.subarray(end)] : []
    this.#size = held.length - end
    return held.subarray(HEADER_BYTES, end)
  }
}

function decodePercent(text: string): string {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text[i] === '%' ? Number.parseInt(text.slice(i + 1, i + 3), 16) : Number.NaN
    bytes.push(Number.isNaN(code) ? text.charCodeAt(i) : code)
    if (!Number.isNaN(code)) i += 2
  }
  return Buffer.from(bytes).toString()
}
