import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { podStatus } from './pod-status.ts'

test('podStatus looks at each container a few times, however many there are', () => {
  let looks = 0
  const named = (i: number, more: object = {}) => ({
    get name() {
      looks++
      return `c${i}`
    },
    ...more,
  })
  const range = Array.from({ length: 500 }, (_, i) => i)
  const spec = { initContainers: range.map((i) => named(i, { restartPolicy: 'Always' })), containers: range.map((i) => named(500 + i)) }
  const context = {
    observed: { sandboxes: [], containers: [] },
    previous: {
      initContainerStatuses: range.map((i) => named(i, { restartCount: i })),
      containerStatuses: range.map((i) => named(500 + i, { restartCount: i })),
    },
    failures: new Map(),
    runtimeName: 'r',
    applied: () => undefined,
    verdicts: { startup: () => 'success', liveness: () => 'success', readiness: () => 'success' },
    hostIps: [],
    now: 0,
  }
  const status = podStatus({ metadata: {}, spec } as unknown as Pod, context as unknown as Parameters<typeof podStatus>[1])
  assert.equal(status.phase, 'Pending')
  assert.equal(status.containerStatuses?.at(-1)?.name, 'c999')
  assert.ok(looks <= 20 * 1000, `${looks} looks`)
})
