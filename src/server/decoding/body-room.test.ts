import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '#api/status.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { BodyRoom } from './body-room.ts'

const MB = 1024 * 1024

function started() {
  const clock = createVirtualClock()
  const room = new BodyRoom(clock)
  const take = (user: string, megabytes = 3, more: { signal?: AbortSignal; remainingMs?: number } = {}) => {
    const one = { held: undefined as Disposable | undefined, refused: undefined as StatusError | undefined, settled: Promise.resolve() }
    one.settled = room
      .take(megabytes * MB, { user, signal: new AbortController().signal, ...more })
      .then((held) => void (one.held = held))
      .catch((error: StatusError) => void (one.refused = error))
    return one
  }
  return { clock, take }
}

const entered = async (all: { held: Disposable | undefined }[]) => {
  await new Promise((resolve) => setImmediate(resolve))
  return all.filter(({ held }) => held).length
}

test('BodyRoom gives one user half of it, the rest to others, and all of it to nobody', async () => {
  const { take } = started()
  const anna = Array.from({ length: 20 }, () => take('anna'))
  assert.equal(await entered(anna), 5)
  const others = Array.from({ length: 20 }, (_, index) => take(`user${index}`))
  assert.equal(await entered(others), 5)
  assert.equal(await entered(anna), 5)
})

test('BodyRoom lets the next in, in the order they came, as room is given back, once', async () => {
  const { take } = started()
  const all = Array.from({ length: 14 }, (_, index) => take(`user${index}`))
  assert.equal(await entered(all), 10)
  all[3]!.held![Symbol.dispose]()
  all[3]!.held![Symbol.dispose]()
  assert.equal(await entered(all), 11)
  assert.ok(all[10]!.held)
  assert.equal(all[11]!.held, undefined)
})

test('BodyRoom tells who waits too long, or less where the client does, to come again', async () => {
  const { clock, take } = started()
  const holders = Array.from({ length: 10 }, (_, index) => take(`user${index}`))
  const short = take('short', 3, { remainingMs: 1000 })
  const long = take('long')
  const abort = new AbortController()
  const gone = take('gone', 3, { signal: abort.signal })
  await entered(holders)
  await clock.advance(1500)
  await short.settled
  assert.deepEqual(
    [short.refused?.code, short.refused?.reason, short.refused?.details?.retryAfterSeconds, long.refused],
    [429, 'TooManyRequests', 1, undefined],
  )
  abort.abort()
  await gone.settled
  assert.equal(gone.refused?.code, 429)
  await clock.advance(30_000)
  await long.settled
  assert.equal(long.refused?.code, 429)
  for (const { held } of holders) held![Symbol.dispose]()
  const late = take('late')
  assert.equal(await entered([late]), 1)
})
