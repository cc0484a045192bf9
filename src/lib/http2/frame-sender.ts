// What a connection sends: heads and bodies of answers within the peer's windows, and frames about the connection. Streams with much to send take turns;
// who does not read is waited for within bounds.
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '#lib/clock.ts'
import { FrameWriter } from './frame-writer.ts'
import { CODE, DEFAULT_WINDOW, FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES, MAX_WINDOW, numberFrame, writeFrameHead } from './frames.ts'
import { HeaderEncoder } from './header-encoder.ts'
import type { AnswerHead, Done, ServerStream, StreamCarrier } from './server-stream.ts'

/** What waits for the socket before streams have to wait. */
const HIGH_WATER = 256 * 1024
/** A longer piece of an answer takes turns with others. */
const AT_ONCE_BYTES = 64 * 1024
/** Who makes us answer and does not read the answers. */
const MAX_BACKLOG = 2 * 1024 * 1024
/** A whole answer of which no more is taken in so long is given up: who served it has done all they can. */
const STALLED_MS = 60_000
const TAKEN_BYTES = 64 * 1024
/** For the last words to be read. */
const LINGER_MS = 1000

const MOST_FAREWELLS = 256

export interface SenderOptions {
  clock: Clock
  /** Called when nothing more is sent or taken of a stream. */
  forget(stream: ServerStream): void
}

export class FrameSender implements StreamCarrier {
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #forgotten: (stream: ServerStream) => void
  readonly #writer: FrameWriter
  readonly encoder = new HeaderEncoder()
  /** Streams with something to send, in turn. */
  readonly #ready = new Set<ServerStream>()
  #window = DEFAULT_WINDOW
  /** Streams that are answered, and whose bodies were about to come. */
  readonly #farewells = new Set<number>()
  #farewell: Timer | undefined
  #over = false
  #date = { second: 0, text: '' }

  constructor(socket: Duplex, { clock, forget }: SenderOptions) {
    this.#socket = socket
    this.#clock = clock
    this.#forgotten = forget
    this.#writer = new FrameWriter(socket, () => this.#pump())
  }

  sendHead(stream: ServerStream, { status, headers, end, length }: AnswerHead): void {
    this.#sendBlock(stream.id, this.encoder.encode(status, headers, { date: this.#now(), length }), end)
    if (end) this.#ended(stream)
  }

  sendData(stream: ServerStream, { bytes, end, done }: { bytes: Buffer; end: boolean; done?: Done | undefined }): void {
    if (stream.isClosed || this.#over) return done?.(new Error('the stream is closed'))
    const { length } = bytes
    const fits = length <= AT_ONCE_BYTES && length <= stream.window && length <= this.#window && this.#writer.backlog < HIGH_WATER
    // Who waits already comes first: else many small answers would take all of a small window, and a large one never ended.
    if (fits && stream.queue.length === 0 && (length === 0 || this.#ready.size === 0)) {
      for (let at = 0; at < length || at === 0; at += MAX_FRAME_BYTES)
        this.#sendPart(stream, { bytes, start: at, end: Math.min(length, at + MAX_FRAME_BYTES), last: end })
      if (done) this.#writer.whenWritten(done)
      if (end) this.#ended(stream)
      return
    }
    stream.queue.push({ bytes, at: 0, end, done })
    this.#ready.add(stream)
    this.#writer.schedule()
    if (end) this.#lookAfter(stream)
  }

  sendReset(stream: ServerStream, code: number): void {
    this.forget(stream)
    this.control(numberFrame(FRAME.reset, stream.id, code))
  }

  /**
   * There are clients (curl 7.88) that forget an answer over the reset behind it while they are still sending. What was on its way has come
   * before long, and then nobody needs to be stopped.
   */
  sendFarewell(stream: ServerStream): void {
    this.forget(stream)
    if (this.#over) return
    this.#farewells.add(stream.id)
    if (this.#farewells.size >= MOST_FAREWELLS) this.#resetRest()
    else this.#farewell ??= this.#clock.after(LINGER_MS, () => this.#resetRest())
  }

  /** All of a body has come that nobody waited for. */
  spare(id: number): void {
    this.#farewells.delete(id)
  }

  #resetRest(): void {
    this.#farewell?.cancel()
    this.#farewell = undefined
    for (const id of this.#farewells) this.control(numberFrame(FRAME.reset, id, CODE.none))
    this.#farewells.clear()
  }

  widen(stream: ServerStream, bytes: number): void {
    this.control(numberFrame(FRAME.windowUpdate, stream.id, bytes))
  }

  sendContinue(stream: ServerStream): void {
    this.#sendBlock(stream.id, this.encoder.encode(100, {}), false)
  }

  /** A frame about the connection, or that something is not to be. */
  control(frame: Buffer): void {
    if (this.#over) return
    if (this.#writer.backlog > MAX_BACKLOG) this.#socket.destroy()
    else this.#writer.add(frame)
  }

  /** The peer takes so much more. False: more than can be counted. */
  open(bytes: number): boolean {
    this.#window += bytes
    if (this.#ready.size > 0) this.#writer.schedule()
    return this.#window <= MAX_WINDOW
  }

  /** The same of one stream. */
  openStream(stream: ServerStream, bytes: number): boolean {
    stream.window += bytes
    if (stream.queue.length > 0) {
      this.#ready.add(stream)
      this.#writer.schedule()
    }
    return stream.window <= MAX_WINDOW
  }

  forget(stream: ServerStream): void {
    this.#ready.delete(stream)
    this.#forgotten(stream)
  }

  /** Sends `last` and no more. */
  end(last: Buffer): void {
    this.#writer.add(last)
    this.#writer.flush()
    this.stop()
    // Closed at once, what the peer is still sending would have the connection reset, and the last words with it.
    this.#socket.end()
    const overdue = this.#clock.after(LINGER_MS, () => this.#socket.destroy())
    this.#socket.once('close', () => overdue.cancel())
  }

  stop(): void {
    this.#over = true
    this.#ready.clear()
    this.#farewell?.cancel()
  }

  /** Sends what waits, a frame of each stream in turn, while there is room for it. */
  #pump(): void {
    for (const stream of this.#ready) {
      if (this.#writer.backlog >= HIGH_WATER) return
      this.#ready.delete(stream)
      const queued = stream.queue[0]
      if (!queued) continue
      const left = queued.bytes.length - queued.at
      const size = Math.max(0, Math.min(left, MAX_FRAME_BYTES, stream.window, this.#window))
      if (left > 0 && size === 0) {
        // Its own window opens by a frame that names it; the connection's for all.
        if (stream.window <= 0) continue
        this.#ready.add(stream)
        return
      }
      const at = queued.at + size
      this.#sendPart(stream, { bytes: queued.bytes, start: queued.at, end: at, last: queued.end })
      queued.at = at
      if (size === left) {
        stream.queue.shift()
        if (queued.done) this.#writer.whenWritten(queued.done)
        if (queued.end) this.#ended(stream)
      }
      if (stream.queue.length > 0) this.#ready.add(stream)
    }
  }

  #lookAfter(stream: ServerStream): void {
    const { waiting } = stream
    stream.patience = this.#clock.after(STALLED_MS, () => {
      if (stream.waiting > waiting - TAKEN_BYTES) stream.reset(CODE.cancel)
      else this.#lookAfter(stream)
    })
  }

  #sendPart(stream: ServerStream, { bytes, start, end, last }: { bytes: Buffer; start: number; end: number; last: boolean }): void {
    const length = end - start
    const flags = last && end === bytes.length ? FLAG.endStream : 0
    const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
    writeFrameHead(head, 0, { length, type: FRAME.data, flags, stream: stream.id })
    this.#writer.add(head)
    if (length > 0) this.#writer.add(length === bytes.length ? bytes : bytes.subarray(start, end))
    stream.window -= length
    this.#window -= length
  }

  #sendBlock(stream: number, block: Buffer, end: boolean): void {
    for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
      const length = Math.min(MAX_FRAME_BYTES, block.length - at)
      const flags = (at === 0 && end ? FLAG.endStream : 0) | (at + length === block.length ? FLAG.endHeaders : 0)
      const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length)
      writeFrameHead(frame, 0, { length, type: at === 0 ? FRAME.headers : FRAME.continuation, flags, stream })
      block.copy(frame, FRAME_HEAD_BYTES, at, at + length)
      this.control(frame)
    }
  }

  #ended(stream: ServerStream): void {
    this.forget(stream)
    stream.endSent()
  }

  /** The date of answers, made once a second. */
  #now(): string {
    const second = Math.floor(this.#clock.now() / 1000)
    if (this.#date.second !== second) this.#date = { second, text: new Date(second * 1000).toUTCString() }
    return this.#date.text
  }
}
