// The frames of HTTP/2 (RFC 9113): their numbers, how one is written, and how a stream of bytes is cut into them. Knows nothing of what they mean.
import { ByteQueue } from '#lib/byte-queue.ts'

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

export const CODE = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const

export const FRAME_HEAD_BYTES = 9
/** The largest payload taken, and the largest sent to a peer that does not ask for more: what the protocol starts with. */
export const MAX_FRAME_BYTES = 16_384
export const MAX_WINDOW = 2 ** 31 - 1
export const DEFAULT_WINDOW = 65_535
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** The peer broke the rules in a way that ends the connection. */
export class ConnectionError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** What a frame must be of, and how long, whatever it says. */
interface Form {
  name: string
  of?: 'connection' | 'stream'
  bytes?: number
}

const FORMS: readonly Form[] = [
  { name: 'DATA', of: 'stream' },
  { name: 'HEADERS', of: 'stream' },
  { name: 'PRIORITY', of: 'stream', bytes: 5 },
  { name: 'RST_STREAM', of: 'stream', bytes: 4 },
  { name: 'SETTINGS', of: 'connection' },
  { name: 'PUSH_PROMISE', of: 'stream' },
  { name: 'PING', of: 'connection', bytes: 8 },
  { name: 'GOAWAY', of: 'connection' },
  { name: 'WINDOW_UPDATE', bytes: 4 },
  { name: 'CONTINUATION', of: 'stream' },
]

/** Throws ConnectionError. */
function checkForm({ type, stream, start, end }: Frame): void {
  const form = FORMS[type]
  if (!form) return
  const { name, of, bytes } = form
  if (of !== undefined && (stream === 0) !== (of === 'connection'))
    throw new ConnectionError(CODE.protocol, `${name} of ${stream === 0 ? 'no' : 'a'} stream`)
  if (bytes !== undefined && end - start !== bytes) throw new ConnectionError(CODE.frameSize, `${name} of a wrong size`)
}

/** One frame as it is read; the payload is `bytes` from `start` to `end` and only lent. */
export interface Frame {
  type: number
  flags: number
  stream: number
  bytes: Buffer
  start: number
  end: number
}

/** Writes a frame's head at `at`; answers where its payload begins. */
export function writeFrameHead(target: Buffer, at: number, { length, type, flags, stream }: FrameHead): number {
  target[at] = length >>> 16
  target[at + 1] = length >>> 8
  target[at + 2] = length
  target[at + 3] = type
  target[at + 4] = flags
  target.writeUInt32BE(stream, at + 5)
  return at + FRAME_HEAD_BYTES
}

export interface FrameHead {
  length: number
  type: number
  flags: number
  stream: number
}

/** A whole frame that carries nothing but numbers of 32 bits. */
export function numberFrame(type: number, stream: number, ...numbers: number[]): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + numbers.length * 4)
  let at = writeFrameHead(frame, 0, { length: numbers.length * 4, type, flags: 0, stream })
  for (const number of numbers) at = frame.writeUInt32BE(number, at)
  return frame
}

/** Cuts what a client sends into frames, after its preface. What is incomplete is kept until the rest comes, and joined once. */
export class FrameReader {
  readonly #take: (frame: Frame) => void
  readonly #held = new ByteQueue()
  #needed = PREFACE.length
  #greeted = false
  readonly #frame: Frame = { type: 0, flags: 0, stream: 0, bytes: PREFACE, start: 0, end: 0 }

  constructor(take: (frame: Frame) => void) {
    this.#take = take
  }

  /** Throws ConnectionError. */
  read(chunk: Buffer): void {
    let bytes = chunk
    if (this.#held.length > 0 || chunk.length < this.#needed) {
      this.#held.add(chunk)
      if (this.#held.length < this.#needed) return
      bytes = this.#held.takeAll()
    }
    const at = this.#frames(bytes, this.#greeted ? 0 : this.#greet(bytes))
    if (at < bytes.length) this.#held.add(bytes.subarray(at))
  }

  #greet(bytes: Buffer): number {
    if (bytes.compare(PREFACE, 0, PREFACE.length, 0, PREFACE.length) !== 0)
      throw new ConnectionError(CODE.protocol, 'not a preface of HTTP/2')
    this.#greeted = true
    return PREFACE.length
  }

  #frames(bytes: Buffer, from: number): number {
    let at = from
    for (;;) {
      this.#needed = FRAME_HEAD_BYTES
      if (bytes.length - at < FRAME_HEAD_BYTES) return at
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
      if (length > MAX_FRAME_BYTES) throw new ConnectionError(CODE.frameSize, `a frame of ${length} bytes`)
      this.#needed += length
      if (bytes.length - at < this.#needed) return at
      const frame = this.#frame
      frame.type = bytes[at + 3]!
      frame.flags = bytes[at + 4]!
      frame.stream = bytes.readUInt32BE(at + 5) & MAX_WINDOW
      frame.bytes = bytes
      frame.start = at + FRAME_HEAD_BYTES
      frame.end = at += this.#needed
      checkForm(frame)
      this.#take(frame)
    }
  }
}
