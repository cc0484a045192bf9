// One HTTP/2 connection of a server (RFC 9113): reads frames, keeps streams, and bounds what a peer may cost. Nothing is pushed, and priorities are not
// heeded. What is sent is its sender's.
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'
import { Calm } from './calm.ts'
import { FrameSender } from './frame-sender.ts'
import { CODE, ConnectionError, DEFAULT_WINDOW, FLAG, FRAME, type Frame, FrameReader, MAX_WINDOW, numberFrame, SETTING } from './frames.ts'
import { HeaderDecoder } from './header-decoder.ts'
import { PastStreams } from './past-streams.ts'
import { acknowledgement, fragment, goAwayFrame, readSettings, settingsFrame, unpadded } from './payloads.ts'
import { areTrailers, requestHead } from './request-head.ts'
import type { SharedTurns, Source } from '#lib/shared-turns.ts'
import { ServerStream } from './server-stream.ts'

/** As Kubernetes' own server allows. */
const MAX_STREAMS = 250
const STREAM_WINDOW = 256 * 1024
const CONNECTION_WINDOW = MAX_STREAMS * STREAM_WINDOW
const REPLENISH_BYTES = CONNECTION_WINDOW / 4
const MAX_HEADER_BYTES = 256 * 1024
/** A header block may come in so many frames. */
const MAX_CONTINUATIONS = 32
/** Streams that are opened and come to nothing. */
const BROKEN_STREAMS = { burst: 1000, perSecond: 33 }
/** Frames that say nothing. */
const EMPTY_FRAMES = { burst: 10_000, perSecond: 100 }
/** Each may change the window of every stream. */
const SETTINGS_FRAMES = { burst: 1000, perSecond: 10 }
/** To greet, and to end a header block once it is begun. */
const GREETING_MS = 10_000
const BLOCK_MS = 30_000
/** A connection without requests is left, as upstream's server does. */
const IDLE_MS = 90_000
/** After so much of one peer, and so many requests, others have their turn. */
const TURN_BYTES = 64 * 1024
const SERVED_AT_ONCE = 64
/** Others change something, which takes longer. */
const WEIGHTS: Readonly<Record<string, number>> = { GET: 1, HEAD: 1 }
/** What they were at ends without a turn of its own. */
const FEW_STREAMS = 16
const EMPTY = Buffer.alloc(0)

export interface ConnectionOptions {
  clock: Clock
  /** Called with every request, once its head is here. */
  serve(stream: ServerStream): void
  /** In which requests begin, of this connection and others. */
  turns: SharedTurns
}

export class ServerConnection implements Source {
  readonly #socket: Duplex
  readonly #serve: (stream: ServerStream) => void
  readonly #reader = new FrameReader((frame) => this.#take(frame))
  readonly #sender: FrameSender
  readonly #decoder = new HeaderDecoder(MAX_HEADER_BYTES)
  readonly #clock: Clock
  readonly #brokenStreams: Calm
  readonly #emptyFrames: Calm
  readonly #settingsFrames: Calm
  readonly #streams = new Map<number, ServerStream>()
  readonly #past = new PastStreams()
  /** Requests of the bytes just read: served when all of these have been looked at, for then small bodies are here. */
  #begun: ServerStream[] = []
  readonly #turns: SharedTurns
  #lastStream = 0
  #streamWindow = DEFAULT_WINDOW
  #receiveWindow = CONNECTION_WINDOW
  #settled = false
  #unanswered = false
  /** Read since others had their turn. */
  #turnBytes = 0
  /** No more requests are taken. */
  #leaving = false
  #over = false
  #idleSince: number
  #overdue: Timer
  /** A header block whose end has not come. */
  #block: { stream: number; end: boolean; parts: Buffer[]; bytes: number; overdue: Timer } | undefined

  constructor(socket: Duplex, { clock, serve, turns }: ConnectionOptions) {
    this.#socket = socket
    this.#turns = turns
    this.#serve = serve
    this.#clock = clock
    this.#brokenStreams = new Calm(clock, BROKEN_STREAMS)
    this.#emptyFrames = new Calm(clock, EMPTY_FRAMES)
    this.#settingsFrames = new Calm(clock, SETTINGS_FRAMES)
    this.#sender = new FrameSender(socket, { clock, forget: (stream) => this.#forget(stream) })
    this.#idleSince = clock.monotonic()
    this.#overdue = clock.after(GREETING_MS, () => this.destroy())
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#gone())
    this.#sender.control(
      settingsFrame([
        [SETTING.maxConcurrentStreams, MAX_STREAMS],
        [SETTING.initialWindowSize, STREAM_WINDOW],
        [SETTING.maxHeaderListSize, MAX_HEADER_BYTES],
      ]),
    )
    this.#sender.control(numberFrame(FRAME.windowUpdate, 0, CONNECTION_WINDOW - DEFAULT_WINDOW))
  }

  /** Takes no more requests, and closes once those there are have been answered. */
  leave(): void {
    if (this.#leaving || this.#over) return
    this.#leaving = true
    if (this.#streams.size === 0) this.#end(CODE.none, '')
    else this.#sender.control(goAwayFrame(this.#lastStream, CODE.none, ''))
  }

  /** Asks whether the peer is still there; destroys the connection where the last question was not answered. */
  probe(): void {
    if (this.#unanswered) return this.destroy()
    this.#unanswered = true
    this.#sender.control(numberFrame(FRAME.ping, 0, 0, 0))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#over) return
    this.#unanswered = false
    this.#turnBytes += chunk.length
    if (this.#turnBytes >= TURN_BYTES) this.#giveWay()
    try {
      this.#reader.read(chunk)
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#end(error.code, error.message)
    }
    if (this.#begun.length > 0) this.#turns.offer(this)
  }

  get left(): number {
    return this.#begun.length
  }

  begin(most: number): number {
    let weight = 0
    let count = 0
    for (const { head } of this.#begun) {
      weight += WEIGHTS[head.method] ?? 2
      if (++count === SERVED_AT_ONCE || weight >= most) break
    }
    for (const stream of this.#begun.splice(0, count)) if (!stream.isClosed) this.#serve(stream)
    return weight
  }

  #giveWay(): void {
    this.#turnBytes = 0
    this.#socket.pause()
    setImmediate(() => this.#socket.resume())
  }

  #take(frame: Frame): void {
    const { type } = frame
    if (!this.#settled && type !== FRAME.settings) throw wrong('the first frame is not SETTINGS')
    if (this.#block && type !== FRAME.continuation) throw wrong('a header block is interrupted')
    if (type === FRAME.data) this.#data(frame)
    else if (type === FRAME.headers) this.#headers(frame)
    else if (type === FRAME.continuation) this.#continuation(frame)
    else if (type === FRAME.reset) this.#reset(frame)
    else if (type === FRAME.settings) this.#settings(frame)
    else if (type === FRAME.ping) this.#ping(frame)
    else if (type === FRAME.windowUpdate) this.#windowUpdate(frame)
    else if (type === FRAME.goAway) this.#away(frame)
    else if (type === FRAME.pushPromise) throw wrong('a client pushes')
  }

  #data(frame: Frame): void {
    const { stream: id, start, end } = frame
    const length = end - start
    if (this.#isIdle(id)) throw wrong('DATA of no stream')
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) throw new ConnectionError(CODE.flowControl, 'more DATA than the window allows')
    // What streams may hold is bounded by their own windows.
    const used = CONNECTION_WINDOW - this.#receiveWindow
    if (used >= REPLENISH_BYTES) {
      this.#receiveWindow = CONNECTION_WINDOW
      this.#sender.control(numberFrame(FRAME.windowUpdate, 0, used))
    }
    const [from, to] = unpadded(frame)
    const ends = (frame.flags & FLAG.endStream) !== 0
    if (from === to && !ends && !this.#emptyFrames.allows()) throw new ConnectionError(CODE.enhanceYourCalm, 'too many empty frames')
    const stream = this.#streams.get(id)
    if (!stream) {
      if (this.#past.endOf(id) === 'ended') throw new ConnectionError(CODE.streamClosed, 'DATA of a stream that has ended')
      if (ends) this.#sender.spare(id)
      return
    }
    // Padding takes of the window, and is gone at once.
    const padding = length - (to - from)
    if (padding > 0 && !ends) this.#sender.widen(stream, padding)
    // A copy: what was read from the socket is larger, and goes.
    const bytes = Buffer.from(frame.bytes.subarray(from, to))
    this.#receive(stream, bytes, ends)
  }

  #receive(stream: ServerStream, bytes: Buffer, end: boolean): void {
    const code = stream.receive(bytes, end)
    if (code !== undefined) this.#break(stream, code)
  }

  #headers(frame: Frame): void {
    const { stream, flags, bytes } = frame
    if (stream % 2 === 0) throw wrong('HEADERS of no stream of a client')
    const [from, to] = fragment(frame)
    const end = (flags & FLAG.endStream) !== 0
    if (flags & FLAG.endHeaders) return this.#open(stream, { end, bytes, from, to })
    const overdue = this.#clock.after(BLOCK_MS, () => this.#end(CODE.enhanceYourCalm, 'an endless header block'))
    this.#block = { stream, end, parts: [Buffer.from(bytes.subarray(from, to))], bytes: to - from, overdue }
  }

  #continuation({ stream, flags, bytes, start, end }: Frame): void {
    const block = this.#block
    if (!block || block.stream !== stream) throw wrong('CONTINUATION of nothing')
    block.parts.push(Buffer.from(bytes.subarray(start, end)))
    block.bytes += end - start
    if (block.parts.length > MAX_CONTINUATIONS || block.bytes > MAX_HEADER_BYTES)
      throw new ConnectionError(CODE.enhanceYourCalm, 'an endless header block')
    if (!(flags & FLAG.endHeaders)) return
    block.overdue.cancel()
    this.#block = undefined
    this.#open(stream, { end: block.end, bytes: Buffer.concat(block.parts, block.bytes), from: 0, to: block.bytes })
  }

  /** A whole header block: a request's head, or trailers, which nobody here reads. */
  #open(id: number, { end, bytes, from, to }: { end: boolean; bytes: Buffer; from: number; to: number }): void {
    const { fields, tooLarge } = this.#decoder.decode(bytes, from, to)
    const known = this.#streams.get(id)
    if (known) {
      if (known.received) this.#break(known, CODE.streamClosed)
      else if (!end || !areTrailers(fields)) this.#break(known, CODE.protocol)
      else this.#receive(known, EMPTY, true)
      return
    }
    if (id <= this.#lastStream) {
      const past = this.#past.endOf(id)
      // Trailers of a stream that was answered meanwhile.
      if (past === 'left') return
      throw past === 'ended'
        ? new ConnectionError(CODE.streamClosed, 'HEADERS of a stream that has ended')
        : wrong('HEADERS of a lower stream')
    }
    this.#lastStream = id
    const head = tooLarge ? { method: 'GET', path: '/', headers: {} } : requestHead(fields)
    if (!head || this.#streams.size >= MAX_STREAMS || this.#leaving) return this.#refuse(id, head ? CODE.refusedStream : CODE.protocol)
    const stream = new ServerStream(id, head, { carrier: this.#sender, window: this.#streamWindow, receiveWindow: STREAM_WINDOW })
    this.#streams.set(id, stream)
    if (end) this.#receive(stream, EMPTY, true)
    if (stream.isClosed) return
    if (tooLarge) return stream.respond(431, { 'content-type': 'text/plain; charset=utf-8' }, 'Request Header Fields Too Large\n')
    this.#begun.push(stream)
  }

  #reset({ stream: id }: Frame): void {
    if (this.#isIdle(id)) throw wrong('RST_STREAM of no stream')
    const stream = this.#streams.get(id)
    if (!stream) return
    this.#sender.forget(stream)
    this.#past.add(id, { left: false })
    stream.close()
    this.#count()
  }

  #settings(frame: Frame): void {
    const { flags, start, end } = frame
    if ((end - start) % 6 !== 0 || (flags & FLAG.ack && end > start)) throw new ConnectionError(CODE.frameSize, 'SETTINGS of a wrong size')
    if (flags & FLAG.ack) return
    if (!this.#settingsFrames.allows()) throw new ConnectionError(CODE.enhanceYourCalm, 'too many SETTINGS')
    const { tableBytes, window = this.#streamWindow } = readSettings(frame)
    if (!this.#settled) this.#greeted()
    if (tableBytes !== undefined) this.#sender.encoder.limit(tableBytes)
    this.#resize(window)
    this.#sender.control(acknowledgement(frame))
  }

  #greeted(): void {
    this.#settled = true
    this.#overdue.cancel()
    this.#watchIdle(IDLE_MS)
  }

  #watchIdle(milliseconds: number): void {
    this.#overdue = this.#clock.after(milliseconds, () => {
      const left = this.#streams.size > 0 ? IDLE_MS : this.#idleSince + IDLE_MS - this.#clock.monotonic()
      if (left <= 0) this.leave()
      else this.#watchIdle(left)
    })
  }

  #resize(window: number): void {
    const more = window - this.#streamWindow
    if (more === 0) return
    this.#streamWindow = window
    for (const stream of this.#streams.values())
      if (!this.#sender.openStream(stream, more)) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
  }

  #ping(frame: Frame): void {
    if (!(frame.flags & FLAG.ack)) this.#sender.control(acknowledgement(frame))
  }

  /** The client asks no more; it closes when it has its answers. */
  #away({ start, end }: Frame): void {
    if (end - start < 8) throw new ConnectionError(CODE.frameSize, 'GOAWAY of a wrong size')
  }

  #windowUpdate({ stream: id, bytes, start }: Frame): void {
    const more = bytes.readUInt32BE(start) & MAX_WINDOW
    if (id > 0 && this.#isIdle(id)) throw wrong('WINDOW_UPDATE of no stream')
    if (id === 0) {
      if (more === 0) throw wrong('WINDOW_UPDATE of nothing')
      if (!this.#sender.open(more)) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
      return
    }
    const stream = this.#streams.get(id)
    if (!stream) return
    if (more === 0) this.#break(stream, CODE.protocol)
    else if (!this.#sender.openStream(stream, more)) this.#break(stream, CODE.flowControl)
  }

  /** No stream that a client has opened. */
  #isIdle(id: number): boolean {
    return id > this.#lastStream || id % 2 === 0
  }

  #forget(stream: ServerStream): void {
    if (!this.#streams.delete(stream.id)) return
    this.#past.add(stream.id, { left: !stream.received })
    if (this.#streams.size > 0) return
    this.#idleSince = this.#clock.monotonic()
    if (this.#leaving) this.#end(CODE.none, '')
  }

  /** The peer broke a rule of one stream. */
  #break(stream: ServerStream, code: number): void {
    stream.reset(code)
    this.#count()
  }

  #refuse(id: number, code: number): void {
    this.#past.add(id, { left: true })
    this.#sender.control(numberFrame(FRAME.reset, id, code))
    this.#count()
  }

  #count(): void {
    if (!this.#brokenStreams.allows()) throw new ConnectionError(CODE.enhanceYourCalm, 'too many streams that come to nothing')
  }

  /** Says why, and closes once that has left. */
  #end(code: number, why: string): void {
    if (this.#over) return
    this.#over = true
    this.#sender.end(goAwayFrame(this.#lastStream, code, why))
    this.#gone()
  }

  #gone(): void {
    this.#over = true
    this.#overdue.cancel()
    this.#block?.overdue.cancel()
    this.#begun = []
    this.#sender.stop()
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    const close = () => streams.forEach((stream) => stream.close())
    // Whole crowds of connections leave at once.
    if (streams.length <= FEW_STREAMS) close()
    else void nextTurn().then(close)
  }
}

function wrong(what: string): ConnectionError {
  return new ConnectionError(CODE.protocol, what)
}
