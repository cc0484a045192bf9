// Writes the wire form back to front, so that a message's length is known by the time it must be written; one growing buffer, no second pass.
import { LENGTH } from './protobuf-reader.ts'

const FIRST_SIZE = 1024

export class ProtobufWriter {
  #bytes: Buffer
  /** Everything from here on is written. */
  #start: number

  /** What messages made of these objects hold, written already. */
  readonly written: ReadonlyMap<object, Uint8Array> | undefined

  constructor(size = FIRST_SIZE, written?: ReadonlyMap<object, Uint8Array>) {
    this.written = written
    this.#bytes = Buffer.allocUnsafe(size)
    this.#start = size
  }

  /** How much is written. */
  get length(): number {
    return this.#bytes.length - this.#start
  }

  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#start))
  }

  /** A message as field `number`: what `write` writes of it. */
  nested(number: number, write: () => void): void {
    const before = this.length
    write()
    this.unsigned(this.length - before)
    this.tag(number, LENGTH)
  }

  tag(number: number, wire: number): void {
    this.unsigned(number * 8 + wire)
  }

  unsigned(value: bigint | number): void {
    if (typeof value === 'number' && value < 0x80) {
      const at = this.#claim(1)
      this.#bytes[at] = value
      return
    }
    if (typeof value === 'number' && value < 0x8000_0000) return this.#few(value)
    const bytes: number[] = []
    let left = BigInt(value)
    for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
    bytes.push(Number(left))
    const at = this.#claim(bytes.length)
    for (let index = 0; index < bytes.length; index++) this.#bytes[at + index] = bytes[index]!
  }

  /** Up to 31 bits: most lengths and numbers there are. */
  #few(value: number): void {
    const count = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
    let at = this.#claim(count)
    let left = value
    for (const last = at + count - 1; at < last; left >>>= 7) this.#bytes[at++] = (left & 0x7f) | 0x80
    this.#bytes[at] = left
  }

  signed(value: bigint | number): void {
    if (typeof value === 'number' && value >= 0 && value < 0x8000_0000) this.unsigned(value)
    else this.unsigned(BigInt.asUintN(64, BigInt(value)))
  }

  double(value: number): void {
    const at = this.#claim(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  string(value: string): void {
    const length = Buffer.byteLength(value)
    const at = this.#claim(length)
    this.#bytes.write(value, at, 'utf8')
    this.unsigned(length)
  }

  bytes(value: Uint8Array): void {
    this.raw(value)
    this.unsigned(value.length)
  }

  /** What is encoded already. */
  raw(value: Uint8Array): void {
    const at = this.#claim(value.length)
    this.#bytes.set(value, at)
  }

  /** Room for so many bytes before all others. May replace the buffer: call it first. */
  #claim(count: number): number {
    if (count > this.#start) {
      const written = this.length
      const bytes = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, written + count + FIRST_SIZE))
      this.#bytes.copy(bytes, bytes.length - written, this.#start)
      this.#bytes = bytes
      this.#start = bytes.length - written
    }
    this.#start -= count
    return this.#start
  }
}
