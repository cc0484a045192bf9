// A client that costs little: HTTP/2 frames by hand over one TLS socket, so that what is measured is the server. Knows no more of HTTP/2 than
// it needs: no header table, windows opened wide at the start, answers told apart by stream, status and length.
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'

export interface Access {
  url: string
  ca: string
  cert: string
  key: string
}

export interface Answer {
  status: number
  bytes: number
}

interface Open extends Answer {
  data: ((chunk: Buffer) => void) | undefined
  head: (() => void) | undefined
  resolve(answer: Answer): void
  reject(error: Error): void
}

const DATA = 0
const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8
const END_STREAM = 1
const END_HEADERS = 4
const ACK = 1
const WIDE = 2 ** 31 - 1
const REPLENISH = 2 ** 28

export interface Opened {
  /** Any kind of answer, once it is whole. */
  answer: Promise<Answer>
  /** Its head has come. */
  begun: Promise<void>
}

export interface Sent {
  body?: Buffer | undefined
  data?: (chunk: Buffer) => void
  method?: string
  type?: string
}

export class LoadConnection implements Disposable {
  readonly #socket: TLSSocket
  readonly #authority: string
  readonly #open = new Map<number, Open>()
  readonly #heads = new Map<string, Buffer>()
  #nextStream = 1
  #rest: Buffer | undefined
  /** Of a DATA frame that is still coming: its stream, what is missing of it, and whether it is the last. */
  #data: { stream: number; missing: number; last: boolean } | undefined
  #unacknowledged = 0

  static async open(access: Access): Promise<LoadConnection> {
    const { hostname, port } = new URL(access.url)
    const socket = connect({ host: hostname, port: Number(port), ca: access.ca, cert: access.cert, key: access.key, ALPNProtocols: ['h2'] })
    await once(socket, 'secureConnect')
    return new LoadConnection(socket, `${hostname}:${port}`)
  }

  private constructor(socket: TLSSocket, authority: string) {
    this.#socket = socket
    this.#authority = authority
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection is closed')))
    const settings = Buffer.alloc(18)
    settings.writeUInt16BE(1, 0) // no header table
    settings.writeUInt16BE(2, 6) // no push
    settings.writeUInt16BE(4, 12) // initial window of a stream
    settings.writeUInt32BE(WIDE, 14)
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0, settings), window(WIDE - 65_535)]))
  }

  request(path: string, body?: Buffer): Promise<Answer> {
    return this.open(path, { body }).answer
  }

  /** `data` sees what comes, piece by piece; the pieces are only lent. */
  open(path: string, { body, data, method = body ? 'POST' : 'GET', type = 'application/json' }: Sent = {}): Opened {
    const stream = this.#nextStream
    this.#nextStream += 2
    const begun = Promise.withResolvers<void>()
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#open.set(stream, { status: 0, bytes: 0, data, head: begun.resolve, resolve, reject })
    const block = this.#block(method, { path, type: body && type })
    const head = frame(HEADERS, END_HEADERS | (body ? 0 : END_STREAM), stream, block)
    this.#socket.write(body ? Buffer.concat([head, frame(DATA, END_STREAM, stream, body)]) : head)
    return { answer: promise, begun: begun.promise }
  }

  /** Stops and goes on reading: a client that is slow. */
  pause(): void {
    this.#socket.pause()
  }

  [Symbol.dispose](): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #block(method: string, { path, type = '' }: { path: string; type: string | undefined }): Buffer {
    const key = `${method} ${path} ${type}`
    let block = this.#heads.get(key)
    if (!block) {
      const fields: [string, string][] = [
        [':method', method],
        [':scheme', 'https'],
        [':authority', this.#authority],
        [':path', path],
        ['user-agent', 'bench/1'],
        ['accept', 'application/json'],
      ]
      if (type) fields.push(['content-type', type])
      block = Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
      this.#heads.set(key, block)
    }
    return block
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#rest = undefined
    for (;;) {
      if (this.#data) {
        const { stream, missing, last } = this.#data
        const part = bytes.length > missing ? bytes.subarray(0, missing) : bytes
        const open = this.#open.get(stream)
        if (open && part.length > 0) {
          open.bytes += part.length
          open.data?.(part)
        }
        bytes = bytes.subarray(part.length)
        this.#data.missing -= part.length
        if (this.#data.missing > 0) return
        this.#data = undefined
        if (last) this.#end(stream)
      }
      if (bytes.length < 9) break
      const length = bytes.readUIntBE(0, 3)
      const type = bytes[3]!
      const flags = bytes[4]!
      const stream = bytes.readUInt32BE(5)
      if (type === DATA) {
        this.#data = { stream, missing: length, last: (flags & END_STREAM) !== 0 }
        this.#consumed(length)
        bytes = bytes.subarray(9)
        continue
      }
      if (bytes.length < 9 + length) break
      this.#control({ type, flags, stream }, bytes.subarray(9, 9 + length))
      bytes = bytes.subarray(9 + length)
    }
    if (bytes.length > 0) this.#rest = bytes
  }

  #control({ type, flags, stream }: { type: number; flags: number; stream: number }, payload: Buffer): void {
    if (type === HEADERS) {
      const open = this.#open.get(stream)
      if (open) {
        open.status = statusOf(payload)
        open.head?.()
      }
      if (flags & END_STREAM) this.#end(stream)
    } else if (type === RST_STREAM) this.#open.get(stream)?.reject(new Error(`stream reset: ${payload.readUInt32BE(0)}`))
    else if (type === SETTINGS && !(flags & ACK)) this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
    else if (type === PING && !(flags & ACK)) this.#socket.write(frame(PING, ACK, 0, payload))
    else if (type === GOAWAY) this.#fail(new Error(`going away: ${payload.readUInt32BE(4)}`))
  }

  #consumed(length: number): void {
    this.#unacknowledged += length
    if (this.#unacknowledged < REPLENISH) return
    this.#socket.write(window(this.#unacknowledged))
    this.#unacknowledged = 0
  }

  #end(stream: number): void {
    const open = this.#open.get(stream)
    this.#open.delete(stream)
    open?.resolve({ status: open.status, bytes: open.bytes })
  }

  #fail(error: Error): void {
    for (const { reject } of this.#open.values()) reject(error)
    this.#open.clear()
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length)
  bytes.writeUIntBE(payload.length, 0, 3)
  bytes[3] = type
  bytes[4] = flags
  bytes.writeUInt32BE(stream, 5)
  payload.copy(bytes, 9)
  return bytes
}

function window(size: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(size)
  return frame(WINDOW_UPDATE, 0, 0, payload)
}

/** A string literal of HPACK, not Huffman coded. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const rest = bytes.length - 127
  return Buffer.concat([rest < 128 ? Buffer.from([127, rest]) : Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes])
}

/** 200 has an index of its own in HPACK; 201 is spelled, plainly or in Huffman code. Anything else is an error to whoever measures. */
function statusOf(block: Buffer): number {
  let at = 0
  while ((block[at]! & 0xe0) === 0x20) at++
  if (block[at] === 0x88) return 200
  const value = block.subarray(at + 2, at + 2 + (block[at + 1]! & 0x7f))
  return value.equals(Buffer.from('201')) || value.equals(Buffer.from([0x10, 0x03])) ? 201 : 0
}
