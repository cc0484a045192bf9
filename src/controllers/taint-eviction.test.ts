import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patienceMs } from './taint-eviction.ts'

const now = Date.parse('2026-01-01T00:10:00Z')
const since = now - 10_000
// Long before the pod came.
const taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }
const toleration = { key: taint.key, operator: 'Exists', effect: 'NoExecute' }

for (const [what, tolerations, expected] of [
  ['an untolerated taint evicts at once', [], 0],
  ['a toleration without end keeps the pod', [toleration], Infinity],
  ['300 seconds count from when the pod met the taint', [{ ...toleration, tolerationSeconds: 300 }], 290_000],
  [
    'the shortest of several counts',
    [
      { ...toleration, tolerationSeconds: 300 },
      { operator: 'Exists', tolerationSeconds: 30 },
    ],
    20_000,
  ],
  ['time that has passed evicts at once', [{ ...toleration, tolerationSeconds: 5 }], 0],
  ['zero seconds evict at once', [{ ...toleration, tolerationSeconds: 0 }], 0],
] as const) {
  test(`patienceMs ${what}`, () => assert.equal(patienceMs([taint], tolerations, { now, since }), expected))
}

test('patienceMs runs from when pod and taint are first seen together', () => {
  const taint = { key: 'k', effect: 'NoExecute' }
  const tolerations = [{ key: 'k', operator: 'Exists', tolerationSeconds: 5 }]
  assert.equal(patienceMs([taint], tolerations, { now: 4000, since: 1000 }), 2000)
  assert.equal(patienceMs([taint], tolerations, { now: 6000, since: 1000 }), 0)
  assert.equal(patienceMs([taint], tolerations, { now: 6000 }), 5000)
})
