import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byKey, compareTexts } from './order.ts'

test('compareTexts sorts by code unit, as no locale does', () => {
  assert.deepEqual(['web-b', 'weba', 'Web', 'web-a', 'web-a'].sort(compareTexts), ['Web', 'web-a', 'web-a', 'web-b', 'weba'])
})

test('byKey sorts entries by their keys and leaves those with the same key in their order', () => {
  assert.deepEqual(Object.fromEntries(Object.entries({ b: 1, a: 2 }).toSorted(byKey)), { a: 2, b: 1 })
  const entries: [string, number][] = [
    ['x', 2],
    ['x', 1],
  ]
  assert.deepEqual(entries.toSorted(byKey), entries)
})
