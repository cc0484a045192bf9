// For tests: a client of HTTP/2 that sends whatever frames it is given, right or wrong, and keeps what it was told. Nothing is answered of itself.
import type { Duplex } from 'node:stream'
import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_WINDOW, PREFACE, writeFrameHead } from './frames.ts'
import { HeaderDecoder } from './header-decoder.ts'

export interface Told {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

export class RawPeer {
  readonly told: Told[] = []
  /** Status of each stream's answer. */
  readonly statuses = new Map<number, number>()
  /** Bytes of each stream's answer. */
  readonly bodies = new Map<number, Buffer[]>()
  /** Streams whose answers have come to their end. */
  readonly ended = new Set<number>()
  readonly socket: Duplex
  closed = false
  readonly #decoder = new HeaderDecoder(2 ** 20)
  #rest: Buffer = Buffer.alloc(0)
  #block: Buffer[] = []
  #changed = Promise.withResolvers<void>()
  #pings = 0

  readonly #seen: ((told: Told) => void) | undefined

  /** `seen` is called with every frame as it comes. */
  constructor(socket: Duplex, seen?: (told: Told) => void) {
    this.socket = socket
    this.#seen = seen
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#change()
    })
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.socket.writableEnded && !this.socket.destroyed) this.socket.write(Buffer.concat(parts))
  }

  /** Resolves once this holds or the connection is closed. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.closed) await this.#changed.promise
  }

  /** Resolves once the server has read all that was sent, or is gone. */
  async settle(): Promise<void> {
    const number = ++this.#pings
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(number, 4)
    this.send(frame(FRAME.ping, 0, 0, payload))
    await this.until(() =>
      this.told.some(({ type, flags, payload: echo }) => type === FRAME.ping && flags === FLAG.ack && echo.equals(payload)),
    )
  }

  /** Streams that were reset, with the code. */
  get resets(): [number, number][] {
    return this.told.filter(({ type }) => type === FRAME.reset).map(({ stream, payload }) => [stream, payload.readUInt32BE()])
  }

  /** Why the server ended the connection. */
  get away(): { last: number; code: number; why: string } | undefined {
    const payload = this.told.findLast(({ type }) => type === FRAME.goAway)?.payload
    return payload && { last: payload.readUInt32BE(), code: payload.readUInt32BE(4), why: payload.toString('latin1', 8) }
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const next = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3)
      if (bytes.length < next) break
      const payload = bytes.subarray(at + FRAME_HEAD_BYTES, next)
      this.#take({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: bytes.readUInt32BE(at + 5) & MAX_WINDOW, payload })
      at = next
    }
    this.#rest = bytes.subarray(at)
    this.#change()
  }

  #take(told: Told): void {
    const { type, flags, stream, payload } = told
    this.#seen?.(told)
    if (type === FRAME.data) {
      const body = this.bodies.get(stream)
      if (body) body.push(payload)
      else this.bodies.set(stream, [payload])
    } else this.told.push(told)
    if ((type === FRAME.data || type === FRAME.headers) && flags & FLAG.endStream) this.ended.add(stream)
    if (type !== FRAME.headers && type !== FRAME.continuation) return
    this.#block.push(payload)
    if (!(flags & FLAG.endHeaders)) return
    const block = Buffer.concat(this.#block)
    this.#block = []
    const status = this.#decoder.decode(block, 0, block.length).fields.find(({ name }) => name === ':status')
    if (status) this.statuses.set(stream, Number(status.value))
  }

  #change(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }
}

/** One frame; a payload of text is in hexadecimal digits. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload.replaceAll(' ', ''), 'hex') : payload
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  writeFrameHead(head, 0, { length: bytes.length, type, flags, stream })
  return Buffer.concat([head, bytes])
}

export function settings(...pairs: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6)
  for (const [index, [name, value]] of pairs.entries()) {
    payload.writeUInt16BE(name, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  }
  return frame(FRAME.settings, 0, 0, payload)
}

/** A header block that names nothing for later. */
export function block(...fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

/** HEADERS with a whole block. */
export function head(stream: number, fields: readonly (readonly [string, string])[], { end = true } = {}): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | (end ? FLAG.endStream : 0), stream, block(...fields))
}

export const data = (stream: number, bytes: string | Buffer, { end = false } = {}) =>
  frame(FRAME.data, end ? FLAG.endStream : 0, stream, Buffer.from(bytes as string, 'latin1'))

/** How a client begins. */
export const GREETING = Buffer.concat([PREFACE, settings()])

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const rest = bytes.length - 127
  const length = [127]
  let left = rest
  for (; left >= 128; left >>>= 7) length.push((left & 127) | 128)
  length.push(left)
  return Buffer.concat([Buffer.from(length), bytes])
}
