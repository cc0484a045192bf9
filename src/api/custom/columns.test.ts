import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customColumns } from './columns.ts'

const NOW = Date.parse('2026-01-02T00:00:00Z')
const CELLS: [type: string, path: string, spec: unknown, cell: unknown][] = [
  ['string', '.spec[*].name', [{ name: 'a' }, { name: 'b' }], 'a'],
  ['string', '.spec', { b: '<', a: [1, { d: 1, c: 2 }] }, '{"a":[1,{"c":2,"d":1}],"b":"\\u003c"}'],
  ['string', '.spec', null, '<no value>'],
  ['string', '.spec', 1_234_567.5, '1.2345675e+06'],
  ['string', '.spec', 7_000_000, '7000000'],
  ['string', '.spec', false, 'false'],
  ['string', '.spec.none', {}, null],
  ['integer', '.spec', 1.7, 1],
  ['integer', '.spec', '1', null],
  ['number', '.spec', 3, 3],
  ['boolean', '.spec', 'true', null],
  ['date', '.spec', '2026-01-01T00:00:00Z', '24h'],
  ['date', '.spec', '', '<unknown>'],
  ['date', '.spec', '2026-01-01', '<invalid>'],
  ['date', '.spec', '2026-13-01T00:00:00Z', '<invalid>'],
  ['date', '.spec', 5, null],
]

for (const [type, jsonPath, spec, cell] of CELLS)
  test(`customColumns show ${type} ${jsonPath} of ${JSON.stringify(spec)}`, () => {
    const [, column] = customColumns([{ name: 'X', type, jsonPath }])
    assert.equal(column!.value({ spec } as never, { now: NOW } as never), cell)
  })
