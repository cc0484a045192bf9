import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { passOn } from './pass-on.ts'

/** What is said to it is taken when it is told to. */
class Slow extends Duplex {
  readonly heard: string[] = []
  taken: (() => void) | undefined

  override _read(): void {}

  override _write(piece: Buffer, _encoding: string, taken: () => void): void {
    this.heard.push(String(piece))
    this.taken = taken
  }
}

const talker = () => new Duplex({ read() {}, write: (_piece, _encoding, done) => done() })
const turn = () => new Promise((resolve) => setImmediate(resolve))

for (const [how, leave] of [
  ['has ended', (from: Duplex) => from.push(null)],
  ['has broken off', (from: Duplex) => from.destroy(new Error('reset'))],
] as const)
  test(`passOn says all that it has heard, a piece at a time, of one who ${how}`, async () => {
    const [from, to] = [talker(), new Slow()]
    passOn(from, to)
    for (const piece of ['one', 'two', 'three']) from.push(piece)
    await turn()
    leave(from)
    await turn()
    assert.deepEqual(to.heard, ['one'])
    const ended = once(to, 'finish')
    for (const heard of [2, 3]) {
      to.taken!()
      await turn()
      assert.equal(to.heard.length, heard)
    }
    to.taken!()
    await ended
    await turn()
    assert.deepEqual([to.heard, to.destroyed], [['one', 'two', 'three'], from.destroyed])
  })

test('passOn listens no further ahead than it may', async () => {
  const [from, to] = [talker(), new Slow()]
  passOn(from, to)
  for (let n = 0; n < 100; n++) from.push(Buffer.alloc(64 * 1024))
  await turn()
  assert.ok(from.isPaused() && from.readableLength > 5_000_000)
  for (let n = 0; n < 100; n++) {
    to.taken!()
    await turn()
  }
  assert.equal(from.readableLength, 0)
})
