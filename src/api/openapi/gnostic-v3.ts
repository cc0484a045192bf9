// OpenAPI version 3 in the protobuf form of gnostic (openapi.v3.Document). Field numbers are gnostic's. A default that is no scalar has no form there.
import type { ProtobufWriter } from '#api/codec/protobuf-writer.ts'
import {
  any,
  type Entries,
  joined,
  members,
  piece,
  pieces,
  type Row,
  schemaPieces,
  text,
  type Write,
  writeExtensions,
  writeFields,
} from './gnostic-writer.ts'

type Json = Record<string, unknown>

export interface OpenApiParts {
  openapi: string
  info: Json
  paths: Entries
  schemas: Entries
  securitySchemes: Record<string, Json>
}

export async function gnosticV3Document(parts: OpenApiParts): Promise<Buffer> {
  const schemas = joined(1, await schemaPieces(1, parts.schemas, { write: schema, enclosed: schemaOrReference }))
  const security = piece((writer) => writer.nested(7, () => members(writer, 1, parts.securitySchemes, securityScheme)))
  return Buffer.concat([
    piece((writer) => text(writer, 1, parts.openapi)),
    piece((writer) => writer.nested(2, () => writeFields(writer, parts.info, INFO))),
    ...joined(4, await pieces(1, parts.paths, pathItem)),
    ...joined(5, [...schemas, security]),
  ])
}

const INFO: readonly Row[] = [
  ['title', 1],
  ['description', 2],
  ['version', 6],
]

const REFERENCE: readonly Row[] = [['$ref', 1]]

const SCHEMA: readonly Row[] = [
  ['nullable', 1, 'boolean'],
  ['title', 9],
  ['multipleOf', 10, 'double'],
  ['maximum', 11, 'double'],
  ['exclusiveMaximum', 12, 'boolean'],
  ['minimum', 13, 'double'],
  ['exclusiveMinimum', 14, 'boolean'],
  ['maxLength', 15, 'integer'],
  ['minLength', 16, 'integer'],
  ['pattern', 17],
  ['maxItems', 18, 'integer'],
  ['minItems', 19, 'integer'],
  ['uniqueItems', 20, 'boolean'],
  ['maxProperties', 21, 'integer'],
  ['minProperties', 22, 'integer'],
  ['required', 23],
  ['enum', 24, any],
  ['type', 25],
  ['allOf', 26, schemaOrReference],
  ['oneOf', 27, schemaOrReference],
  ['anyOf', 28, schemaOrReference],
  ['not', 29, schema],
  ['items', 30, (writer, value) => writer.nested(1, () => schemaOrReference(writer, value))],
  ['properties', 31, (writer, value) => members(writer, 1, value, schemaOrReference)],
  ['additionalProperties', 32, additionalProperties],
  ['default', 33, scalarDefault],
  ['description', 34],
  ['format', 35],
]

const PARAMETER: readonly Row[] = [
  ['name', 1],
  ['in', 2],
  ['description', 3],
  ['required', 4, 'boolean'],
  ['schema', 10, schemaOrReference],
]

const MEDIA_TYPE: readonly Row[] = [['schema', 1, schemaOrReference]]
const mediaTypes: Write = (writer, value) => members(writer, 1, value, (inner, one) => writeFields(inner, one, MEDIA_TYPE))

const BODY: readonly Row[] = [
  ['description', 1],
  ['content', 2, mediaTypes],
  ['required', 3, 'boolean'],
]

const RESPONSE: readonly Row[] = [
  ['description', 1],
  ['content', 3, mediaTypes],
]

const OPERATION: readonly Row[] = [
  ['tags', 1],
  ['description', 3],
  ['operationId', 5],
  ['parameters', 6, orReference((writer, value) => writeFields(writer, value, PARAMETER))],
  ['requestBody', 7, orReference((writer, value) => writeFields(writer, value, BODY))],
  [
    'responses',
    8,
    (writer, value) =>
      members(
        writer,
        2,
        value,
        orReference((inner, one) => writeFields(inner, one, RESPONSE)),
      ),
  ],
]

const PATH_ITEM: readonly Row[] = [
  ['get', 4, operation],
  ['put', 5, operation],
  ['post', 6, operation],
  ['delete', 7, operation],
  ['options', 8, operation],
  ['head', 9, operation],
  ['patch', 10, operation],
  ['parameters', 13, orReference((writer, value) => writeFields(writer, value, PARAMETER))],
]

const SECURITY: readonly Row[] = [
  ['type', 1],
  ['description', 2],
  ['name', 3],
  ['in', 4],
]

/** One of two: the thing itself, or a reference to it. */
function orReference(write: Write): Write {
  return (writer, value: Json) => {
    if ('$ref' in value) writer.nested(2, () => writeFields(writer, value, REFERENCE))
    else writer.nested(1, () => write(writer, value))
  }
}

function schemaOrReference(writer: ProtobufWriter, value: Json): void {
  orReference(schema)(writer, value)
}

function schema(writer: ProtobufWriter, value: Json): void {
  const written = writer.written?.get(value)
  if (written) return writer.raw(written)
  writeExtensions(writer, value, 36)
  // A list given as a default is one value.
  writeFields(writer, Array.isArray(value.default) ? { ...value, default: {} } : value, SCHEMA)
}

function additionalProperties(writer: ProtobufWriter, value: Json | boolean): void {
  if (typeof value === 'boolean') writeFields(writer, { value }, [['value', 2, 'boolean']])
  else writer.nested(1, () => schemaOrReference(writer, value))
}

function scalarDefault(writer: ProtobufWriter, value: unknown): void {
  if (typeof value === 'number') writeFields(writer, { value }, [['value', 1, 'double']])
  else if (typeof value === 'boolean') writeFields(writer, { value }, [['value', 2, 'boolean']])
  else if (typeof value === 'string') text(writer, 3, value)
}

function operation(writer: ProtobufWriter, value: Json): void {
  writeExtensions(writer, value, 13)
  writeFields(writer, value, OPERATION)
}

function pathItem(writer: ProtobufWriter, value: Json): void {
  writeFields(writer, value, PATH_ITEM)
}

function securityScheme(writer: ProtobufWriter, value: Json): void {
  writer.nested(1, () => writeFields(writer, value, SECURITY))
}
