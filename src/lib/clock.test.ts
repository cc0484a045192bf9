import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { systemClock } from './clock.ts'

const DAY_MS = 86_400_000

test('systemClock waits longer than a timer of the platform can', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => mock.timers.reset())
  const fired: string[] = []
  systemClock.after(40 * DAY_MS, () => fired.push('kept'))
  const cancelled = systemClock.after(40 * DAY_MS, () => fired.push('cancelled'))
  const days = (count: number) => Array.from({ length: count }).forEach(() => mock.timers.tick(DAY_MS))
  days(30)
  cancelled.cancel()
  assert.deepEqual(fired, [])
  days(9)
  assert.deepEqual(fired, [])
  days(2)
  assert.deepEqual(fired, ['kept'])
})

test('systemClock sleeps until it is told not to', async () => {
  const stop = new AbortController()
  const sleeping = systemClock.sleep(100 * DAY_MS, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(sleeping, /enough/)
})
