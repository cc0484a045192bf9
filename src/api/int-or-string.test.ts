import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type IntOrString, resolveFenceposts, scaledValue } from './int-or-string.ts'

const scaled: [IntOrString, number, number, number][] = [
  [3, 10, 3, 3],
  ['25%', 10, 3, 2],
  ['7%', 100, 7, 7],
  ['100%', 3, 3, 3],
  ['0%', 10, 0, 0],
]

for (const [value, total, up, down] of scaled)
  test(`scaledValue takes ${value} of ${total}`, () => {
    assert.equal(scaledValue(value, total, 'up'), up)
    assert.equal(scaledValue(value, total, 'down'), down)
  })

test('scaledValue refuses text that is no percentage', () => {
  assert.throws(() => scaledValue('five', 10, 'up'), RangeError)
  assert.throws(() => scaledValue('-5%', 10, 'up'), RangeError)
})

test('resolveFenceposts always lets one pod move', () => {
  assert.deepEqual(resolveFenceposts('25%', '25%', 10), { surge: 3, unavailable: 2 })
  assert.deepEqual(resolveFenceposts(0, '10%', 1), { surge: 0, unavailable: 1 })
})
