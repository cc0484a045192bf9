// The body of an answer over HTTP/2, chunk by chunk. Node's own iteration takes a stream for broken off that the peer has closed in the same breath as it
// answered: its `closed` speaks of HTTP/2, not of what is still to be read.
import http2, { type ClientHttp2Stream } from 'node:http2'

export class AnswerStream implements AsyncIterable<Buffer> {
  readonly #stream: ClientHttp2Stream
  #changed: (() => void) | undefined

  /** Made when the head comes: later the end may have been told already. */
  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream
    const changed = () => this.#changed?.()
    for (const event of ['readable', 'end', 'close', 'error']) stream.on(event, changed)
  }

  get aborted(): boolean {
    return this.#stream.aborted
  }

  get rstCode(): number | undefined {
    return this.#stream.rstCode
  }

  close(code: number): void {
    this.#stream.close(code)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const stream = this.#stream
    try {
      for (;;) {
        const chunk = stream.read() as Buffer | null
        if (chunk !== null) yield chunk
        else if (stream.readableEnded) return
        else if (stream.destroyed) throw stream.errored ?? brokenOff()
        else await new Promise<void>((resolve) => (this.#changed = resolve))
      }
    } finally {
      if (!stream.readableEnded) stream.close(http2.constants.NGHTTP2_CANCEL)
    }
  }
}

function brokenOff(): Error {
  return Object.assign(new Error('the connection broke off in the middle of an answer'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
