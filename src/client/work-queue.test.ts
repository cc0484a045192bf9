import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { WorkQueue } from './work-queue.ts'

test('WorkQueue hands out each key once however often it was added', async () => {
  const queue = new WorkQueue(createVirtualClock())
  for (const key of ['a', 'b', 'a', 'a']) queue.add(key)
  assert.deepEqual([await queue.take(), await queue.take()], ['a', 'b'])
  assert.equal(queue.depth, 0)
})

test('WorkQueue holds back a key added while it is worked on until its worker is done', async () => {
  const queue = new WorkQueue(createVirtualClock())
  queue.add('a')
  await queue.take()
  queue.add('a')
  assert.equal(queue.depth, 0)
  queue.done('a')
  assert.equal(await queue.take(), 'a')
})

test('WorkQueue doubles the delay of a failing key from 5 ms to 1000 s and starts over once forgotten', async () => {
  const clock = createVirtualClock()
  const queue = new WorkQueue(clock)
  const delays: number[] = []
  for (let failure = 0; failure < 20; failure++) {
    queue.addRateLimited('a')
    delays.push(clock.pending()[0]! - clock.now())
    await clock.advance(1_000_000)
    queue.done((await queue.take())!)
  }
  assert.deepEqual(delays.slice(0, 4), [5, 10, 20, 40])
  assert.equal(delays.at(-1), 1_000_000)
  queue.forget('a')
  queue.addRateLimited('a')
  assert.equal(clock.pending()[0]! - clock.now(), 5)
})

test('WorkQueue waits with a failing key no longer than it was told', async () => {
  const clock = createVirtualClock()
  const queue = new WorkQueue(clock, { first: 1000, most: 60_000 })
  queue.addRateLimited('b')
  assert.equal(clock.pending()[0]! - clock.now(), 1000)
  await clock.advance(1000)
  queue.done((await queue.take())!)
  for (let failure = 0; failure < 20; failure++) {
    queue.addRateLimited('a')
    await clock.advance(60_000)
    assert.equal(queue.depth, 1)
    queue.done((await queue.take())!)
  }
})

test('WorkQueue keeps only the earliest of several delays', async () => {
  const clock = createVirtualClock()
  const queue = new WorkQueue(clock)
  queue.addAfter('a', 100)
  queue.addAfter('a', 10)
  queue.addAfter('a', 50)
  await clock.advance(10)
  assert.equal(queue.depth, 1)
  assert.deepEqual(clock.pending(), [])
})

test('WorkQueue lets waiting workers go when closed', async () => {
  const queue = new WorkQueue(createVirtualClock())
  const waiting = queue.take()
  queue.close()
  assert.equal(await waiting, undefined)
})
