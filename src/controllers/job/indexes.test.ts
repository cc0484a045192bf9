import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { IndexSet } from './indexes.ts'

for (const [indexes, text] of [
  [[], ''],
  [[0], '0'],
  [[1, 2], '1,2'],
  [[1, 2, 3], '1-3'],
  [[0, 2, 3, 4, 7, 9, 10], '0,2-4,7,9,10'],
] as const) {
  test(`IndexSet reads and spells "${text}"`, () => {
    const set = IndexSet.parse(text, 100)
    assert.equal(String(set), text)
    assert.equal(set.size, indexes.length)
    const added = new IndexSet()
    for (const index of indexes.toReversed()) added.add(index)
    assert.equal(String(added), text)
  })
}

test('IndexSet is bounded by the number of completions, whatever the text says', () => {
  assert.equal(String(IndexSet.parse('0-99999999999,x,-3', 4)), '0-3')
  assert.equal(String(IndexSet.parse('7,5-3,2,1-2', 10)), '1,2,7')
})

test('IndexSet does with two billion indexes as with two', () => {
  const most = 2_147_483_647
  const set = IndexSet.parse('0-999,1001-2147483646', most)
  assert.equal(set.size, most - 1)
  assert.deepEqual([...set.missing(most)], [1000])
  assert.equal(set.inCommon(IndexSet.parse('999-1001', most)), 2)
  set.add(1000)
  assert.equal(String(set), '0-2147483646')
})

test('IndexSet agrees with a set of numbers', () => {
  const random = seededRandom(7)
  const draw = () => Math.floor(random.float() * 60)
  for (let round = 0; round < 200; round++) {
    const [mine, other] = [new IndexSet(), new IndexSet()]
    const [theirs, others] = [new Set<number>(), new Set<number>()]
    for (let step = 0; step < 40; step++) {
      const [index, another] = [draw(), draw()]
      mine.add(index)
      theirs.add(index)
      other.add(another)
      others.add(another)
    }
    const all = Array.from({ length: 60 }, (_, index) => index)
    assert.deepEqual(
      all.filter((index) => mine.has(index)),
      [...theirs].sort((a, b) => a - b),
    )
    assert.deepEqual(
      [...mine.missing(60)],
      all.filter((index) => !theirs.has(index)),
    )
    assert.equal(mine.inCommon(other), theirs.intersection(others).size)
    assert.equal(mine.union(other).size, theirs.union(others).size)
    assert.equal(String(IndexSet.parse(String(mine), 60)), String(mine))
  }
})
