// Writes header blocks (HPACK, RFC 7541): a field that comes again is a byte or two. Strings go out plain: to spell them shorter costs more than it saves.
import type { OutgoingHttpHeaders } from 'node:http'
import { FieldTable, sizeOf, STATIC_FIELDS, TABLE_BYTES } from './header-table.ts'

/** Told anew with every answer: not worth a place in the table. */
const UNIQUE = new Set(['audit-id', 'content-length', 'date', 'etag', 'last-modified', 'location', 'retry-after', 'warning'])
/** Of HTTP/1.1's connections; HTTP/2 forbids them. */
const OF_CONNECTIONS = new Set(['connection', 'http2-settings', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
/** A longer value would push too much else out. */
const MAX_SHARED = 256
/** Names of backends' answers may be any. */
const MAX_NAMES = 512
const FIRST_BYTES = 4096

interface Name {
  readonly text: string
  /** Index of the name, 0: it is spelled. */
  readonly index: number
  readonly skipped: boolean
  readonly shared: boolean
  /** Fields of the static table with this name, by value. */
  readonly known: Map<string, number> | undefined
  /** Fields of the table that grows, by value: how many had been added before. */
  readonly added: Map<string, number>
}

/** Fields beside the headers. */
export interface Added {
  /** Where the headers have none. */
  date?: string
  /** The content's. */
  length?: number | undefined
}

export class HeaderEncoder {
  readonly #names = new Map<string, Name>()
  readonly #table = new FieldTable(({ name, value }) => this.#names.get(name)?.added.delete(value))
  #additions = 0
  /** Sizes of the table that the peer has not been told: the smallest there was, and the last. */
  #limits: { smallest: number; last: number } | undefined
  #block = Buffer.allocUnsafe(FIRST_BYTES)
  #at = 0

  /** As the peer's SETTINGS_HEADER_TABLE_SIZE allows. */
  limit(bytes: number): void {
    const last = Math.min(bytes, TABLE_BYTES)
    this.#limits = { smallest: Math.min(last, this.#limits?.smallest ?? last), last }
    this.#table.limit = last
  }

  /** The block is only lent: it is written over by the next. */
  encode(status: number, headers: OutgoingHttpHeaders, { date, length }: Added = {}): Buffer {
    this.#at = 0
    if (this.#limits) {
      const { smallest, last } = this.#limits
      if (smallest < last) this.#number(0x20, 5, smallest)
      this.#number(0x20, 5, last)
      this.#limits = undefined
    }
    this.#field(':status', String(status))
    if (date !== undefined && headers.date === undefined) this.#field('date', date)
    if (length !== undefined) this.#field('content-length', String(length))
    for (const name in headers) {
      const value = headers[name]
      if (typeof value === 'string') this.#field(name, value)
      else if (Array.isArray(value)) for (const one of value) this.#field(name, one)
      else if (value !== undefined) this.#field(name, String(value))
    }
    return this.#block.subarray(0, this.#at)
  }

  #field(spelled: string, value: string): void {
    const name = this.#names.get(spelled) ?? this.#learn(spelled)
    if (name.skipped) return
    const known = name.known?.get(value)
    if (known !== undefined) return this.#number(0x80, 7, known)
    const added = name.added.get(value)
    if (added !== undefined) return this.#number(0x80, 7, STATIC_FIELDS.length + this.#additions - added)
    const shared = name.shared && value.length <= MAX_SHARED && sizeOf(name.text, value) <= this.#table.limit
    if (shared) this.#number(0x40, 6, name.index)
    else this.#number(0, 4, name.index)
    if (name.index === 0) this.#text(name.text)
    this.#text(value)
    if (!shared) return
    this.#table.add({ name: name.text, value })
    name.added.set(value, this.#additions++)
  }

  #learn(spelled: string): Name {
    const text = spelled.toLowerCase()
    const index = STATIC_FIELDS.findIndex((field) => field.name === text) + 1
    const known = new Map<string, number>()
    for (const [at, field] of STATIC_FIELDS.entries()) if (field.name === text && field.value !== '') known.set(field.value, at + 1)
    const added = this.#names.get(text)?.added ?? new Map<string, number>()
    const bounded = this.#names.size < MAX_NAMES
    const shared = bounded && !UNIQUE.has(text)
    const name = { text, index, skipped: OF_CONNECTIONS.has(text), shared, known: known.size > 0 ? known : undefined, added }
    if (!bounded) return name
    this.#names.set(spelled, name)
    if (text !== spelled && !this.#names.has(text)) this.#names.set(text, name)
    return name
  }

  #number(flags: number, bits: number, value: number): void {
    this.#reserve(8)
    const most = (1 << bits) - 1
    if (value < most) {
      this.#block[this.#at++] = flags | value
      return
    }
    this.#block[this.#at++] = flags | most
    let rest = value - most
    for (; rest >= 128; rest >>>= 7) this.#block[this.#at++] = (rest & 127) | 128
    this.#block[this.#at++] = rest
  }

  #text(text: string): void {
    const plain = isPlain(text)
    const spelled = plain ? text : text.replaceAll(/[\r\n\0]/g, ' ')
    const length = plain ? text.length : Buffer.byteLength(spelled)
    this.#number(0, 7, length)
    this.#reserve(length)
    this.#at += this.#block.write(spelled, this.#at, plain ? 'latin1' : 'utf8')
  }

  #reserve(bytes: number): void {
    if (this.#block.length - this.#at >= bytes) return
    const larger = Buffer.allocUnsafe(Math.max(this.#block.length * 2, this.#at + bytes))
    this.#block.copy(larger, 0, 0, this.#at)
    this.#block = larger
  }
}

/** Whether every character is its own byte and none could end a line. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 126 || code < 32) return false
  }
  return true
}
