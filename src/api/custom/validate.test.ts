import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { Validator } from './validate.ts'

const check = (property: JSONSchemaProps, value: unknown, previous?: unknown) =>
  new Validator()
    .check(
      { type: 'object', properties: { a: property } },
      { a: value },
      { path: '', previous: previous === undefined ? undefined : { a: previous } },
    )
    .map(({ field, message }) => `${field}: ${message}`)

const refusals: [JSONSchemaProps, unknown, string | string[]][] = [
  [{ type: 'string' }, 1, 'a: Invalid value: "integer": a in body must be of type string: "integer"'],
  [{ type: 'string' }, null, 'a: Invalid value: "null": a in body must be of type string: "null"'],
  [{ type: 'integer' }, 1.5, 'a: Invalid value: "number": a in body must be of type integer: "number"'],
  [
    { type: 'array', items: { type: 'string' } },
    ['x', 1],
    'a[1]: Invalid value: "integer": a[1] in body must be of type string: "integer"',
  ],
  [{ type: 'string', minLength: 3 }, 'ab', 'a: Invalid value: "ab": a in body should be at least 3 chars long'],
  [{ type: 'string', maxLength: 1 }, 'ab', 'a: Too long: may not be more than 1 bytes'],
  [{ type: 'string', pattern: '^x' }, 'ab', 'a: Invalid value: "ab": a in body should match \'^x\''],
  [{ type: 'string', format: 'date-time' }, 'ab', 'a: Invalid value: "ab": a in body must be of type date-time: "ab"'],
  [{ type: 'integer', minimum: 2 }, 1, 'a: Invalid value: 1: a in body should be greater than or equal to 2'],
  [{ type: 'integer', minimum: 2, exclusiveMinimum: true }, 2, 'a: Invalid value: 2: a in body should be greater than 2'],
  [{ type: 'number', maximum: 2 }, 2.5, 'a: Invalid value: 2.5: a in body should be less than or equal to 2'],
  [{ type: 'number', multipleOf: 0.5 }, 0.7, 'a: Invalid value: 0.7: a in body should be a multiple of 0.5'],
  [{ type: 'array', minItems: 1, items: {} }, [], 'a: Invalid value: 0: a in body should have at least 1 items'],
  [{ type: 'array', maxItems: 1, items: {} }, [1, 2], 'a: Too many: 2: must have at most 1 item'],
  [{ type: 'object', minProperties: 1 }, {}, 'a: Invalid value: 0: a in body should have at least 1 properties'],
  [{ type: 'object', maxProperties: 1 }, { x: 1, y: 2 }, 'a: Too many: 2: must have at most 1 item'],
  [{ type: 'object', required: ['x'] }, {}, 'a.x: Required value'],
  [{ type: 'string', enum: ['x', 'y'] }, 'z', 'a: Unsupported value: "z": supported values: "x", "y"'],
  [{ 'x-kubernetes-int-or-string': true }, true, 'a: Invalid value: "boolean": a in body must be of type integer,string: "boolean"'],
  [
    { type: 'object', oneOf: [{ required: ['x'] }, { required: ['y'] }] },
    { x: 1, y: 1 },
    'a: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives',
  ],
  [
    { type: 'object', anyOf: [{ required: ['x'] }, { required: ['y'] }] },
    {},
    ['a: Invalid value: "": "a" must validate at least one schema (anyOf)', 'a.x: Required value'],
  ],
  [{ type: 'object', not: { required: ['x'] } }, { x: 1 }, 'a: Invalid value: "": "a" must not validate the schema (not)'],
]

for (const [schema, value, message] of refusals)
  test(`Validator refuses ${JSON.stringify(value)} for ${JSON.stringify(schema)}`, () => {
    assert.deepEqual(check(schema, value), [message].flat())
  })

const welcome: [JSONSchemaProps, unknown][] = [
  [{ type: 'number' }, 1],
  [{ type: 'string', nullable: true }, null],
  [{ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }, '80%'],
  [{ 'x-kubernetes-preserve-unknown-fields': true }, [{ anything: null }]],
  [{ type: 'object', additionalProperties: { type: 'integer' } }, { constructor: 1 }],
  [{ type: 'string', maxLength: 1 }, '😀'],
]

for (const [schema, value] of welcome)
  test(`Validator lets ${JSON.stringify(value)} pass for ${JSON.stringify(schema)}`, () => {
    assert.deepEqual(check(schema, value), [])
  })

test('Validator does not judge again what an update leaves as it was', () => {
  const item: JSONSchemaProps = { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer', minimum: 5 } } }
  const list: JSONSchemaProps = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items: item }
  const before = [{ name: 'old', size: 1 }]
  assert.deepEqual(check(list, [{ name: 'new', size: 9 }, ...before], before), [])
  assert.deepEqual(check(list, [{ name: 'new', size: 2 }, ...before], before), [
    'a[0].size: Invalid value: 2: a[0].size in body should be greater than or equal to 5',
  ])
})
