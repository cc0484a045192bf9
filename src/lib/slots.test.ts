import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from './slots.ts'

test('Slots hold what was added and not removed, and use places again', () => {
  const slots = new Slots<{ name: string }>()
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
  const first = slots.add(a)
  slots.add(b)
  slots.remove(first)
  assert.deepEqual([...slots], [b])
  assert.equal(slots.add(c), first)
  assert.deepEqual([[...slots], slots.size], [[c, b], 2])
})

test('Slots may lose things while they are gone through', () => {
  const slots = new Slots<{ place: number }>()
  for (let i = 0; i < 3; i++) {
    const item = { place: 0 }
    item.place = slots.add(item)
  }
  let seen = 0
  for (const { place } of slots) {
    slots.remove(place)
    seen++
  }
  assert.deepEqual([seen, slots.size], [3, 0])
})
