import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { seededRandom } from '#lib/random.ts'
import { createForwarder } from './forwarder.ts'

test('forward answers nothing when no server can be reached, and nothing is thrown', async () => {
  // 255.255.255.255 is refused by the kernel at once, as an unreachable network is.
  const forwarder = createForwarder({ servers: ['255.255.255.255'], clock: systemClock, random: seededRandom(1) })
  assert.equal(await forwarder.forward(Buffer.alloc(20)), undefined)
  assert.equal(await forwarder.forward(Buffer.alloc(3)), undefined)
})
