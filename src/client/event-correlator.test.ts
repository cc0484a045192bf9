import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoreEvent } from '#api/kinds/core/event.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { EventCorrelator } from './event-correlator.ts'

const event = (message: string, name = 'web'): CoreEvent => ({
  metadata: { name: `${name}.${message}`, namespace: 'default' },
  involvedObject: { kind: 'Pod', namespace: 'default', name, uid: name },
  source: { component: 'test' },
  type: 'Normal',
  reason: 'Tested',
  message,
})

test('EventCorrelator counts the same event and patches once it is stored', () => {
  const correlator = new EventCorrelator(createVirtualClock())
  const first = correlator.correlate(event('hello'))!
  assert.equal(first.known(), false)
  first.stored(first.event)
  const second = correlator.correlate({ ...event('hello'), metadata: { name: 'another', namespace: 'default' } })!
  assert.equal(second.known(), true)
  assert.equal(second.event.count, 2)
  assert.equal(second.event.metadata?.name, 'web.hello')
})

test('EventCorrelator makes one of similar events from the tenth message on', () => {
  const correlator = new EventCorrelator(createVirtualClock())
  const messages = Array.from({ length: 12 }, (_, i) => correlator.correlate(event(`m${i}`))!.event.message)
  assert.deepEqual(messages.slice(8, 11), ['m8', '(combined from similar events): m9', '(combined from similar events): m10'])
  assert.equal(correlator.correlate(event('m12'))!.event.count, 4)
})

test('EventCorrelator lets 25 events about one object through, then one every five minutes', async () => {
  const clock = createVirtualClock()
  const correlator = new EventCorrelator(clock)
  const passed = () => Array.from({ length: 40 }, (_, i) => correlator.correlate(event(`m${i}`))).filter(Boolean).length
  assert.equal(passed(), 25)
  assert.ok(correlator.correlate(event('m', 'other')))
  await clock.advance(600_000)
  assert.equal(passed(), 2)
})
