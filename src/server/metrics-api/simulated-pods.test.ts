import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import type { ObjectReader } from '#server/request.ts'
import type { PodReadings } from './reading.ts'
import { SimulatedPods } from './simulated-pods.ts'
import type { SimulatedUsage } from './simulated-usage.ts'

/** Pods in one namespace; every change of them is counted, and `window` begins another window. */
function scene() {
  const pods = new Map<string, Pod>()
  const state = { changes: 0, readings: { timestamp: 0, windowMs: 15_000, pods: new Map() } as PodReadings, asked: 0 }
  const told = new SimulatedPods({
    reader: { get: (_kind: unknown, { name }: { name: string }) => pods.get(name) } as unknown as ObjectReader,
    usage: {
      pods: () => state.readings,
      get changes() {
        return state.changes
      },
    } as unknown as SimulatedUsage,
    metricsOf: ({ metadata }, { timestamp, windowMs }) => ({
      metadata: metadata!,
      timestamp: String(timestamp),
      window: String(windowMs),
      containers: [],
    }),
  })
  return {
    set(name: string, app: string) {
      pods.set(name, { metadata: { namespace: 'default', name, labels: { app } } } as Pod)
      state.changes++
    },
    remove(name: string) {
      pods.delete(name)
      state.changes++
    },
    window(timestamp: number) {
      state.readings = { timestamp, windowMs: 15_000, pods: new Map([...pods.keys()].map((name) => [`default/${name}`, []])) }
    },
    list(app: string) {
      const picks = () => {
        state.asked++
        return ({ metadata }: KubeObject) => metadata?.labels?.['app'] === app
      }
      return told.list('default', { text: `app=${app}`, picks }).map(({ metadata, timestamp }) => `${metadata?.name} ${timestamp}`)
    },
    state,
  }
}

test('SimulatedPods tells what was read in a window, and works a selection out once while no pod changes', () => {
  const { set, window, list, state } = scene()
  set('a', 'web')
  set('b', 'web')
  set('c', 'db')
  window(1)
  assert.deepEqual([list('web'), list('db'), list('web')], [['a 1', 'b 1'], ['c 1'], ['a 1', 'b 1']])
  window(2)
  assert.deepEqual([list('web'), list('db')], [['a 2', 'b 2'], ['c 2']])
  assert.equal(state.asked, 2)
})

test('SimulatedPods leaves out at once who is gone, and takes in changed labels and new pods with the next window', () => {
  const { set, remove, window, list } = scene()
  set('a', 'web')
  set('b', 'web')
  window(1)
  assert.deepEqual(list('web'), ['a 1', 'b 1'])
  remove('a')
  set('b', 'db')
  set('c', 'web')
  assert.deepEqual([list('web'), list('db')], [['b 1'], []])
  window(2)
  assert.deepEqual([list('web'), list('db')], [['c 2'], ['b 2']])
})
