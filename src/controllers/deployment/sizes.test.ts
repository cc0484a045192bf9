import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deployment } from '#api/kinds/apps/deployment.ts'
import type { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { isSaturated, maxSurgeOf, maxUnavailableOf, newSetSize, proportionalSizes, sizeAnnotations } from './sizes.ts'

const deployment = (replicas: number, rollingUpdate: object = { maxSurge: '25%', maxUnavailable: '25%' }): Deployment => ({
  metadata: { name: 'web' },
  spec: { replicas, selector: {}, template: {}, strategy: { type: 'RollingUpdate', rollingUpdate } },
})
const set = (
  name: string,
  replicas: number,
  more: { max?: number; created?: string; available?: number; desired?: number } = {},
): ReplicaSet => ({
  metadata: {
    name,
    creationTimestamp: more.created ?? '2026-01-01T00:00:00Z',
    annotations: {
      ...(more.max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(more.max) }),
      ...(more.desired === undefined ? {} : { 'deployment.kubernetes.io/desired-replicas': String(more.desired) }),
    },
  },
  spec: { replicas, selector: {} },
  status: { replicas, availableReplicas: more.available ?? replicas },
})

for (const [replicas, rollingUpdate, surge, unavailable] of [
  [3, { maxSurge: '25%', maxUnavailable: '25%' }, 1, 0],
  [10, { maxSurge: '25%', maxUnavailable: '25%' }, 3, 2],
  [1, { maxSurge: 0, maxUnavailable: 0 }, 0, 1],
  [2, { maxSurge: 5, maxUnavailable: 9 }, 5, 2],
  [0, { maxSurge: 1, maxUnavailable: 1 }, 1, 0],
] as const) {
  test(`maxSurgeOf and maxUnavailableOf ${JSON.stringify(rollingUpdate)} of ${replicas}: ${surge}, ${unavailable}`, () => {
    assert.equal(maxSurgeOf(deployment(replicas, rollingUpdate)), surge)
    assert.equal(maxUnavailableOf(deployment(replicas, rollingUpdate)), unavailable)
  })
}

test('newSetSize grows only into the room that surge leaves beside the old sets', () => {
  const web = deployment(10)
  const newest = set('new', 0)
  assert.equal(newSetSize(web, [set('old', 10), newest], newest), 3)
  assert.equal(newSetSize(web, [set('old', 13), newest], newest), 0)
  assert.equal(newSetSize(web, [newest], newest), 10)
})

test('proportionalSizes shares growth by size; the largest takes what rounding left', () => {
  const sets = [set('a', 5, { max: 10, created: '2026-01-01T00:00:00Z' }), set('b', 3, { max: 10 }), set('c', 2, { max: 10 })]
  const sizes = proportionalSizes(deployment(20, { maxSurge: 0, maxUnavailable: 5 }), sets)
  assert.deepEqual(
    [...sizes].map(([{ metadata }, size]) => [metadata?.name, size]),
    [
      ['a', 10],
      ['b', 6],
      ['c', 4],
    ],
  )
})

test('proportionalSizes shrinks all to nothing when nothing is wanted', () => {
  const sizes = proportionalSizes(deployment(0), [set('a', 5, { max: 8 }), set('b', 3, { max: 8 })])
  assert.deepEqual([...sizes.values()], [0, 0])
})

test('proportionalSizes never changes the total but by what is to add', () => {
  for (let wanted = 1; wanted < 40; wanted += 3) {
    const sets = [set('a', 7, { max: 13 }), set('b', 4, { max: 13 }), set('c', 1, { max: 13 })]
    const sizes = proportionalSizes(deployment(wanted, { maxSurge: 3, maxUnavailable: 0 }), sets)
    assert.equal(
      [...sizes.values()].reduce((sum, size) => sum + size, 0),
      wanted + 3,
    )
  }
})

test('isSaturated asks for size, availability and the size it was told', () => {
  const web = deployment(3)
  assert.equal(isSaturated(web, set('a', 3, { desired: 3 })), true)
  assert.equal(isSaturated(web, set('a', 3, { desired: 3, available: 2 })), false)
  assert.equal(isSaturated(web, set('a', 3, { desired: 5 })), false)
  assert.equal(isSaturated(web, undefined), false)
  assert.deepEqual(Object.values(sizeAnnotations(web)), ['3', '4'])
})
