import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonEqual } from './json-equal.ts'

const bare = Object.assign(Object.create(null) as object, { a: [1, { b: 'x' }] })

for (const [a, b, equal] of [
  [{ a: [1, { b: 'x' }] }, bare, true],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: 1, b: null }, { a: 1 }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [[1, 2], [2, 1], false],
  [[], {}, false],
  [{ constructor: 1 }, {}, false],
  ['1', 1, false],
] as [unknown, unknown, boolean][]) {
  test(`jsonEqual ${JSON.stringify(a)} and ${JSON.stringify(b)}: ${equal}`, () => {
    assert.equal(jsonEqual(a, b), equal)
    assert.equal(jsonEqual(b, a), equal)
  })
}
