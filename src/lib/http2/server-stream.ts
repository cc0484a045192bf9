// One request and its answer on an HTTP/2 connection. A body that has come whole is there at once; streams are made only for who asks for them.
import type { OutgoingHttpHeaders } from 'node:http'
import { Readable, Writable } from 'node:stream'
import { ByteQueue } from '#lib/byte-queue.ts'
import type { Timer } from '#lib/clock.ts'
import { CODE } from './frames.ts'
import type { RequestHead } from './request-head.ts'

const EMPTY = Buffer.alloc(0)
/** Told to the peer once so much of a body has been taken. */
const REPLENISH_BYTES = 64 * 1024
/** So much of a body is on its way before its sender hears of an answer. */
const BRIEF_BYTES = 64 * 1024
/** Go's servers tell the length of what fits into their first buffer. */
const TOLD_BELOW = 4096

/** What a stream needs of its connection. */
export interface StreamCarrier {
  sendHead(stream: ServerStream, head: AnswerHead): void
  /** `done` is called once the bytes have left, with an error if they never will. */
  sendData(stream: ServerStream, data: { bytes: Buffer; end: boolean; done?: Done | undefined }): void
  sendReset(stream: ServerStream, code: number): void
  /** What little of the body is still to come may come, or is waved off later. */
  sendFarewell(stream: ServerStream): void
  /** The peer may send the body it has announced. */
  sendContinue(stream: ServerStream): void
  /** So much more of it. */
  widen(stream: ServerStream, bytes: number): void
}

export interface AnswerHead {
  status: number
  headers: OutgoingHttpHeaders
  /** Nothing follows. */
  end: boolean
  /** Told to the peer: bytes of the body. */
  length?: number | undefined
}

export type Done = (error?: Error | null) => void

interface Queued {
  bytes: Buffer
  /** How much of it has been sent. */
  at: number
  end: boolean
  done: Done | undefined
}

export class ServerStream {
  readonly id: number
  readonly head: RequestHead
  readonly #carrier: StreamCarrier
  /** Called once, when nothing more comes or goes. */
  closed: (() => void) | undefined
  /** What may be sent before the peer says more: for the connection's eyes, like the queue. */
  window: number
  readonly queue: Queued[] = []
  /** Runs while the rest of a whole answer waits to be sent. */
  patience: Timer | undefined
  #receiveWindow: number
  /** What the whole body was told to be. */
  readonly #declared: number | undefined
  #size = 0
  #body: ByteQueue | undefined
  #input: RequestBody | undefined
  #output: AnswerBody | undefined
  /** The reader has room for more. */
  #wanted = false
  #taken = 0
  /** The peer waits with the body until it is asked for. */
  #expected: boolean
  #state: 'open' | 'closed' = 'open'
  #received = false
  #sent = false
  #answered = false

  constructor(
    id: number,
    head: RequestHead,
    { carrier, window, receiveWindow }: { carrier: StreamCarrier; window: number; receiveWindow: number },
  ) {
    this.id = id
    this.head = head
    this.#carrier = carrier
    this.window = window
    this.#receiveWindow = receiveWindow
    this.#expected = head.headers.expect?.toLowerCase() === '100-continue'
    const declared = head.headers['content-length']
    if (declared !== undefined) this.#declared = Number(declared)
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** The peer has said that there is no more. */
  get received(): boolean {
    return this.#received
  }

  get answered(): boolean {
    return this.#answered
  }

  /** The body, where it is here already and nobody reads it as a stream; told once. */
  takeWhole(): Buffer | undefined {
    if (!this.#received || this.#input || this.isClosed) return undefined
    return this.#body?.takeAll() ?? EMPTY
  }

  get input(): Readable {
    if (this.#input) return this.#input
    this.#input = new RequestBody(() => {
      this.#wanted = true
      this.#invite()
      this.#pull()
    })
    if (this.isClosed && !this.#received) this.#input.destroy()
    return this.#input
  }

  /** A whole answer. */
  respond(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    if (this.isClosed || this.#answered) return
    this.#answered = true
    const bytes = body === undefined ? EMPTY : typeof body === 'string' ? Buffer.from(body) : asBuffer(body)
    const end = bytes.length === 0
    const length = body !== undefined && bytes.length <= TOLD_BELOW ? bytes.length : undefined
    this.#carrier.sendHead(this, { status, headers, end, length })
    if (!end) this.#carrier.sendData(this, { bytes, end: true })
  }

  /** An answer whose body is written bit by bit. */
  open(status: number, headers: OutgoingHttpHeaders): Writable {
    if (!this.#output) {
      this.#output = new AnswerBody(this, this.#carrier)
      if (this.isClosed || this.#answered) this.#output.destroy()
      else {
        this.#answered = true
        this.#carrier.sendHead(this, { status, headers, end: false })
      }
    }
    return this.#output
  }

  /** Breaks it off, for both sides. */
  reset(code: number): void {
    if (this.isClosed) return
    this.#carrier.sendReset(this, code)
    this.close()
  }

  /** More of the body has come; `bytes` are the stream's to keep. Answers the code of the rule that was broken. */
  receive(bytes: Buffer, end: boolean): number | undefined {
    const { length } = bytes
    if (this.#received) return CODE.streamClosed
    if (length > this.#receiveWindow) return CODE.flowControl
    this.#size += length
    if (this.#declared !== undefined && (end ? this.#size !== this.#declared : this.#size > this.#declared)) return CODE.protocol
    this.#receiveWindow -= length
    this.#received = end
    if (this.#sent) return undefined
    if (length > 0) (this.#body ??= new ByteQueue()).add(bytes)
    if (this.#input) this.#pull()
    return undefined
  }

  /** Bytes of the answer that have not been sent. */
  get waiting(): number {
    return this.queue.reduce((sum, { bytes, at }) => sum + bytes.length - at, 0)
  }

  /** The end of the answer is on its way. Who is still sending may stop. */
  endSent(): void {
    this.#sent = true
    if (!this.#received) {
      const isBrief = this.#declared !== undefined && this.#declared - this.#size <= BRIEF_BYTES
      if (isBrief) this.#carrier.sendFarewell(this)
      else this.#carrier.sendReset(this, CODE.none)
    }
    this.close()
  }

  /** Nothing more comes or goes: answered, reset, or the connection is gone. */
  close(): void {
    if (this.isClosed) return
    this.#state = 'closed'
    this.patience?.cancel()
    const queued = this.queue.splice(0)
    if (!this.#received) {
      this.#body = undefined
      this.#input?.emit('aborted')
      this.#input?.destroy()
    }
    if (!this.#sent) this.#output?.destroy()
    for (const { done } of queued) done?.(new Error('the stream is closed'))
    this.closed?.()
  }

  /** Who asks first whether the body is wanted learns it when it is read: a refusal spares the sending. */
  #invite(): void {
    if (!this.#expected) return
    this.#expected = false
    if (!this.#received && !this.#answered && !this.isClosed) this.#carrier.sendContinue(this)
  }

  #pull(): void {
    const input = this.#input!
    while (this.#wanted) {
      const chunk = this.#body?.shift()
      if (!chunk) break
      this.#taken += chunk.length
      this.#wanted = input.push(chunk)
    }
    if (this.#received && !this.#body?.length) input.push(null)
    if (this.#taken < REPLENISH_BYTES || this.#received || this.isClosed) return
    this.#receiveWindow += this.#taken
    this.#carrier.widen(this, this.#taken)
    this.#taken = 0
  }
}

/** Where the handler reads. */
class RequestBody extends Readable {
  readonly #pull: () => void

  constructor(pull: () => void) {
    super()
    this.#pull = pull
    this.on('error', ignore)
  }

  override _read(): void {
    this.#pull()
  }
}

/** Where the handler writes; each write is done when the connection has taken it. */
class AnswerBody extends Writable {
  readonly #stream: ServerStream
  readonly #carrier: StreamCarrier

  constructor(stream: ServerStream, carrier: StreamCarrier) {
    super()
    this.#stream = stream
    this.#carrier = carrier
    // Who writes learns of it by the stream's end.
    this.on('error', ignore)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#carrier.sendData(this.#stream, { bytes: chunk, end: false, done })
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    const last = chunks.length - 1
    for (const [index, { chunk }] of chunks.entries())
      this.#carrier.sendData(this.#stream, { bytes: chunk, end: false, done: index === last ? done : undefined })
  }

  override _final(done: Done): void {
    this.#carrier.sendData(this.#stream, { bytes: EMPTY, end: true, done })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.writableFinished) this.#stream.reset(CODE.internal)
    done(error)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function ignore(): void {}
