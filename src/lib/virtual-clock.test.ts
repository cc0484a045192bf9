import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from './virtual-clock.ts'

test('createVirtualClock fires timers in order of due time, those set on the way included', async () => {
  const clock = createVirtualClock(1000)
  const fired: string[] = []
  const note = (name: string) => () => void fired.push(`${name}@${clock.now()}`)
  clock.after(30, note('c'))
  clock.after(10, () => {
    note('a')()
    clock.after(5, note('b'))
  })
  clock.after(100, note('late'))
  await clock.advance(50)
  assert.deepEqual(fired, ['a@1010', 'b@1015', 'c@1030'])
  assert.equal(clock.now(), 1050)
  assert.deepEqual(clock.pending(), [1100])
})

test('createVirtualClock repeats, sleeps and cancels', async () => {
  const clock = createVirtualClock(0)
  let ticks = 0
  const ticking = clock.every(10, () => ticks++)
  let slept = 0
  void clock.sleep(25).then(() => (slept = clock.now()))
  const cancelled = clock.sleep(5, AbortSignal.abort(new Error('stop')))
  await assert.rejects(cancelled, /stop/)
  await clock.advance(35)
  assert.equal(ticks, 3)
  assert.equal(slept, 25)
  ticking.cancel()
  await clock.advance(100)
  assert.equal(ticks, 3)
  assert.deepEqual(clock.pending(), [])
})
