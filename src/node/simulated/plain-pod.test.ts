import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { observedPod } from './plain-pod.ts'

test('observedPod looks at each container a few times, however many there are', () => {
  let looks = 0
  const many = Array.from({ length: 500 }, (_, i) => ({
    get name() {
      looks++
      return `c${i}`
    },
    image: `image-${i}`,
    state: { running: { startedAt: `2026-01-01T00:00:${String(i % 60).padStart(2, '0')}Z` } },
  }))
  const pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: many }, status: { containerStatuses: many } } as unknown as Pod
  const { containers } = observedPod(pod, { ip: '192.0.2.1', ended: false, failed: new Map(), now: 0 })
  assert.deepEqual(
    containers.slice(498).map(({ name, image, startedAt }) => [name, image, startedAt]),
    [
      ['c498', 'image-498', Date.parse('2026-01-01T00:00:18Z')],
      ['c499', 'image-499', Date.parse('2026-01-01T00:00:19Z')],
    ],
  )
  assert.ok(looks <= 10 * many.length, `${looks} looks`)
})
