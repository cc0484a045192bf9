// From a JSON value to the wire form of its message. Deterministic: fields by number, map keys in order. Absent fields stay absent, which every
// reader takes for zero; fields the message does not know cannot be told and are left out.
import { FIXED64, LENGTH, VARINT } from './protobuf-reader.ts'
import { type Message, messageNamed, type WireField, type WireType } from './protobuf-tables.ts'
import { ProtobufWriter } from './protobuf-writer.ts'

type Json = Record<string, unknown>

export function encodeMessage(object: object, message: Message): Buffer {
  const writer = new ProtobufWriter()
  writeFields(writer, object as Json, message)
  return writer.finish()
}

/** Back to front, as the writer does. */
function writeFields(writer: ProtobufWriter, object: Json, message: Message): void {
  for (const field of message.fields.toReversed()) {
    if (field.inline) {
      const inner = messageNamed(field.message)!
      if (hasAny(object, inner)) {
        writer.nested(field.number, () => writeFields(writer, object, inner))
      }
      continue
    }
    if (!Object.hasOwn(object, field.name)) continue
    const value = object[field.name]
    if (value === undefined || value === null) continue
    if (field.type === 'map') writeMap(writer, field, value as Json)
    else if (field.repeated) for (const item of (value as unknown[]).toReversed()) writeField(writer, field, item)
    else writeField(writer, field, value)
  }
}

function hasAny(object: Json, message: Message): boolean {
  return message.fields.some(({ name, inline, message: inner }) => {
    return inline
      ? hasAny(object, messageNamed(inner)!)
      : Object.hasOwn(object, name) && object[name] !== undefined && object[name] !== null
  })
}

function writeMap(writer: ProtobufWriter, field: WireField, map: Json): void {
  for (const key of Object.keys(map).toSorted().toReversed()) {
    writer.nested(field.number, () => {
      writeField(writer, { ...field, number: 2, type: field.values }, map[key])
      writer.string(key)
      writer.tag(1, LENGTH)
    })
  }
}

function writeField(
  writer: ProtobufWriter,
  { number, type, message }: Pick<WireField, 'number' | 'type' | 'message'>,
  value: unknown,
): void {
  switch (type) {
    case 'message':
      return writer.nested(number, () => writeMessage(writer, value, message))
    case 'string':
      writer.string(String(value))
      break
    case 'bytes':
      writer.bytes(typeof value === 'string' ? Buffer.from(value, 'base64') : (value as Uint8Array))
      break
    case 'bool':
      writer.unsigned(value ? 1 : 0)
      break
    case 'double':
      writer.double(value as number)
      break
    default:
      writer.signed(value as number)
  }
  writer.tag(number, WIRE[type])
}

const WIRE: Record<WireType, number> = {
  string: LENGTH,
  bytes: LENGTH,
  message: LENGTH,
  map: LENGTH,
  bool: VARINT,
  int32: VARINT,
  int64: VARINT,
  double: FIXED64,
}

function writeMessage(writer: ProtobufWriter, value: unknown, name: string): void {
  const special = Object.hasOwn(SPECIAL, name) ? SPECIAL[name]! : undefined
  const object = special ? special(value) : value
  writeFields(writer, (object ?? {}) as Json, messageNamed(name)!)
}

const json = (value: unknown) => ({ raw: Buffer.from(JSON.stringify(value)) })
const bareList = (value: unknown) => ({ items: value })
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Messages whose JSON form is not an object of their fields. */
const SPECIAL: Record<string, (value: unknown) => Json> = {
  'meta.v1.Time': timeOf,
  'meta.v1.MicroTime': timeOf,
  'resource.Quantity': (value) => ({ string: String(value) }),
  'intstr.IntOrString': (value) =>
    typeof value === 'string' ? { type: 1, intVal: 0, strVal: value } : { type: 0, intVal: value, strVal: '' },
  'runtime.RawExtension': json,
  'meta.v1.FieldsV1': (value) => ({ Raw: Buffer.from(JSON.stringify(value)) }),
  'apiextensions.v1.JSON': json,
  'meta.v1.Verbs': bareList,
  'authentication.v1.ExtraValue': bareList,
  'authorization.v1.ExtraValue': bareList,
  'certificates.v1.ExtraValue': bareList,
  'apiextensions.v1.JSONSchemaPropsOrBool': (value) => (isObject(value) ? { allows: true, schema: value } : { allows: value }),
  'apiextensions.v1.JSONSchemaPropsOrArray': (value) => (Array.isArray(value) ? { jSONSchemas: value } : { schema: value }),
  'apiextensions.v1.JSONSchemaPropsOrStringArray': (value) => (Array.isArray(value) ? { property: value } : { schema: value }),
}

function timeOf(value: unknown): Json {
  const text = String(value)
  const micros = Number(/\.(\d{1,6})/.exec(text)?.[1]?.padEnd(6, '0') ?? 0)
  return { seconds: Math.floor(Date.parse(text) / 1000), nanos: micros * 1000 }
}
