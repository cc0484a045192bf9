import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from './random.ts'
import { SortedKeys } from './sorted-keys.ts'

test('SortedKeys agrees with a sorted array through random additions and removals', () => {
  const random = seededRandom(7)
  const keys = new SortedKeys()
  const model = new Set<string>()
  for (let step = 0; step < 20_000; step++) {
    const key = `k${Math.floor(random.float() * 3000)}`
    if (random.float() < 0.6) assert.equal(keys.add(key), !model.has(key) && !!model.add(key))
    else assert.equal(keys.delete(key), model.delete(key))
  }
  const sorted = [...model].toSorted()
  assert.equal(keys.size, sorted.length)
  assert.deepEqual([...keys.from('')], sorted)
  for (const start of ['k1', 'k15', 'k2999', 'zzz', '']) {
    assert.deepEqual(
      [...keys.from(start)],
      sorted.filter((key) => key >= start),
    )
    assert.equal(keys.count(start, 'k5'), sorted.filter((key) => key >= start && key < 'k5').length)
  }
})

test('SortedKeys walks from anywhere as it iterates, until told to stop', () => {
  const keys = new SortedKeys()
  for (let i = 0; i < 2000; i++) keys.add(String((i * 7919) % 2000).padStart(4, '0'))
  const walked: string[] = []
  keys.walk('0700x', (key) => walked.push(key) < 900)
  assert.deepEqual(walked, [...keys.from('0700x')].slice(0, 900))
  new SortedKeys().walk('', () => assert.fail('nothing is there'))
})
