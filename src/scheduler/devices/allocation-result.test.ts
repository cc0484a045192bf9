import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeSelector } from '#api/generated/types.ts'
import type { DeviceClass } from '#api/kinds/resource/device-class.ts'
import type { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import type { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { seededRandom } from '#lib/random.ts'
import type { Alternative, OpenClaim, Pick } from './allocate.ts'
import { allocationResult } from './allocation-result.ts'

const alternative = (name: string): Alternative => ({
  name,
  deviceClass: { spec: {} } as DeviceClass,
  selectors: [],
  count: 1,
  adminAccess: false,
  tolerations: [],
  capacity: undefined,
})
const picked = (one: Alternative, nodeSelector?: NodeSelector): Pick => ({
  alternative: one,
  device: {
    id: 'd/p/g',
    driver: 'd',
    pool: 'p',
    device: { name: 'g' },
    slice: { spec: { driver: 'd', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeSelector } } as ResourceSlice,
  },
  share: undefined,
})
const resultOf = (open: OpenClaim, picks: Pick[]) => allocationResult(open, picks, { node: 'n', random: seededRandom(1), now: '' })

test('allocationResult leaves out what is configured for alternatives that were not taken', () => {
  const [first, second, plain] = [alternative('r/first'), alternative('r/second'), alternative('s')]
  const about = (...requests: string[]) => ({ requests, opaque: { driver: 'd', parameters: { for: requests } } })
  const config = [about('r/first'), about('r/second'), about('r'), about('s'), about('r/first', 's')]
  const claim = { spec: { devices: { config } } } as unknown as ResourceClaim
  const requests = [
    { name: 'r', alternatives: [first, second] },
    { name: 's', alternatives: [plain] },
  ]
  const result = resultOf({ claim, requests }, [picked(second), picked(plain)])
  assert.deepEqual(
    result.devices!.config!.map((one) => one.requests),
    [['r/second'], ['r'], ['s'], ['r/first', 's']],
  )
})

test('allocationResult says once what several devices ask of nodes', () => {
  const one = alternative('r')
  const zone = (value: string) => ({ nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] }] })
  const open = { claim: { spec: {} } as ResourceClaim, requests: [{ name: 'r', alternatives: [one] }] }
  const { nodeSelector } = resultOf(open, [picked(one, zone('x')), picked(one, zone('x')), picked(one, zone('y'))])
  assert.deepEqual(
    nodeSelector!.nodeSelectorTerms[0]!.matchExpressions!.map(({ values }) => values),
    [['x'], ['y']],
  )
})
