import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { tableOf } from './table.ts'

const map = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' },
  data: { a: 'b' },
}
const now = Date.parse('2026-01-01T00:01:00Z')

test('tableOf prints cells and partial objects', () => {
  assert.deepEqual(tableOf(ConfigMap, [map], { now, listMeta: { resourceVersion: '9' } }), {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: '9' },
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: 'Name of the object, unique within its namespace.', priority: 0 },
      { name: 'Data', type: 'string', format: '', description: 'Number of entries.', priority: 0 },
      { name: 'Age', type: 'string', format: '', description: 'Time since the object was created.', priority: 0 },
    ],
    rows: [{ cells: ['m', 1, '60s'], object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: map.metadata } }],
  })
})

for (const [includeObject, expected] of [
  ['None', null],
  ['Object', map],
] as const)
  test(`tableOf with includeObject ${includeObject} holds what was asked`, () => {
    assert.deepEqual(tableOf(ConfigMap, [map], { now, includeObject }).rows[0]!.object, expected)
  })

test('tableOf leaves columns out when told', () => {
  assert.equal(tableOf(ConfigMap, [map], { now, withColumns: false }).columnDefinitions, null)
})

test('tableOf of nothing has no rows', () => assert.deepEqual(tableOf(ConfigMap, [], { now }).rows, []))
