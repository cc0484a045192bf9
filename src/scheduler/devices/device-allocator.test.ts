import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Device, DeviceConstraint, ExactDeviceRequest } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { clusterOf, nodeOf, objectsFrom, outcome, podOf } from '#scheduler/testing.ts'
import { DeviceAllocator } from './device-allocator.ts'

const DRIVER = 'gpu.example.com'
const gpu = (name: string, own: Partial<Device> = {}): Device => ({ name, ...own })
const attributes = (model: string, index = 0) => ({
  attributes: { model: { string: model }, index: { int: index }, 'example.org/rack': { string: 'r' } },
})
const slice = (node: string, devices: Device[], own: object = {}) =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `slice-${node}` },
    spec: { driver: DRIVER, nodeName: node, pool: { name: node, generation: 1, resourceSliceCount: 1 }, devices, ...own },
  }) as KubeObject
const classOf = (name: string, ...expressions: string[]) =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: { name },
    spec: { selectors: expressions.map((expression) => ({ cel: { expression } })) },
  }) as KubeObject
const cel = (...expressions: string[]) => ({ selectors: expressions.map((expression) => ({ cel: { expression } })) })
type Request = Partial<ExactDeviceRequest>
const exactly = (own: Request = {}) => ({ deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1, ...own })
const claim = (
  name: string,
  requests: Record<string, Request | Request[]>,
  { constraints, ...own }: { constraints?: DeviceConstraint[]; status?: object } = {},
) =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: {
      devices: {
        requests: Object.entries(requests).map(([request, one]) =>
          Array.isArray(one)
            ? { name: request, firstAvailable: one.map((sub, i) => ({ name: `sub-${i}`, ...exactly(sub) })) }
            : { name: request, exactly: exactly(one) },
        ),
        ...(constraints ? { constraints } : {}),
      },
    },
    ...own,
  }) as KubeObject
const allocated = (...devices: [node: string, device: string, own?: object][]) => ({
  status: {
    allocation: { devices: { results: devices.map(([pool, device, own]) => ({ request: 'r', driver: DRIVER, pool, device, ...own })) } },
  },
})
const claiming = (...names: string[]) => podOf('p', { resourceClaims: names.map((name) => ({ name, resourceClaimName: name })) })
const CANNOT = (nodes: number) => `0/${nodes} nodes are available: ${nodes} cannot allocate all claims.`

async function allocatorOver(objects: readonly KubeObject[]) {
  const allocator = new DeviceAllocator({
    objects: objectsFrom(objects),
    clock: createVirtualClock(),
    random: seededRandom(1),
    log: silentLogger,
    changed: () => {},
  })
  await allocator.load()
  return allocator
}

const two = slice('a', [gpu('g0', attributes('small')), gpu('g1', attributes('large', 1))])
const cases: [title: string, KubeObject[], expected: string, pods?: string[]][] = [
  ['finds the node that has a device', [two, claim('c', { r: {} })], 'a'],
  ['gives no device twice', [two, claim('c', { r: {} }), claim('d', { r: {} }, allocated(['a', 'g0'], ['a', 'g1']))], CANNOT(2)],
  ['gives a claim as many as it asks for', [two, claim('c', { r: { count: 2 } })], 'a'],
  ['and no fewer', [two, claim('c', { r: { count: 3 } })], CANNOT(2)],
  ['gives devices to all claims of a pod or to none', [two, claim('c', { r: {} }), claim('d', { r: { count: 2 } })], CANNOT(2), ['c', 'd']],
  ['selects by CEL', [two, claim('c', { r: cel(`device.attributes["${DRIVER}"].model == "large"`) })], 'a'],
  ['selects nothing where nothing matches', [two, claim('c', { r: cel(`device.attributes["${DRIVER}"].model == "huge"`) })], CANNOT(2)],
  [
    'knows attributes of other domains, and that there are none in unknown ones',
    [two, claim('c', { r: cel('device.attributes["example.org"].rack == "r" && !("x" in device.attributes["example.net"])') })],
    'a',
  ],
  ['heeds the selectors of the class', [two, classOf('gpu', `device.driver == "other.example.com"`), claim('c', { r: {} })], CANNOT(2)],
  [
    'compares versions and quantities',
    [
      slice('a', [gpu('g', { attributes: { firmware: { version: '1.10.0' } }, capacity: { memory: { value: '16Gi' } } })]),
      claim('c', {
        r: cel(
          `device.attributes["${DRIVER}"].firmware.isGreaterThan(semver("1.9.0"))`,
          `device.capacity["${DRIVER}"].memory.compareTo(quantity("8Gi")) > 0`,
        ),
      }),
    ],
    'a',
  ],
  [
    'gives devices to all requests or to none',
    [two, claim('c', { any: {}, large: {} }), claim('d', { r: cel(`device.attributes["${DRIVER}"].model == "small"`) })],
    CANNOT(2),
    ['c', 'd'],
  ],
  [
    'finds the one way to meet two requests',
    [two, claim('c', { any: {}, small: cel(`device.attributes["${DRIVER}"].model == "small"`) })],
    'a',
  ],
  ['takes all there are', [two, claim('c', { r: { allocationMode: 'All', count: 0 } })], 'a'],
  ['takes all or nothing', [two, claim('c', { r: { allocationMode: 'All' } }), claim('d', { r: {} }, allocated(['a', 'g0']))], CANNOT(2)],
  ['takes the first that is available', [two, claim('c', { r: [{ count: 3 }, { count: 2 }] })], 'a'],
  [
    'keeps to attributes that must match',
    [two, claim('c', { r: { count: 2 } }, { constraints: [{ matchAttribute: `${DRIVER}/model` }] })],
    CANNOT(2),
  ],
  [
    'knows attributes that match',
    [two, claim('c', { r: { count: 2 } }, { constraints: [{ requests: ['r'], matchAttribute: 'example.org/rack' }] })],
    'a',
  ],
  [
    'keeps to attributes that must differ',
    [two, claim('c', { r: { count: 2 } }, { constraints: [{ distinctAttribute: 'example.org/rack' }] })],
    CANNOT(2),
  ],
  [
    'leaves alone requests that a constraint does not name',
    [two, claim('c', { r: {}, s: {} }, { constraints: [{ requests: ['r'], matchAttribute: `${DRIVER}/model` }] })],
    'a',
  ],
  [
    'lets an administrator look at devices in use',
    [two, claim('c', { r: { adminAccess: true, allocationMode: 'All' } }), claim('d', { r: {} }, allocated(['a', 'g0']))],
    'a',
  ],
  [
    'does not count what administrators look at',
    [two, claim('c', { r: { count: 2 } }), claim('d', { r: {} }, allocated(['a', 'g0', { adminAccess: true }]))],
    'a',
  ],
  [
    'shows an administrator as many devices as a claim asks for',
    [slice('a', [gpu('g')]), claim('c', { r: { adminAccess: true }, s: { adminAccess: true } })],
    CANNOT(2),
  ],
  [
    'shows administrators the same device by several claims',
    [slice('a', [gpu('g')]), claim('c', { r: { adminAccess: true } }), claim('d', { r: { adminAccess: true } })],
    'a',
    ['c', 'd'],
  ],
  [
    'gives nobody a device it has just shown to an administrator',
    [slice('a', [gpu('g')]), claim('c', { r: { adminAccess: true }, s: {} })],
    CANNOT(2),
  ],
  [
    'keeps off tainted devices',
    [slice('a', [gpu('g', { taints: [{ key: 'k', effect: 'NoSchedule' }] })]), claim('c', { r: {} })],
    CANNOT(2),
  ],
  [
    'tolerates what the request tolerates',
    [
      slice('a', [gpu('g', { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] })]),
      claim('c', { r: { tolerations: [{ key: 'k', operator: 'Equal', value: 'v' }] } }),
    ],
    'a',
  ],
  [
    'uses no pool that is not complete',
    [slice('a', [gpu('g')], { pool: { name: 'a', generation: 1, resourceSliceCount: 2 } }), claim('c', { r: {} })],
    CANNOT(2),
  ],
  [
    'uses the newest generation alone',
    [
      two,
      { ...slice('a', [], { pool: { name: 'a', generation: 2, resourceSliceCount: 1 } }), metadata: { name: 'newer' } },
      claim('c', { r: {} }),
    ],
    CANNOT(2),
  ],
  [
    'says which class is missing',
    [claim('c', { r: { deviceClassName: 'none' } })],
    '0/2 nodes are available: request r: device class none does not exist.',
  ],
  [
    'says so where a claim is allocated elsewhere',
    [
      claim(
        'c',
        { r: {} },
        {
          status: {
            allocation: {
              nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['z'] }] }] },
            },
          },
        },
      ),
    ],
    '0/2 nodes are available: 2 resourceclaim not available on the node.',
  ],
  [
    'follows a claim that is allocated',
    [
      claim(
        'c',
        { r: {} },
        {
          status: {
            allocation: {
              nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }] },
            },
          },
        },
      ),
    ],
    'b',
  ],
  [
    'knows devices that several nodes can use',
    [
      slice('b', [gpu('g')], {
        nodeName: undefined,
        nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }] },
      }),
      claim('c', { r: {} }),
    ],
    'b',
  ],
  [
    'knows devices that say themselves where they are',
    [
      slice('x', [gpu('g', { nodeName: 'b' }), gpu('h', { nodeName: 'z' })], { nodeName: undefined, perDeviceNodeSelection: true }),
      claim('c', { r: {} }),
    ],
    'b',
  ],
  [
    'divides what devices share',
    [
      slice('a', [gpu('half-0', drawing('20Gi')), gpu('half-1', drawing('20Gi')), gpu('whole', drawing('40Gi'))], shared('40Gi')),
      claim('c', { r: { count: 2 } }),
    ],
    'a',
  ],
  [
    'and no more of it than there is',
    [slice('a', [gpu('half-0', drawing('20Gi')), gpu('whole', drawing('40Gi'))], shared('40Gi')), claim('c', { r: { count: 2 } })],
    CANNOT(2),
  ],
  [
    'lets several share a device as far as its capacity goes',
    [
      slice('a', [gpu('g', { allowMultipleAllocations: true, capacity: { memory: { value: '10Gi' } } })]),
      claim('c', { r: { capacity: { requests: { memory: '4Gi' } } } }),
      claim('d', { r: {} }, allocated(['a', 'g', { shareID: 's', consumedCapacity: { memory: '6Gi' } }])),
    ],
    'a',
  ],
  [
    'and no further',
    [
      slice('a', [gpu('g', { allowMultipleAllocations: true, capacity: { memory: { value: '10Gi' } } })]),
      claim('c', { r: { capacity: { requests: { memory: '5Gi' } } } }),
      claim('d', { r: {} }, allocated(['a', 'g', { shareID: 's', consumedCapacity: { memory: '6Gi' } }])),
    ],
    CANNOT(2),
  ],
  [
    'asks for capacity that the device has',
    [slice('a', [gpu('g', { capacity: { memory: { value: '4Gi' } } })]), claim('c', { r: { capacity: { requests: { memory: '5Gi' } } } })],
    CANNOT(2),
  ],
  [
    'ends a search that leads nowhere',
    [
      slice(
        'a',
        Array.from({ length: 40 }, (_, i) => gpu(`g${i}`, { attributes: { index: { int: i } } })),
      ),
      claim('c', { r: { count: 20 } }, { constraints: [{ matchAttribute: `${DRIVER}/none` }] }),
    ],
    CANNOT(2),
  ],
]
function drawing(value: string): Partial<Device> {
  return { consumesCounters: [{ counterSet: 'memory', counters: { bytes: { value } } }] }
}
function shared(value: string) {
  return { sharedCounters: [{ name: 'memory', counters: { bytes: { value } } }] }
}
for (const [title, objects, expected, claims = ['c']] of cases) {
  test(`DeviceAllocator ${title}`, async () => {
    const cluster = clusterOf([nodeOf('a'), nodeOf('b')])
    cluster.devices = await allocatorOver(objects.some(({ kind }) => kind === 'DeviceClass') ? objects : [...objects, classOf('gpu')])
    assert.equal(outcome(claiming(...claims), cluster), expected)
  })
}

test('DeviceAllocator prefers nodes that meet requests by earlier alternatives', async () => {
  const cluster = clusterOf([nodeOf('a'), nodeOf('b')])
  const choice = [cel(`device.attributes["${DRIVER}"].model == "large"`), cel(`device.attributes["${DRIVER}"].model == "small"`)]
  const objects = [
    classOf('gpu'),
    slice('a', [gpu('g', attributes('small'))]),
    slice('b', [gpu('g', attributes('large'))]),
    claim('c', { r: choice }),
  ]
  cluster.devices = await allocatorOver(objects)
  assert.equal(outcome(claiming('c'), cluster), 'b')
})

test('DeviceAllocator fails an attempt whose search has too many steps', async () => {
  const cluster = clusterOf([nodeOf('a')])
  const devices = Array.from({ length: 40 }, (_, i) => gpu(`g${i}`, { attributes: { index: { int: i } } }))
  const never = cel(`device.attributes["${DRIVER}"].index == 99`)
  cluster.devices = await allocatorOver([classOf('gpu'), slice('a', devices), claim('c', { r: { count: 16 }, s: never })])
  assert.throws(() => outcome(claiming('c'), cluster), {
    message: 'running "DynamicResources" filter plugin: node a: timed out trying to allocate devices',
  })
})

for (const [what, devices, pool] of [
  ['is not complete', [gpu('g')], { resourceSliceCount: 2, is: 'being updated', why: 'cannot allocate all claims' }],
  ['has a device twice', [gpu('g'), gpu('g')], { resourceSliceCount: 1, is: 'invalid', why: 'invalid resource pools were encountered' }],
] as const) {
  test(`DeviceAllocator fails an attempt for all devices of a pool that ${what}, and gives none of it`, async () => {
    const { is, why, ...own } = pool
    const slices = slice('a', [...devices], { pool: { name: 'a', generation: 1, ...own } })
    const cluster = clusterOf([nodeOf('a')])
    cluster.devices = await allocatorOver([classOf('gpu'), slices, claim('c', { r: {} })])
    assert.equal(outcome(claiming('c'), cluster), `0/1 nodes are available: 1 ${why}.`)
    cluster.devices = await allocatorOver([classOf('gpu'), slices, claim('c', { r: { allocationMode: 'All' } })])
    const message = `running "DynamicResources" filter plugin: claim default/c, request r: asks for all devices, but resource pool ${DRIVER}/a is currently ${is}`
    assert.throws(() => outcome(claiming('c'), cluster), { message })
  })
}

for (const [whose, objects, where] of [
  [
    'a claim',
    [classOf('gpu'), claim('c', { r: cel('device.driver != ""', `device.attributes["${DRIVER}"].no == 1`) })],
    'claim default/c: selector #1',
  ],
  ['a class', [classOf('gpu', `device.attributes["${DRIVER}"].no == 1`), claim('c', { r: {} })], 'class gpu: selector #0'],
] as const) {
  test(`DeviceAllocator fails an attempt for a selector of ${whose} that cannot be answered, and says which`, async () => {
    const cluster = clusterOf([nodeOf('a')])
    cluster.devices = await allocatorOver([...objects, slice('a', [gpu('g')])])
    assert.throws(() => outcome(claiming('c'), cluster), {
      message: `running "DynamicResources" filter plugin: ${where}: CEL runtime error: no such key: no`,
    })
  })
}

test('DeviceAllocator gates pods whose claims are not made yet', async () => {
  const pod = podOf('p', { resourceClaims: [{ name: 'c', resourceClaimTemplateName: 't' }] })
  const own = { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod.metadata!.uid!, controller: true }] }
  const made = claim('p-c-1', { r: {} })
  const named = { ...pod, status: { resourceClaimStatuses: [{ name: 'c', resourceClaimName: 'p-c-1' }] } }
  const allocator = await allocatorOver([{ ...made, metadata: { ...made.metadata, ...own } }])
  const foreign = await allocatorOver([made])
  const gates = (one: DeviceAllocator, of: Pod) => one.gates(podInfoOf(of))
  assert.deepEqual(
    [gates(allocator, pod), gates(allocator, named), gates(foreign, named), gates(allocator, podOf('q'))],
    [true, false, true, false],
  )
})
