import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIndexes, parseIndexes } from './indexes.ts'

for (const [indexes, text] of [
  [[], ''],
  [[0], '0'],
  [[1, 2], '1,2'],
  [[1, 2, 3], '1-3'],
  [[0, 2, 3, 4, 7, 9, 10], '0,2-4,7,9,10'],
] as const) {
  test(`formatIndexes and parseIndexes agree on "${text}"`, () => {
    assert.equal(formatIndexes(new Set(indexes)), text)
    assert.deepEqual([...parseIndexes(text, 100)], indexes)
  })
}

test('parseIndexes is bounded by the number of completions, whatever the text says', () => {
  assert.equal(parseIndexes('0-99999999999,x,-3', 4).size, 4)
})
