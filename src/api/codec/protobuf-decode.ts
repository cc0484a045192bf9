// From the wire form of a message to the JSON value Kubernetes would print for it: plain zeros that are not pointers are left out, embedded messages
// stand in their parent. Unknown fields are skipped; depth is bounded.
import { formatMicroTime, formatTime } from '#lib/clock.ts'
import { MAX_DEPTH } from '#api/schema/decode.ts'
import { LENGTH, ProtobufError, ProtobufReader } from './protobuf-reader.ts'
import { type Message, messageNamed, type WireField, type WireType } from './protobuf-tables.ts'

type Json = Record<string, unknown>

/** Throws ProtobufError. */
export function decodeMessage(bytes: Uint8Array, message: Message): Json {
  const object: Json = {}
  readFields(new ProtobufReader(bytes), { message, into: object, depth: 0 })
  return object
}

function readFields(reader: ProtobufReader, { message, into, depth }: { message: Message; into: Json; depth: number }): void {
  if (depth > MAX_DEPTH) throw new ProtobufError('proto: exceeded max depth')
  while (!reader.done) {
    const tag = reader.tag()
    const field = message.byNumber.get(tag >>> 3)
    if (!field) {
      reader.skip(tag & 7)
      continue
    }
    checkWire(field, tag & 7)
    if (field.inline) readFields(reader.message(), { message: messageNamed(field.message)!, into, depth: depth + 1 })
    else if (field.type === 'map') readEntry(reader.message(), { field, into, depth })
    else if (field.repeated)
      ((into[field.name] ??= []) as unknown[]).push(readValue(reader, { type: field.type, name: field.message, depth }))
    else {
      const value = readValue(reader, { type: field.type, name: field.message, depth })
      if (value === undefined) continue
      if (field.pointer || field.type === 'message' || !isZero(value)) into[field.name] = value
      else delete into[field.name]
    }
  }
}

function readEntry(reader: ProtobufReader, { field, into, depth }: { field: WireField; into: Json; depth: number }): void {
  let key = ''
  let value = zeroOf(field.values, field.message)
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === 1 * 8 + LENGTH) key = reader.string()
    else if (tag >>> 3 === 2) {
      checkWire({ ...field, type: field.values }, tag & 7)
      value = readValue(reader, { type: field.values, name: field.message, depth }) ?? value
    } else reader.skip(tag & 7)
  }
  const map = (into[field.name] ??= {}) as Json
  // A key may be `__proto__`: it is defined, never assigned.
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true })
}

/** undefined: a message that stands for nothing, such as the zero time. */
function readValue(reader: ProtobufReader, { type, name, depth }: { type: WireType; name: string; depth: number }): unknown {
  switch (type) {
    case 'string':
      return reader.string()
    case 'bool':
      return reader.bool()
    case 'int32':
      return reader.int32()
    case 'int64':
      return reader.int64()
    case 'double':
      return reader.double()
    case 'bytes':
      return reader.bytes().toString('base64')
    default:
      return readMessage(reader.message(), name, depth + 1)
  }
}

function readMessage(reader: ProtobufReader, name: string, depth: number): unknown {
  const message = messageNamed(name)!
  const special = Object.hasOwn(SPECIAL, name) ? SPECIAL[name] : undefined
  if (special === 'json') return readJson(reader)
  const object: Json = {}
  readFields(reader, { message, into: object, depth })
  return special ? special(object) : object
}

function readJson(reader: ProtobufReader): unknown {
  let value: unknown
  while (!reader.done) {
    const tag = reader.tag()
    if (tag !== 1 * 8 + LENGTH) {
      reader.skip(tag & 7)
      continue
    }
    const text = reader.string()
    try {
      value = text === '' ? undefined : JSON.parse(text)
    } catch (error) {
      throw new ProtobufError(`embedded JSON: ${(error as Error).message}`, { cause: error })
    }
  }
  return value
}

type Convert = 'json' | ((object: Json) => unknown)

const bareList: Convert = (object) => object.items ?? []
const SPECIAL: Record<string, Convert> = {
  'meta.v1.Time': (object) => timeOf(object, formatTime),
  'meta.v1.MicroTime': (object) => timeOf(object, formatMicroTime),
  'resource.Quantity': (object) => object.string ?? '0',
  'intstr.IntOrString': (object) => (object.type === 1 ? (object.strVal ?? '') : (object.intVal ?? 0)),
  'runtime.RawExtension': 'json',
  'meta.v1.FieldsV1': 'json',
  'apiextensions.v1.JSON': 'json',
  'meta.v1.Verbs': bareList,
  'authentication.v1.ExtraValue': bareList,
  'authorization.v1.ExtraValue': bareList,
  'certificates.v1.ExtraValue': bareList,
  'apiextensions.v1.JSONSchemaPropsOrBool': (object) => object.schema ?? object.allows ?? false,
  'apiextensions.v1.JSONSchemaPropsOrArray': (object) => object.schema ?? object.jSONSchemas ?? [],
  'apiextensions.v1.JSONSchemaPropsOrStringArray': (object) => object.schema ?? object.property ?? [],
}

const YEAR_10000 = 253_402_300_800
const YEAR_0 = -62_167_219_200

function timeOf(object: Json, format: (epochMs: number) => string): string | undefined {
  if (object.seconds === undefined && object.nanos === undefined) return undefined
  const seconds = (object.seconds ?? 0) as number
  const micros = Math.trunc(((object.nanos ?? 0) as number) / 1000)
  if (seconds < YEAR_0 || seconds >= YEAR_10000) throw new ProtobufError('Time.MarshalJSON: year outside of range [0,9999]')
  const text = format(seconds * 1000)
  return format === formatTime ? text : `${text.slice(0, 19)}.${String(micros).padStart(6, '0')}Z`
}

function checkWire(field: WireField, wire: number): void {
  const wanted = field.type === 'double' ? 1 : field.type === 'bool' || field.type === 'int32' || field.type === 'int64' ? 0 : LENGTH
  if (wire !== wanted)
    throw new ProtobufError(`proto: wrong wireType = ${wire} for field ${field.name[0]!.toUpperCase()}${field.name.slice(1)}`)
}

const isZero = (value: unknown): boolean => value === '' || value === 0 || value === false

function zeroOf(type: WireType, message: string): unknown {
  if (type === 'string' || type === 'bytes') return ''
  if (type === 'bool') return false
  if (type !== 'message') return 0
  const special = Object.hasOwn(SPECIAL, message) ? SPECIAL[message]! : undefined
  return typeof special === 'function' ? special({}) : {}
}
