import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { formatTime, systemClock } from './clock.ts'

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

test('formatTime writes what a Date would, in every year', () => {
  const plain = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`
  // 97 leap years in 400, and days that are none of theirs.
  for (let ms = -DAY_MS; ms < 900 * 366 * DAY_MS; ms += DAY_MS * 7 - 997) assert.equal(formatTime(ms), plain(ms))
  for (const text of [
    '1999-12-31T23:59:59Z',
    '2000-02-29T00:00:00Z',
    '2100-02-28T23:59:59Z',
    '2100-03-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ])
    assert.equal(formatTime(Date.parse(text) + 999), text)
  assert.equal(formatTime(Date.UTC(12_000, 0)), plain(Date.UTC(12_000, 0)))
  assert.throws(() => formatTime(Number.NaN), RangeError)
})
