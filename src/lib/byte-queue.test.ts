import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteQueue } from './byte-queue.ts'
import { seededRandom } from './random.ts'

test('ByteQueue gives back what it was given, in order, piece by piece or whole', () => {
  const random = seededRandom(5)
  const below = (end: number) => Math.floor(random.float() * end)
  for (let round = 0; round < 100; round++) {
    const queue = new ByteQueue()
    const given: Buffer[] = []
    const taken: Buffer[] = []
    const sum = (pieces: Buffer[]) => pieces.reduce((total, { length }) => total + length, 0)
    for (let step = below(100); step > 0; step--) {
      const piece = Buffer.alloc(below(20) === 0 ? below(20_000) : below(100), below(256))
      given.push(Buffer.from(piece))
      queue.add(piece)
      if (below(5) === 0) taken.push(queue.shift() ?? Buffer.alloc(0))
      if (below(40) === 0) taken.push(queue.takeAll())
      assert.equal(queue.length, sum(given) - sum(taken))
    }
    for (let piece = queue.shift(); piece; piece = queue.shift()) taken.push(piece)
    assert.ok(Buffer.concat(taken).equals(Buffer.concat(given)))
    assert.deepEqual([queue.length, queue.takeAll().length], [0, 0])
  }
})

test('ByteQueue keeps single bytes together', () => {
  const queue = new ByteQueue()
  for (let i = 0; i < 100_000; i++) queue.add(Buffer.from([i]))
  let pieces = 0
  while (queue.shift()) pieces++
  assert.equal(pieces, 8 + Math.ceil((100_000 - 8) / 16_384))
})
