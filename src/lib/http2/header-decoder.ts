// Reads header blocks (HPACK, RFC 7541). Everything of a block is read even where too much is told, for both sides must keep the same table.
import { CODE, ConnectionError } from './frames.ts'
import { type Field, FieldTable, sizeOf, TABLE_BYTES } from './header-table.ts'
import { decodeHuffman } from './huffman.ts'

/** More than any number in a block can mean. */
const MAX_NUMBER = 2 ** 28

export interface HeaderBlock {
  fields: Field[]
  /** More was told than is taken: what is here is not all. */
  tooLarge: boolean
}

export class HeaderDecoder {
  readonly #table = new FieldTable()
  readonly #maxBytes: number
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  /** `maxBytes`: of all fields of a block together, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Throws ConnectionError: the tables of both sides are no longer the same. */
  decode(bytes: Buffer, start: number, end: number): HeaderBlock {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    const fields: Field[] = []
    let total = 0
    while (this.#at < end) {
      const field = this.#field(fields.length === 0 && total === 0)
      if (!field) continue
      total += sizeOf(field.name, field.value)
      if (total <= this.#maxBytes) fields.push(field)
    }
    return { fields, tooLarge: total > this.#maxBytes }
  }

  /** undefined: not a field, but the table's new size. */
  #field(first: boolean): Field | undefined {
    const byte = this.#bytes[this.#at]!
    if (byte & 0x80) return this.#known(this.#number(7))
    if (byte & 0x40) {
      const field = this.#literal(6)
      this.#table.add(field)
      return field
    }
    if (!(byte & 0x20)) return this.#literal(4)
    const limit = this.#number(5)
    if (!first || limit > TABLE_BYTES) throw broken('a size of the table that is not allowed')
    this.#table.limit = limit
    return undefined
  }

  #known(index: number): Field {
    const field = index > 0 ? this.#table.at(index) : undefined
    if (!field) throw broken(`no field has the index ${index}`)
    return field
  }

  #literal(bits: number): Field {
    const index = this.#number(bits)
    const name = index === 0 ? this.#text() : this.#known(index).name
    return { name, value: this.#text() }
  }

  #text(): string {
    const huffman = (this.#bytes[this.#at] ?? 0) & 0x80
    const length = this.#number(7)
    const start = this.#at
    const end = start + length
    if (end > this.#end) throw broken('a string beyond the end of its block')
    this.#at = end
    if (!huffman) return this.#bytes.toString('latin1', start, end)
    const text = decodeHuffman(this.#bytes, start, end)
    if (text === undefined) throw broken('a string that is no Huffman code')
    return text
  }

  /** A number that begins in the low `bits` of a byte. */
  #number(bits: number): number {
    const most = (1 << bits) - 1
    let value = this.#next() & most
    if (value < most) return value
    for (let shift = 0; ; shift += 7) {
      const byte = this.#next()
      value += (byte & 0x7f) * 2 ** shift
      if (value > MAX_NUMBER || shift > 28) throw broken('a number that is too large')
      if (!(byte & 0x80)) return value
    }
  }

  #next(): number {
    if (this.#at >= this.#end) throw broken('a block that ends too soon')
    return this.#bytes[this.#at++]!
  }
}

function broken(what: string): ConnectionError {
  return new ConnectionError(CODE.compression, `a header block with ${what}`)
}
