import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { KubeObject } from '#api/object.ts'
import { applySchemaDefaults } from './defaults.ts'
import { pruneResource } from './prune.ts'

const SCHEMA: JSONSchemaProps = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        known: { type: 'string' },
        list: { type: 'array', items: { type: 'object', properties: { x: { type: 'integer' } } } },
        map: { type: 'object', additionalProperties: { type: 'object', properties: { x: { type: 'integer' } } } },
        open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { shut: { type: 'object' } } },
        inner: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
      },
    },
  },
}

test('pruneResource drops what no schema names and tells where it was', () => {
  const object =
    JSON.parse(`{"apiVersion":"a/v1","kind":"A","metadata":{"name":"a","odd":1},"odd":1,"spec":{"known":"x","__proto__":{"y":1},
    "list":[{"x":1,"y":2}],"map":{"k":{"x":1,"y":2}},"open":{"any":{"thing":1},"shut":{"y":1}},
    "inner":{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"b"},"odd":1},"odd":1}}}`) as KubeObject
  assert.deepEqual(pruneResource(object, SCHEMA).sort(), [
    'metadata.odd',
    'odd',
    'spec.__proto__',
    'spec.inner.metadata.odd',
    'spec.inner.odd',
    'spec.list[0].y',
    'spec.map.k.y',
    'spec.open.shut.y',
  ])
  assert.equal(
    JSON.stringify(object),
    '{"apiVersion":"a/v1","kind":"A","metadata":{"name":"a"},"spec":{"known":"x","list":[{"x":1}],"map":{"k":{"x":1}},"open":{"any":{"thing":1},"shut":{}},"inner":{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"b"}}}}}',
  )
})

test('applySchemaDefaults fills in what is absent, and null where none may be', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: {
      a: { type: 'integer', default: 1 },
      b: { type: 'integer', default: 2 },
      c: { type: 'integer', nullable: true, default: 3 },
      d: { type: 'integer' },
      deep: { type: 'object', default: {}, properties: { e: { type: 'string', default: 'x' } } },
      absent: { type: 'object', properties: { e: { type: 'string', default: 'x' } } },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { e: { type: 'string', default: 'x' } } } },
      list: { type: 'array', items: { type: 'object', properties: { e: { type: 'string', default: 'x' } } } },
    },
  }
  const object = { a: 5, b: null, c: null, d: null, map: { k: {} }, list: [{}] }
  applySchemaDefaults(object, schema)
  const filled = { a: 5, b: 2, c: null, deep: { e: 'x' }, map: { k: { e: 'x' } }, list: [{ e: 'x' }] }
  assert.deepEqual(object, filled)
  applySchemaDefaults(object, schema)
  assert.deepEqual(object, filled)
})
