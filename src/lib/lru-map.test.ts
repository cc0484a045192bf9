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

test('LruMap tells of what it forgets, and of nothing that was deleted or replaced', () => {
  const told: [string, string][] = []
  const forgotten = (key: string, value: string) => void told.push([key, value])
  const map = new LruMap<string, string>(2, { weightOf: (_, value) => value.length, maxWeight: 10, forgotten })
  map.set('a', '1')
  map.set('a', '2')
  map.set('b', '3')
  map.delete('b')
  map.set('c', '4')
  map.set('d', '5')
  map.set('large', 'x'.repeat(11))
  assert.deepEqual(told, [
    ['a', '2'],
    ['c', '4'],
    ['d', '5'],
    ['large', 'x'.repeat(11)],
  ])
})

test('LruMap goes on forgetting in order after all was forgotten, and what was used meanwhile last', () => {
  const map = new LruMap<number, string>(3, { weightOf: (_, value) => value.length, maxWeight: 100 })
  map.set(1, 'a')
  map.set(2, 'x'.repeat(200))
  assert.equal(map.size, 0)
  // What was weighed when nothing was left has seen the end.
  map.set(3, 'x'.repeat(200))
  for (let key = 4; key < 8; key++) map.set(key, 'a')
  map.get(5)
  map.delete(6)
  for (let key = 8; key < 10; key++) map.set(key, 'a')
  assert.deepEqual(
    [4, 5, 6, 7, 8, 9].filter((key) => map.get(key)),
    [5, 8, 9],
  )
})
