import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { Patience } from './patience.ts'

const FRAME = 100_000

/** Events every 100 ms for a minute to a watcher that takes so many bytes in the same time. Tells when it was given up, in seconds. */
async function watched({ bytes, taken }: { bytes: number; taken: number }): Promise<number | undefined> {
  const clock = createVirtualClock()
  const spent: number[] = []
  using patience = new Patience(clock, () => void spent.push(clock.monotonic() / 1000))
  const lag = { added: 0, backlog: 0 }
  for (let step = 0; step < 600 && spent.length === 0; step++) {
    lag.added += bytes
    lag.backlog += bytes
    patience.note(lag, bytes)
    await clock.advance(100)
    lag.backlog = Math.max(0, lag.backlog - taken)
  }
  return spent[0]
}

for (const [what, load, expected] of [
  ['keeps a watcher that takes what it is told', { bytes: FRAME, taken: FRAME }, undefined],
  ['keeps one that always has much waiting but takes it', { bytes: 20 * FRAME, taken: 20 * FRAME }, undefined],
  ['gives up one that takes nothing, after five seconds', { bytes: FRAME, taken: 0 }, 5.3],
  ['gives up one that takes nothing of very much at once', { bytes: 30 * FRAME, taken: 0 }, 0.3],
  ['never gives up for one event alone', { bytes: 0, taken: 0 }, undefined],
] as const)
  test(`Patience ${what}`, async () => assert.equal(await watched(load), expected))

test('Patience keeps a watcher that fell behind once and catches up', async () => {
  const clock = createVirtualClock()
  let spent = false
  using patience = new Patience(clock, () => (spent = true))
  const lag = { added: 0, backlog: 0 }
  for (let i = 0; i < 40; i++) {
    lag.added += FRAME
    lag.backlog += FRAME
    patience.note(lag, FRAME)
  }
  await clock.advance(4000)
  // New ones come, but what waited is taken.
  lag.added += 10 * FRAME
  lag.backlog = 10 * FRAME
  await clock.advance(4000)
  assert.equal(spent, false)
})
