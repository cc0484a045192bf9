import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectReader } from '#server/request.ts'
import { onceThere } from './once-there.ts'

test('onceThere acts at once on what is there, and on what is not once all of other servers is here', async () => {
  const told: string[] = []
  const fresh = () => Promise.resolve().then(() => void told.push('fresh'))
  const reader = (more: Partial<ObjectReader>) => more as ObjectReader
  assert.equal(
    onceThere(
      reader({ fresh }),
      () => true,
      () => void told.push('there'),
    ),
    undefined,
  )
  assert.deepEqual(told.splice(0), ['there'])
  await onceThere(
    reader({ fresh }),
    () => false,
    () => void told.push('then'),
  )
  assert.deepEqual(told.splice(0), ['fresh', 'then'])
  for (const alone of [{}, { fresh: () => undefined }])
    onceThere(
      reader(alone),
      () => false,
      () => void told.push('alone'),
    )
  assert.deepEqual(told, ['alone', 'alone'])
})
