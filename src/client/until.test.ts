import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { until } from './until.ts'

function world() {
  const clock = createVirtualClock()
  const changed = new Set<() => void>()
  const informer = {
    subscribe(call: () => void) {
      changed.add(call)
      return { [Symbol.dispose]: () => void changed.delete(call) }
    },
  }
  const abort = new AbortController()
  const options = { informers: [informer], clock, timeoutMs: 1000, timeout: 'too late', signal: abort.signal }
  return { clock, abort, options, subscribers: changed, change: () => changed.forEach((call) => call()) }
}

test('until asks now and at every change, then no more', async () => {
  const { options, change, subscribers } = world()
  await until(() => true, options)
  const wrong = 2
  let asked = 0
  const done = until(() => ++asked > wrong, options)
  change()
  change()
  await done
  assert.deepEqual([asked, subscribers.size], [3, 0])
})

test('until ends with what the question throws, when the time is over, and when the signal aborts', async () => {
  const { options, change, clock, abort, subscribers } = world()
  let broken = false
  const asked = until(() => {
    if (broken) throw new Error('broken')
    return false
  }, options)
  broken = true
  change()
  await assert.rejects(asked, /^Error: broken$/)
  const late = assert.rejects(
    until(() => false, options),
    /^Error: too late$/,
  )
  await clock.advance(1000)
  await late
  const stopped = until(() => false, options)
  abort.abort(new Error('stop'))
  await assert.rejects(stopped, /^Error: stop$/)
  await assert.rejects(
    until(() => true, options),
    /^Error: stop$/,
  )
  assert.equal(subscribers.size, 0)
})
