import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LruMap } from './lru-map.ts'

test('LruMap forgets what was used least recently', () => {
  const map = new LruMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.get('a')
  map.set('c', 3)
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c'), map.size], [1, undefined, 3, 2])
})

test('LruMap forgets until what is left weighs little enough', () => {
  const map = new LruMap<string, string>(100, { weightOf: (key, value) => key.length + value.length, maxWeight: 10 })
  map.set('a', '123')
  map.set('b', '123')
  map.set('a', '12345')
  assert.equal(map.size, 2)
  map.set('c', '1')
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], ['12345', undefined, '1'])
  map.set('large', 'too large for all of it')
  assert.equal(map.size, 0)
  map.set('d', '123456789')
  assert.equal(map.size, 1)
})
