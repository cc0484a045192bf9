// Protobuf wire format for schemas read by parseProto. Sixty-four-bit integers are plain numbers (rounded beyond 2^53); enums are their names;
// absent scalars read as their zero value, absent messages as undefined. Fields the schema does not know are skipped, never kept.
import type { ProtoField, ProtoMessage, ProtoSchema } from './proto-text.ts'

export type ProtoValue = Record<string, unknown>

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
const MAX_DEPTH = 64

/** Throws TypeError for a name the message does not have: a misspelt field must not be dropped in silence. */
export function encodeMessage(schema: ProtoSchema, type: string, value: object): Buffer {
  const parts: Uint8Array[] = []
  writeMessage(schema, messageOf(schema, type), value as ProtoValue, parts)
  return Buffer.concat(parts)
}

export function decodeMessage(schema: ProtoSchema, type: string, bytes: Uint8Array): ProtoValue {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return readMessage(schema, messageOf(schema, type), { buffer, at: 0, end: buffer.length }, 0)
}

function messageOf(schema: ProtoSchema, type: string): ProtoMessage {
  const message = schema.messages.get(type)
  if (!message) throw new TypeError(`no message ${type} in this schema`)
  return message
}

function writeMessage(schema: ProtoSchema, message: ProtoMessage, value: ProtoValue, parts: Uint8Array[]): void {
  for (const [name, held] of Object.entries(value)) {
    if (held === undefined || held === null) continue
    const field = message.byName.get(name)
    if (!field) throw new TypeError(`${message.name} has no field ${name}`)
    if (field.map) {
      for (const [key, one] of Object.entries(held)) {
        const entry: Uint8Array[] = []
        writeField(schema, { number: 1, kind: field.map.key, type: '' }, key, entry)
        writeField(schema, { ...field, number: 2 }, one, entry)
        writeBytes(field.number, Buffer.concat(entry), parts)
      }
    } else if (field.repeated) for (const one of held as unknown[]) writeField(schema, field, one, parts)
    else if (field.kind === 'message' || !isZero(held)) writeField(schema, field, held, parts)
  }
}

function isZero(value: unknown): boolean {
  return value === 0 || value === '' || value === false || (value instanceof Uint8Array && value.length === 0)
}

function writeField(schema: ProtoSchema, field: Pick<ProtoField, 'number' | 'kind' | 'type'>, value: unknown, parts: Uint8Array[]): void {
  switch (field.kind) {
    case 'message': {
      const inner: Uint8Array[] = []
      writeMessage(schema, messageOf(schema, field.type), value as ProtoValue, inner)
      return writeBytes(field.number, Buffer.concat(inner), parts)
    }
    case 'string':
      return writeBytes(field.number, Buffer.from(value as string), parts)
    case 'bytes':
      return writeBytes(field.number, value as Uint8Array, parts)
    case 'enum': {
      const number = schema.enums.get(field.type)!.byName.get(value as string)
      if (number === undefined) throw new TypeError(`${field.type} has no value ${String(value)}`)
      return void parts.push(varint(field.number * 8 + VARINT), varint(number))
    }
    case 'double': {
      const bytes = Buffer.alloc(8)
      bytes.writeDoubleLE(value as number)
      return void parts.push(varint(field.number * 8 + FIXED64), bytes)
    }
    default:
      return void parts.push(varint(field.number * 8 + VARINT), varint(Number(value)))
  }
}

function writeBytes(number: number, bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(varint(number * 8 + BYTES), varint(bytes.length), bytes)
}

function varint(value: number): Uint8Array {
  if (value >= 0 && value < 128) return Uint8Array.of(value)
  const bytes: number[] = []
  if (value >= 0 && value <= 0x7fffffff) {
    for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
    return Uint8Array.of(...bytes, value)
  }
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Uint8Array.of(...bytes, Number(rest))
}

interface Cursor {
  buffer: Buffer
  at: number
  end: number
}

function readMessage(schema: ProtoSchema, message: ProtoMessage, cursor: Cursor, depth: number): ProtoValue {
  if (depth > MAX_DEPTH) throw new RangeError('protobuf: nested too deeply')
  const out: ProtoValue = {}
  for (const field of message.fields) {
    if (field.map) out[field.name] = Object.create(null) as ProtoValue
    else if (field.repeated) out[field.name] = []
    else if (field.kind !== 'message') out[field.name] = zeroOf(schema, field)
  }
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor)
    const wire = tag & 7
    const field = message.byNumber.get(Math.floor(tag / 8))
    if (!field) skip(cursor, wire)
    else if (field.map)
      readEntry(schema, { ...field, map: field.map }, { into: out[field.name] as ProtoValue, cursor: inner(cursor), depth })
    else if (field.repeated && wire === BYTES && !['message', 'string', 'bytes'].includes(field.kind)) {
      const packed = inner(cursor)
      while (packed.at < packed.end) (out[field.name] as unknown[]).push(readValue(schema, field, packed, depth))
    } else if (field.repeated) (out[field.name] as unknown[]).push(readValue(schema, field, cursor, depth))
    else out[field.name] = readValue(schema, field, cursor, depth)
  }
  return out
}

function readEntry(
  schema: ProtoSchema,
  field: ProtoField & { map: { key: string } },
  { into, cursor, depth }: { into: ProtoValue; cursor: Cursor; depth: number },
): void {
  let key = ''
  let value: unknown = field.kind === 'message' ? {} : zeroOf(schema, field)
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor)
    if (tag >> 3 === 1) key = String(readValue(schema, { kind: field.map.key, type: '' }, cursor, depth))
    else if (tag >> 3 === 2) value = readValue(schema, field, cursor, depth)
    else skip(cursor, tag & 7)
  }
  into[key] = value
}

function readValue(schema: ProtoSchema, { kind, type }: Pick<ProtoField, 'kind' | 'type'>, cursor: Cursor, depth: number): unknown {
  switch (kind) {
    case 'message':
      return readMessage(schema, messageOf(schema, type), inner(cursor), depth + 1)
    case 'string':
    case 'bytes': {
      const { at, end } = inner(cursor)
      const bytes = cursor.buffer.subarray(at, end)
      return kind === 'string' ? bytes.toString() : bytes
    }
    case 'enum': {
      const number = readVarint(cursor)
      return schema.enums.get(type)!.byNumber.get(number) ?? String(number)
    }
    case 'bool':
      return readVarint(cursor) !== 0
    case 'double':
      return take(cursor, 8).readDoubleLE()
    case 'fixed64':
      return Number(take(cursor, 8).readBigUInt64LE())
    case 'uint64':
    case 'uint32':
      return readVarint(cursor)
    default: // Negative int32 and int64 fill all sixty-four bits.
      return readVarint(cursor, true)
  }
}

function zeroOf(schema: ProtoSchema, { kind, type }: ProtoField): unknown {
  if (kind === 'string') return ''
  if (kind === 'bytes') return Buffer.alloc(0)
  if (kind === 'bool') return false
  return kind === 'enum' ? (schema.enums.get(type)!.byNumber.get(0) ?? '0') : 0
}

function inner(cursor: Cursor): Cursor {
  const length = readVarint(cursor)
  const at = cursor.at
  take(cursor, length)
  return { buffer: cursor.buffer, at, end: at + length }
}

function take(cursor: Cursor, length: number): Buffer {
  if (cursor.at + length > cursor.end) throw new RangeError('protobuf: the message is cut short')
  return cursor.buffer.subarray(cursor.at, (cursor.at += length))
}

function skip(cursor: Cursor, wire: number): void {
  if (wire === VARINT) readVarint(cursor)
  else if (wire === FIXED64) take(cursor, 8)
  else if (wire === BYTES) inner(cursor)
  else if (wire === FIXED32) take(cursor, 4)
  else throw new RangeError(`protobuf: wire type ${wire} is not supported`)
}

function readVarint(cursor: Cursor, signed = false): number {
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = take(cursor, 1)[0]!
    low |= (byte & 127) << shift
    if (byte < 128) return low
  }
  let value = BigInt(low)
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = take(cursor, 1)[0]!
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return Number(signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))
  }
  throw new RangeError('protobuf: a number is longer than ten bytes')
}
