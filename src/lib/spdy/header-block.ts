// SPDY/3 name-value blocks. Writing uses stored deflate blocks: valid for every reader, at once, with no state; the few headers of these streams
// gain nothing from compression. Reading inflates one stream over all blocks of a connection, in order.
import { createInflate, deflateSync, type Inflate } from 'node:zlib'
import { headerDictionary } from './dictionary.ts'

export type SpdyHeaders = Record<string, string>

/** An empty stored block, as a sync flush writes it: only there does Go's reader hand on what it has. */
const FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff])
const BLOCK_LIMIT = 64 * 1024
const HEADER_LIMIT = 256

export class HeaderWriter {
  #begun = false

  encode(headers: SpdyHeaders): Buffer {
    const parts = [number(Object.keys(headers).length)]
    for (const [name, value] of Object.entries(headers)) {
      for (const text of [Buffer.from(name.toLowerCase()), Buffer.from(value)]) parts.push(number(text.length), text)
    }
    const raw = Buffer.concat(parts)
    if (raw.length > 0xffff) throw new RangeError('spdy: headers are longer than 65535 bytes')
    const block = Buffer.alloc(5) // Not the last block, stored; its length and the complement.
    block.writeUInt16LE(raw.length, 1)
    block.writeUInt16LE(raw.length ^ 0xffff, 3)
    const start = this.#begun ? [] : [streamStart()]
    this.#begun = true
    return Buffer.concat([...start, block, raw, FLUSH])
  }
}

export class HeaderReader {
  #inflate: Inflate | undefined
  #out: Buffer[] = []
  #size = 0
  #fail: ((error: Error) => void) | undefined

  /** Blocks must be given in the order of the wire, each after the one before has resolved. */
  async decode(block: Buffer): Promise<SpdyHeaders> {
    const inflate = (this.#inflate ??= this.#open())
    this.#out = []
    this.#size = 0
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject
      inflate.write(block, () => resolve())
    })
    if (this.#size > BLOCK_LIMIT) throw new RangeError(`spdy: headers are longer than ${BLOCK_LIMIT} bytes`)
    return parse(Buffer.concat(this.#out))
  }

  #open(): Inflate {
    const inflate = createInflate({ dictionary: headerDictionary() })
    inflate.on('data', (chunk: Buffer) => {
      this.#size += chunk.length
      if (this.#size <= BLOCK_LIMIT) this.#out.push(chunk)
    })
    inflate.on('error', (error) => this.#fail?.(error))
    return inflate
  }
}

/** The zlib header that names the dictionary. */
function streamStart(): Buffer {
  return deflateSync('', { dictionary: headerDictionary() }).subarray(0, 6)
}

function parse(raw: Buffer): SpdyHeaders {
  let at = 0
  const take = () => {
    const length = raw.readUInt32BE(at)
    at += 4 + length
    if (at > raw.length) throw new RangeError('spdy: a header block is cut short')
    return raw.toString('utf8', at - length, at)
  }
  const count = raw.readUInt32BE(0)
  at = 4
  if (count > HEADER_LIMIT) throw new RangeError(`spdy: more than ${HEADER_LIMIT} headers`)
  const headers: SpdyHeaders = Object.create(null) as SpdyHeaders
  for (let i = 0; i < count; i++) {
    const name = take()
    headers[name] = take()
  }
  return headers
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
