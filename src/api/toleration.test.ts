import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Toleration } from './generated/types.ts'
import { matchesTaint, tolerates } from './toleration.ts'

const taint = { key: 'dedicated', value: '5', effect: 'NoExecute' }

const cases: [Toleration, boolean][] = [
  [{ operator: 'Exists' }, true],
  [{ key: 'dedicated', operator: 'Exists' }, true],
  [{ key: 'other', operator: 'Exists' }, false],
  [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }, false],
  [{ key: 'dedicated', operator: 'Equal', value: '5' }, true],
  [{ key: 'dedicated', value: '5', effect: 'NoExecute' }, true],
  [{ key: 'dedicated', value: 'x' }, false],
  [{ key: 'dedicated' }, false],
  [{ value: '5' }, false],
  [{ key: 'dedicated', operator: 'Gt', value: '4' }, true],
  [{ key: 'dedicated', operator: 'Gt', value: '5' }, false],
  [{ key: 'dedicated', operator: 'Lt', value: '10' }, true],
  [{ key: 'dedicated', operator: 'Lt', value: 'ten' }, false],
]

test('matchesTaint compares key, value and effect as far as they are given', () => {
  for (const [toleration, expected] of cases) assert.equal(matchesTaint(toleration, taint), expected, JSON.stringify(toleration))
})

test('matchesTaint takes an absent value for an empty one', () => {
  assert.equal(matchesTaint({ key: 'dedicated' }, { key: 'dedicated', effect: 'NoSchedule' }), true)
})

test('tolerates wants any one toleration, and none tolerate nothing', () => {
  assert.equal(tolerates([{ key: 'other' }, { operator: 'Exists' }], taint), true)
  assert.equal(tolerates([{ key: 'other' }], taint), false)
  assert.equal(tolerates(undefined, taint), false)
})
