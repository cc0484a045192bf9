// Reads the wire form of one message. Refuses what runs past its end or is no valid tag, in the words of Go's generated code; copies no bytes.

export class ProtobufError extends Error {
  override name = 'ProtobufError'
}

export const VARINT = 0
export const FIXED64 = 1
export const LENGTH = 2
const FIXED32 = 5

export class ProtobufReader {
  readonly #bytes: Uint8Array
  #at: number
  readonly #end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  /** The next field's number and wire type, as one number: `number * 8 + type`. */
  tag(): number {
    const tag = Number(this.#unsigned())
    if (tag < 8 || tag > 0xffff_ffff) throw new ProtobufError(`proto: illegal tag ${Math.trunc(tag / 8)} (wire type ${tag % 8})`)
    return tag
  }

  /** A BigInt where no double is that number. */
  int64(): number | bigint {
    const value = this.#unsigned()
    if (typeof value === 'number') return value
    const signed = BigInt.asIntN(64, value)
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
  }

  int32(): number {
    const value = this.#unsigned()
    return typeof value === 'number' ? value : Number(BigInt.asIntN(32, value))
  }

  bool(): boolean {
    return BigInt(this.#unsigned()) !== 0n
  }

  double(): number {
    this.#need(8)
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8).getFloat64(0, true)
    this.#at += 8
    return value
  }

  string(): string {
    const bytes = this.bytes()
    return bytes.toString('utf8')
  }

  /** A view of the reader's own bytes. */
  bytes(): Buffer {
    const length = this.#length()
    const start = this.#bytes.byteOffset + this.#at
    this.#at += length
    return Buffer.from(this.#bytes.buffer, start, length)
  }

  /** A reader of the message that comes next. */
  message(): ProtobufReader {
    const length = this.#length()
    const start = this.#at
    this.#at += length
    return new ProtobufReader(this.#bytes, start, this.#at)
  }

  skip(wire: number): void {
    if (wire === VARINT) this.#unsigned()
    else if (wire === LENGTH) this.bytes()
    else if (wire === FIXED64 || wire === FIXED32) {
      this.#need(wire === FIXED64 ? 8 : 4)
      this.#at += wire === FIXED64 ? 8 : 4
    } else throw new ProtobufError(`proto: illegal wireType ${wire}`)
  }

  #length(): number {
    const length = this.#unsigned()
    if (length > 0x7fff_ffff) throw new ProtobufError('proto: negative length found during unmarshaling')
    this.#need(Number(length))
    return Number(length)
  }

  #need(count: number): void {
    if (this.#at + count > this.#end) throw new ProtobufError('unexpected EOF')
  }

  /** A number while it is below 2^28, where nearly all are. */
  #unsigned(): number | bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return low
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 64n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new ProtobufError('proto: integer overflow')
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new ProtobufError('unexpected EOF')
    return this.#bytes[this.#at++]!
  }
}
