import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { SLAB_BYTES, SlabPool, SlabWriter } from './slab-writer.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('SlabWriter waits for a reader that is slow, and gives up one that takes nothing', async () => {
  const clock = createVirtualClock()
  const target = new PassThrough({ highWaterMark: 1 })
  const writer = new SlabWriter(target, new SlabPool(), clock)
  const written = writer.bytes(Buffer.alloc(SLAB_BYTES * 10), 0)
  for (let minute = 0; minute < 5; minute++) {
    target.read(SLAB_BYTES)
    for (let i = 0; i < 5; i++) await turn()
    await clock.advance(59_000)
  }
  assert.equal(writer.broken, false)
  await clock.advance(60_000)
  await written
  assert.deepEqual([writer.broken, target.destroyed], [true, true])
})
