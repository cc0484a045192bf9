// OpenAPI version 2 in the protobuf form of gnostic (openapi.v2.Document), which kubectl before 1.29 insists on. Field numbers are gnostic's.
// Each path and definition is a piece of its own; the pieces are joined behind their lengths, so nothing large is built twice.
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
  writeExtensions,
  writeFields,
} from './gnostic-writer.ts'

type Json = Record<string, unknown>

export interface SwaggerParts {
  swagger: string
  info: Json
  paths: Entries
  definitions: Entries
  parameters: Entries
  securityDefinitions: Record<string, Json>
  security: Record<string, string[]>[]
}

export async function gnosticDocument(parts: SwaggerParts): Promise<Buffer> {
  return Buffer.concat([
    piece((writer) => text(writer, 1, parts.swagger)),
    piece((writer) => writer.nested(2, () => writeFields(writer, parts.info, INFO))),
    ...joined(8, await pieces(2, parts.paths, pathItem)),
    ...joined(9, await schemaPieces(1, parts.definitions, { write: schema, enclosed: schema })),
    ...joined(10, await pieces(1, parts.parameters, parameter)),
    ...parts.security.map((one) => piece((writer) => writer.nested(12, () => requirement(writer, one)))),
    ...joined(13, await pieces(1, Object.entries(parts.securityDefinitions), security)),
  ])
}

const INFO: readonly Row[] = [
  ['title', 1],
  ['version', 2],
]

const REFERENCE: readonly Row[] = [
  ['$ref', 1],
  ['description', 2],
]

const SCHEMA: readonly Row[] = [
  ['$ref', 1],
  ['format', 2],
  ['description', 4],
  ['default', 5, any],
  ['required', 19],
  ['enum', 20, any],
  ['additionalProperties', 21, (writer, value) => writer.nested(1, () => schema(writer, value))],
  ['type', 22, (writer, value) => text(writer, 1, value)],
  ['items', 23, (writer, value) => writer.nested(1, () => schema(writer, value))],
  ['properties', 25, (writer, value) => members(writer, 1, value, schema)],
]

const PARAMETER_IN_BODY: readonly Row[] = [
  ['description', 1],
  ['name', 2],
  ['in', 3],
  ['required', 4, 'boolean'],
  ['schema', 5, schema],
]

const PARAMETER_IN_QUERY: readonly Row[] = [
  ['required', 1, 'boolean'],
  ['in', 2],
  ['description', 3],
  ['name', 4],
  ['type', 6],
  ['uniqueItems', 20, 'boolean'],
]

const PARAMETER_IN_PATH: readonly Row[] = [
  ['required', 1, 'boolean'],
  ['in', 2],
  ['description', 3],
  ['name', 4],
  ['type', 5],
  ['uniqueItems', 19, 'boolean'],
]

const OPERATION: readonly Row[] = [
  ['tags', 1],
  ['description', 3],
  ['operationId', 5],
  ['produces', 6],
  ['consumes', 7],
  ['parameters', 8, parameterOrReference],
  ['responses', 9, (writer, value) => members(writer, 1, value, responseValue)],
  ['schemes', 10],
]

const RESPONSE: readonly Row[] = [
  ['description', 1],
  ['schema', 2, (writer, value) => writer.nested(1, () => schema(writer, value))],
]

const PATH_ITEM: readonly Row[] = [
  ['get', 2, operation],
  ['put', 3, operation],
  ['post', 4, operation],
  ['delete', 5, operation],
  ['options', 6, operation],
  ['head', 7, operation],
  ['patch', 8, operation],
  ['parameters', 9, parameterOrReference],
]

const API_KEY: readonly Row[] = [
  ['type', 1],
  ['name', 2],
  ['in', 3],
  ['description', 4],
]

function schema(writer: ProtobufWriter, value: Json): void {
  const written = writer.written?.get(value)
  if (written) return writer.raw(written)
  writeExtensions(writer, value, 31)
  writeFields(writer, value, SCHEMA)
}

function operation(writer: ProtobufWriter, value: Json): void {
  writeExtensions(writer, value, 13)
  writeFields(writer, value, OPERATION)
}

function pathItem(writer: ProtobufWriter, value: Json): void {
  writeFields(writer, value, PATH_ITEM)
}

function parameterOrReference(writer: ProtobufWriter, value: Json): void {
  if ('$ref' in value) writer.nested(2, () => writeFields(writer, value, REFERENCE))
  else writer.nested(1, () => parameter(writer, value))
}

function parameter(writer: ProtobufWriter, value: Json): void {
  if (value.in === 'body') return writer.nested(1, () => writeFields(writer, value, PARAMETER_IN_BODY))
  const inPath = value.in === 'path'
  writer.nested(2, () => writer.nested(inPath ? 4 : 3, () => writeFields(writer, value, inPath ? PARAMETER_IN_PATH : PARAMETER_IN_QUERY)))
}

function responseValue(writer: ProtobufWriter, value: Json): void {
  writer.nested(1, () => writeFields(writer, value, RESPONSE))
}

function security(writer: ProtobufWriter, value: Json): void {
  writer.nested(2, () => writeFields(writer, value, API_KEY))
}

function requirement(writer: ProtobufWriter, value: Record<string, string[]>): void {
  members(writer, 1, value, (_, scopes: string[]) => writeFields(writer, { scopes }, [['scopes', 1]]))
}
