import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, deepFreeze } from './clone.ts'
import { equal } from './equal.ts'

const values: unknown[] = [null, 1, 'a', true, [], {}, { a: [1, { b: null }] }, [[1], [2]], JSON.parse('{"__proto__":{"x":1}}')]

test('clone copies deeply and equal tells values apart', () => {
  for (const [i, left] of values.entries()) {
    for (const [j, right] of values.entries()) assert.equal(equal(left, clone(right)), i === j)
  }
  const source = { a: { b: [1] } }
  const copy = clone(deepFreeze(source))
  copy.a.b.push(2)
  assert.deepEqual(source, { a: { b: [1] } })
})

test('clone keeps __proto__ as data', () => {
  const copy = clone(JSON.parse('{"a":{"__proto__":{"x":1}}}'))
  assert.equal(copy.a.x, undefined)
  assert.deepEqual(Object.keys(copy.a), ['__proto__'])
})

test('equal takes undefined for absent and does not look at prototypes', () => {
  assert.equal(equal({ a: 1, b: undefined }, { a: 1 }), true)
  assert.equal(equal({ a: undefined }, { b: 1 }), false)
  assert.equal(equal({ toString: 1 }, {}), false)
  assert.equal(equal([1, 2], { 0: 1, 1: 2 }), false)
})

test('deepFreeze freezes all of it', () => {
  const value = deepFreeze({ a: [{ b: 1 }] })
  assert.ok(Object.isFrozen(value.a[0]))
})
