import assert from 'node:assert/strict'
import test from 'node:test'
import { liveThrough } from './day.ts'

test('liveThrough an hour brings every deployment to the size its load wants, and one seed tells one story', async () => {
  const first = await liveThrough({ hours: 1, seed: 7 })
  assert.ok(first.rescales > 10 && first.runs >= 20, JSON.stringify(first))
  assert.deepEqual(await liveThrough({ hours: 1, seed: 7 }), first)
})
