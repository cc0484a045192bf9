import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '#lib/log.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { WorkPool } from './work-pool.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

function pool(concurrency: number) {
  const clock = createVirtualClock()
  return { clock, pool: new WorkPool({ concurrency, clock, log: silentLogger, signal: new AbortController().signal }) }
}

test('WorkPool begins no more at a time than it may, and a few in each turn', async () => {
  const { pool: own } = pool(40)
  const ends: (() => void)[] = []
  for (let i = 0; i < 100; i++) own.add(`${i}`, () => new Promise<void>((resolve) => ends.push(resolve)))
  const begun: number[] = []
  for (let i = 0; i < 4; i++) {
    begun.push(ends.length)
    await turn()
  }
  assert.ok(begun[0]! > 0 && begun.every((count, at) => count - (begun[at - 1] ?? 0) <= 16), begun.join())
  assert.equal(ends.length, 40)
  for (let ended = 0; ended < 100; await turn()) while (ended < ends.length) ends[ended++]!()
  assert.equal(ends.length, 100)
})

test('WorkPool does only the newest of what waits under one key, and tries again what failed', async () => {
  const { pool: own, clock } = pool(1)
  const done: string[] = []
  const first = Promise.withResolvers<void>()
  own.add('x', () => first.promise)
  own.add('y', async () => void done.push('old'))
  own.add('y', async () => {
    done.push('new')
    if (done.length === 1) throw new Error('not yet')
  })
  first.resolve()
  await turn()
  assert.deepEqual(done, ['new'])
  await clock.advance(1000)
  await turn()
  assert.deepEqual(done, ['new', 'new'])
})
