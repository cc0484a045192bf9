import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { createMemoryStore } from '#store/memory.ts'
import { startRequests } from './requests.ts'

const MINUTE = 60_000

test('expireEvents deletes events an hour after they were last written', async () => {
  const clock = createVirtualClock()
  const store = createMemoryStore()
  const event = (name: string): CoreEvent => ({
    metadata: { name, namespace: 'default' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    reason: 'Tested',
    message: 'x',
    type: 'Normal',
    firstTimestamp: new Date(clock.now()).toISOString(),
    lastTimestamp: new Date(clock.now()).toISOString(),
  })
  {
    await using t = await startRequests({ clock, store })
    for (const name of ['a', 'b']) await t.client.create(CoreEvent, event(name))
    await clock.advance(40 * MINUTE)
    await t.client.patch(CoreEvent, { namespace: 'default', name: 'b' }, { type: 'merge', patch: { count: 2 } })
    await clock.advance(25 * MINUTE)
    assert.deepEqual(
      (await t.client.list(CoreEvent)).items.map(({ metadata }) => metadata!.name),
      ['b'],
    )
    await t.client.create(CoreEvent, event('c'))
  }
  // A restart goes by what the events say themselves.
  await using t = await startRequests({ clock, store })
  await clock.advance(2 * MINUTE)
  assert.deepEqual(
    (await t.client.list(CoreEvent)).items.map(({ metadata }) => metadata!.name),
    ['c'],
  )
  await clock.advance(62 * MINUTE)
  assert.deepEqual((await t.client.list(CoreEvent)).items, [])
})
