import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { podsToDelete } from './deletion-order.ts'

const now = Date.parse('2026-01-02T00:00:00Z')

function pod(
  name: string,
  { node = 'n1', phase = 'Running', ready = true, since = '2026-01-01T00:00:00Z', restarts = 0, cost }: Record<string, any> = {},
): Pod {
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: since,
      annotations: cost ? { 'controller.kubernetes.io/pod-deletion-cost': cost } : {},
    },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: since }],
      containerStatuses: [{ name: 'c', image: '', imageID: '', ready, restartCount: restarts }],
    },
  }
}

for (const [what, first, second] of [
  ['unscheduled before scheduled', pod('a', { node: '' }), pod('b')],
  ['pending before running', pod('a', { phase: 'Pending', ready: false }), pod('b', { ready: false })],
  ['not ready before ready', pod('a', { ready: false }), pod('b')],
  ['cheap before dear', pod('a', { cost: '-5' }), pod('b')],
  ['just ready before long ready', pod('a', { since: '2026-01-01T23:59:00Z' }), pod('b')],
  ['often restarted before steady', pod('a', { restarts: 3 }), pod('b')],
] as const) {
  test(`podsToDelete takes ${what}`, () => {
    for (const pods of [
      [first, second],
      [second, first],
    ]) {
      assert.deepEqual(podsToDelete(pods, 1, { related: pods, now }), [first])
    }
  })
}

test('podsToDelete takes from the node that carries most', () => {
  const pods = [pod('a', { node: 'n1' }), pod('b', { node: 'n2' }), pod('c', { node: 'n2' })]
  assert.equal(podsToDelete(pods, 1, { related: pods, now })[0]!.spec!.nodeName, 'n2')
})

test('podsToDelete takes by UID where ages are within one power of two, and then asks nothing else', () => {
  // 2^55 ns are 417 days; both are younger than that and older than half of it.
  const pods = [pod('b', { since: '2025-04-01T00:00:00Z', restarts: 9 }), pod('a', { since: '2025-02-01T00:00:00Z' })]
  assert.equal(podsToDelete(pods, 1, { related: pods, now })[0]!.metadata!.name, 'a')
})

test('podsToDelete asks sidecars where containers agree', () => {
  const sidecar = { name: 's', image: 's', restartPolicy: 'Always' }
  const withSidecar = (name: string, restartCount: number): Pod => {
    const one = pod(name)
    const initContainerStatuses = [{ name: 's', image: '', imageID: '', ready: true, restartCount }]
    return { ...one, spec: { ...one.spec!, initContainers: [sidecar] }, status: { ...one.status, initContainerStatuses } }
  }
  const pods = [withSidecar('a', 0), withSidecar('b', 4)]
  assert.equal(podsToDelete(pods, 1, { related: pods, now })[0]!.metadata!.name, 'b')
})
