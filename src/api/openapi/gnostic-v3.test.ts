// Reads the protobuf form back by gnostic's own numbers, and compares with the JSON it was made of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtobufReader } from '#api/codec/protobuf-reader.ts'
import { builtinKinds } from '#api/kinds.ts'
import { OpenApi, V3_PROTOBUF } from './openapi.ts'
import { gnosticV3Document } from './gnostic-v3.ts'

/** `name type` by number; a type that ends in `*` is repeated, one in `{}` is entries by name, `or` has a reference as its second form. */
type Message = Record<number, string>

const MESSAGES: Record<string, Message> = {
  Document: { 1: 'openapi string', 2: 'info Info', 4: 'paths Paths', 5: 'components Components' },
  Info: { 1: 'title string', 6: 'version string' },
  Paths: { 1: 'Path{}' },
  Path: Object.fromEntries([
    ...['get', 'put', 'post', 'delete', 'options', 'head', 'patch'].map((method, at) => [4 + at, `${method} Operation`]),
    [13, 'parameters Parameter or*'],
  ]),
  Operation: {
    1: 'tags string*',
    3: 'description string',
    5: 'operationId string',
    6: 'parameters Parameter or*',
    7: 'requestBody Body or',
    8: 'responses Responses',
    13: 'Any{}',
  },
  Parameter: { 1: 'name string', 2: 'in string', 3: 'description string', 4: 'required bool', 10: 'schema Schema or' },
  Body: { 1: 'description string', 2: 'content Media', 3: 'required bool' },
  Responses: { 2: 'Response or{}' },
  Response: { 1: 'description string', 3: 'content Media' },
  Media: { 1: 'Medium{}' },
  Medium: { 1: 'schema Schema or' },
  Components: { 1: 'schemas Schemas', 7: 'securitySchemes Securities' },
  Schemas: { 1: 'Schema or{}' },
  Securities: { 1: 'Security or{}' },
  Security: { 1: 'type string', 2: 'description string', 3: 'name string', 4: 'in string' },
  Schema: {
    1: 'nullable bool',
    11: 'maximum double',
    13: 'minimum double',
    15: 'maxLength int',
    17: 'pattern string',
    20: 'uniqueItems bool',
    23: 'required string*',
    24: 'enum Any*',
    25: 'type string',
    26: 'allOf Schema or*',
    27: 'oneOf Schema or*',
    29: 'not Schema',
    30: 'items Items',
    31: 'properties Schemas',
    32: 'additionalProperties Additional',
    33: 'default Default',
    34: 'description string',
    35: 'format string',
    36: 'Any{}',
  },
}

function read(reader: ProtobufReader, type: string): any {
  if (type.endsWith(' or')) {
    const tag = reader.tag()
    const inner = reader.message()
    if (tag === 1 * 8 + 2) return read(inner, type.slice(0, -3))
    assert.equal(tag, 2 * 8 + 2)
    assert.equal(inner.tag(), 1 * 8 + 2)
    return { $ref: inner.string() }
  }
  if (type === 'Any') return (assert.equal(reader.tag(), 2 * 8 + 2), JSON.parse(reader.string()))
  if (type === 'Items') return (assert.equal(reader.tag(), 1 * 8 + 2), read(reader.message(), 'Schema or'))
  if (type === 'Additional') return reader.tag() === 1 * 8 + 2 ? read(reader.message(), 'Schema or') : reader.bool()
  if (type === 'Default') {
    if (reader.done) return {}
    const tag = reader.tag()
    return tag === 1 * 8 + 1 ? reader.double() : tag === 2 * 8 ? reader.bool() : reader.string()
  }
  const object: any = {}
  while (!reader.done) {
    const number = reader.tag() >>> 3
    const field = MESSAGES[type]![number]
    assert.ok(field, `${type} has no field ${number}`)
    if (field.endsWith('{}')) {
      const entry = reader.message()
      assert.equal(entry.tag(), 1 * 8 + 2)
      const name = entry.string()
      assert.equal(entry.tag(), 2 * 8 + 2)
      object[name] = read(entry.message(), field.slice(0, -2))
      continue
    }
    const [name = '', ...rest] = field.split(' ')
    const whole = rest.join(' ')
    const repeated = whole.endsWith('*')
    const inner = repeated ? whole.slice(0, -1) : whole
    const scalars: Record<string, () => unknown> = {
      string: () => reader.string(),
      bool: () => reader.bool(),
      int: () => reader.int64(),
      double: () => reader.double(),
    }
    const value = scalars[inner]?.() ?? read(reader.message(), inner)
    if (repeated) (object[name] ??= []).push(value)
    else object[name] = value
  }
  return object
}

const openapi = new OpenApi(builtinKinds, 'v1.36.0')

for (const root of ['api/v1', 'apis/apps/v1', 'apis', 'version', 'apis/apiextensions.k8s.io/v1'])
  test(`gnosticV3Document says of ${root} what its JSON says`, async () => {
    const [text, wire] = [await openapi.v3(root), await openapi.v3(root, 'protobuf')]
    assert.deepEqual([wire!.contentType, wire!.etag], [V3_PROTOBUF, text!.etag])
    assert.deepEqual(read(new ProtobufReader(wire!.body), 'Document'), JSON.parse(text!.body.toString()))
  })

test('gnosticV3Document has constraints, defaults and extensions of any schema', async () => {
  const schema = {
    type: 'object',
    maximum: 1.5,
    minimum: -2,
    maxLength: 300,
    pattern: '^a',
    nullable: true,
    enum: ['a', 1, null, { b: [] }],
    not: { type: 'string' },
    oneOf: [{ type: 'integer' }, { $ref: '#/components/schemas/B' }],
    additionalProperties: false,
    properties: { a: { type: 'array', items: { type: 'string', default: 'x' }, default: [1] }, b: { default: true }, c: { default: 0.5 } },
    'x-kubernetes-list-map-keys': ['a', 'b'],
  }
  const parts = {
    openapi: '3.0.0',
    info: { title: 'A', version: '1' },
    paths: [],
    schemas: [['B', schema]] as [string, any][],
    securitySchemes: {},
  }
  const { components } = read(new ProtobufReader(await gnosticV3Document(parts)), 'Document')
  assert.deepEqual(components.schemas.B, { ...schema, properties: { ...schema.properties, a: { ...schema.properties.a, default: {} } } })
})
