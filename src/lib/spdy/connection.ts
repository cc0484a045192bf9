// One SPDY/3.1 connection over any duplex, as the streams of exec, attach and port-forward use it. Send windows are ignored, because Go's
// spdystream never opens them: the socket itself is the brake. A stream that is not read stops the whole connection, as it does there.
import { Duplex } from 'node:stream'
import { CONTROL, controlFrame, dataHeader, FIN, type Frame, numbers, readFrames } from './frames.ts'
import { HeaderReader, type SpdyHeaders, HeaderWriter } from './header-block.ts'

const STREAM_LIMIT = 4096
const CHUNK_BYTES = 0xffffff
const CANCEL = 5
const REFUSED_STREAM = 3

export interface SpdyOptions {
  role: 'client' | 'server'
  /** Of a server: a stream the other side opened, already accepted. Without it every stream is refused. */
  onStream?(stream: SpdyStream): void
}

export class SpdyConnection {
  /** Resolves when the socket is gone, however it went. */
  readonly closed: Promise<void>
  readonly #socket: Duplex
  readonly #options: SpdyOptions
  readonly #streams = new Map<number, SpdyStream>()
  readonly #writer = new HeaderWriter()
  readonly #reader = new HeaderReader()
  #nextId: number

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket
    this.#options = options
    this.#nextId = options.role === 'client' ? 1 : 2
    socket.on('error', () => {})
    // Where the other side ended it well, what it said last may still be on its way to whoever reads slowly.
    socket.on('close', () => {
      if (!socket.readableEnded) this.#abandon()
    })
    this.closed = this.#read().finally(() => {
      socket.destroy()
      this.#abandon()
    })
  }

  #abandon(): void {
    for (const stream of this.#streams.values()) stream.abandon()
    this.#streams.clear()
  }

  open(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextId
    this.#nextId += 2
    // Stream, associated stream, priority and slot.
    this.#socket.write(controlFrame(CONTROL.synStream, 0, Buffer.concat([numbers(id, 0), Buffer.alloc(2), this.#writer.encode(headers)])))
    return this.#add(id, headers)
  }

  close(): void {
    if (!this.#socket.writable) return
    this.#socket.end(controlFrame(CONTROL.goaway, 0, numbers(0, 0)), () => this.#socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
    // Wakes a reader that waits for room in a stream nobody reads any more.
    this.#abandon()
  }

  #add(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(id, headers, {
      send: (chunk, fin, done) => this.#send(id, { chunk, fin }, done),
      reset: () => {
        if (this.#streams.delete(id) && this.#socket.writable) this.#socket.write(controlFrame(CONTROL.rstStream, 0, numbers(id, CANCEL)))
      },
      done: () => void this.#streams.delete(id),
    })
    this.#streams.set(id, stream)
    return stream
  }

  #send(id: number, { chunk, fin }: { chunk: Buffer; fin: boolean }, done: (error?: Error | null) => void): void {
    if (!this.#socket.writable) return done(new Error('the connection is closed'))
    let free = true
    let at = 0
    this.#socket.cork()
    do {
      const piece = chunk.subarray(at, at + CHUNK_BYTES)
      at += piece.length
      this.#socket.write(dataHeader(id, piece.length, fin && at === chunk.length))
      if (piece.length > 0) free = this.#socket.write(piece)
    } while (at < chunk.length)
    process.nextTick(() => this.#socket.uncork())
    if (free) return done()
    const resume = () => {
      this.#socket.off('drain', resume)
      this.#socket.off('close', resume)
      done()
    }
    this.#socket.on('drain', resume)
    this.#socket.on('close', resume)
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of readFrames(this.#socket)) {
        if (frame.kind === 'control') await this.#control(frame)
        else await this.#streams.get(frame.streamId)?.deliver(frame.chunk, frame.fin)
      }
    } catch {
      // A broken peer or socket: its streams are told below, which is all there is to do.
    }
  }

  async #control({ type, flags, payload }: Frame & { kind: 'control' }): Promise<void> {
    const id = payload.length >= 4 ? payload.readUInt32BE(0) & 0x7fffffff : 0
    switch (type) {
      case CONTROL.synStream: {
        const headers = await this.#reader.decode(payload.subarray(10))
        const refused = !this.#options.onStream || this.#streams.size >= STREAM_LIMIT || this.#streams.has(id)
        if (refused) return void this.#socket.write(controlFrame(CONTROL.rstStream, 0, numbers(id, REFUSED_STREAM)))
        const stream = this.#add(id, headers)
        this.#socket.write(controlFrame(CONTROL.synReply, 0, Buffer.concat([numbers(id), this.#writer.encode({})])))
        this.#options.onStream?.(stream)
        if (flags & FIN) await stream.deliver(Buffer.alloc(0), true)
        return
      }
      case CONTROL.synReply:
        // A client has no use for the headers; a server that opened streams might, and must keep the inflater in step.
        if (flags & FIN) await this.#streams.get(id)?.deliver(Buffer.alloc(0), true)
        return
      case CONTROL.rstStream:
        this.#streams.get(id)?.reset()
        this.#streams.delete(id)
        return
      case CONTROL.ping:
        return void this.#socket.write(controlFrame(CONTROL.ping, 0, payload))
      default:
        return
    }
  }
}

interface Wire {
  send(chunk: Buffer, fin: boolean, done: (error?: Error | null) => void): void
  reset(): void
  done(): void
}

export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #wire: Wire
  #wanted: (() => void) | undefined
  #ended = false
  #unwanted = false

  constructor(id: number, headers: SpdyHeaders, wire: Wire) {
    super({ allowHalfOpen: true, emitClose: true })
    this.id = id
    this.headers = headers
    this.#wire = wire
    // Losing the connection is an error only to whoever listens for one.
    this.on('error', () => {})
  }

  /** From the connection: resolves when there is room for more. */
  async deliver(chunk: Buffer, fin: boolean): Promise<void> {
    if (this.destroyed || this.#ended) return
    if (chunk.length > 0 && !this.push(chunk)) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve
      })
    }
    if (fin) this.#end()
  }

  /** From the connection: the other side wants no more of it. Servers in Go end good streams this way too, so for a reader it is the end. */
  reset(): void {
    this.#unwanted = true
    this.#end()
  }

  /** From the connection: it is gone. What has come is still there to be read. */
  abandon(): void {
    this._read()
    if (this.#ended && this.writableFinished) return
    this.#unwanted = true
    if (this.readableLength > 0) this.#end()
    else this.destroy(this.#ended ? undefined : new Error('the connection was lost'))
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.push(null)
  }

  override _read(): void {
    this.#wanted?.()
    this.#wanted = undefined
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#unwanted) done()
    else this.#wire.send(chunk, false, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#unwanted) done()
    else this.#wire.send(Buffer.alloc(0), true, done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanted?.()
    this.#wanted = undefined
    // Nothing is sent to who has done with the stream: a connection that is closed over there would be broken by it, with all that is still unread.
    if (this.#unwanted || (this.#ended && this.writableFinished)) this.#wire.done()
    else this.#wire.reset()
    done(error)
  }
}
