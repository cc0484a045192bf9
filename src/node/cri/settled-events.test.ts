import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import type { ContainerState, RuntimeEvent } from '#node/runtime.ts'
import { settledEvents } from './settled-events.ts'

/** What came through of one exit, and which states had been told by then; after the last state that one stays. */
async function settled(states: (ContainerState | undefined)[]) {
  const told: (ContainerState | undefined)[] = []
  async function* exits(): AsyncGenerator<RuntimeEvent, void> {
    yield { type: 'stopped', containerId: 'one' }
    await come
  }
  const { promise: come, resolve: end } = Promise.withResolvers<void>()
  const stateOf = async () => {
    const state = states[Math.min(told.length, states.length - 1)]
    told.push(state)
    return state
  }
  const events: RuntimeEvent[] = []
  for await (const event of settledEvents(exits(), { stateOf, clock: systemClock, signal: new AbortController().signal })) {
    events.push(event)
    end()
  }
  return { events, told }
}

test('settledEvents tells an exit once the runtime shows it, also of a program that ended before it was shown as started', async () => {
  for (const before of [[], ['running'], ['created', 'created', 'running'], ['created']] as ContainerState[][]) {
    for (const after of ['exited', 'unknown', undefined] as const) {
      const { events, told } = await settled([...before, after])
      assert.deepEqual(events, [{ type: 'stopped', containerId: 'one' }])
      assert.deepEqual(told, [...before, after])
    }
  }
})
