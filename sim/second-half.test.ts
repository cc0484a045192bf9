import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './run.ts'
import { testSeeds } from './seeds.ts'

test('one seed gives one history', async () => {
  const [first, second, other] = [await simulate(1234), await simulate(1234), await simulate(1235)]
  assert.ok(first.digest === second.digest, 'two runs of one seed differ')
  assert.deepEqual(first.faults, second.faults)
  assert.notEqual(first.digest, other.digest)
})

testSeeds(501, 1001)
