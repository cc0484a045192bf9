// ASN.1 values in DER (X.690), what certificates are made of: written in full, read only as far as telling a value's parts apart.
import { formatTime } from './clock.ts'

/** A value with its tag and length. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length, ...digits]), content])
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => der(0x31, ...parts)
export const octets = (content: Uint8Array): Buffer => der(0x04, content)
export const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text))
export const TRUE = der(0x01, Buffer.from([0xff]))

/** A positive number, by its bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from++
  const digits = bytes.subarray(from)
  return der(0x02, digits[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits)
}

export function bits(content: Uint8Array, unused = 0): Buffer {
  return der(0x03, Buffer.from([unused]), content)
}

/** Flags by their position, as key usages are written: without the zeros at the end. */
export function flags(positions: readonly number[]): Buffer {
  const last = Math.max(-1, ...positions)
  const content = Buffer.alloc(Math.ceil((last + 1) / 8))
  for (const position of positions) content[position >> 3]! |= 0x80 >> (position & 7)
  return bits(content, content.length * 8 - (last + 1))
}

/** `2.5.29.17`. */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  return der(0x06, Buffer.from([40 * first + second, ...rest].flatMap(base128)))
}

function base128(value: number): number[] {
  const digits = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift(0x80 | (rest % 128))
  return digits
}

/** In the form RFC 5280 demands: two digits of the year until 2049, four after. */
export function time(ms: number): Buffer {
  const text = formatTime(ms).replace(/[-:T]/g, '')
  return text < '2050' ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

export function pem(label: string, content: Uint8Array): string {
  const lines =
    Buffer.from(content)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/** The values inside a value, each whole. Throws where lengths do not fit. */
export function partsOf(value: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = headLength(value); at < value.length; ) {
    const rest = value.subarray(at)
    const head = headLength(rest)
    const digits = head - 2
    const length = head + (digits === 0 ? rest[1]! : rest.readUIntBE(2, digits))
    if (length > rest.length) throw new RangeError('a DER value is longer than what holds it')
    parts.push(rest.subarray(0, length))
    at += length
  }
  return parts
}

/** Tag and length; lengths of more than four bytes do not occur. */
function headLength(value: Buffer): number {
  const length = value[1]
  if (length === undefined || length === 0x80 || length > 0x84) throw new RangeError('a DER value has no length that can be read')
  return length < 0x80 ? 2 : 2 + (length & 0x7f)
}
