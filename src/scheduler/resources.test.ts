import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { podRequests } from './resources.ts'

test('podRequests looks at each status a few times, however many there are', () => {
  let looks = 0
  const containers = Array.from({ length: 500 }, (_, i) => ({ name: `c${i}`, resources: { requests: { cpu: '1m' } } }))
  const containerStatuses = containers.map(({ name }) => ({
    get name() {
      looks++
      return name
    },
    allocatedResources: { cpu: '2m' },
  }))
  const { requests } = podRequests({ spec: { containers }, status: { containerStatuses } } as unknown as Pod)
  assert.equal(requests.milliCpu, 1000)
  assert.ok(looks <= 10 * containers.length, `${looks} looks`)
})
