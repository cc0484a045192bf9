import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { startCluster, virtual } from './testing.ts'
import { devicesIn } from '#node/simulated/devices.ts'

const namespace = 'default'
const apiVersion = 'resource.k8s.io/v1'
const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }]

async function world(nodes = 2) {
  const cluster = await startCluster({ nodes, clock: virtual(), seed: 1, listen: false })
  await cluster.idle()
  const { client } = cluster
  await client.create(DeviceClass, { apiVersion, kind: 'DeviceClass', metadata: { name: 'gpu' }, spec: {} })
  return {
    ...cluster,
    annotate: (node: string, devices: string | null) =>
      client.patch(Node, { name: node }, { type: 'merge', patch: { metadata: { annotations: { 'sampan.dev/devices': devices } } } }),
    claim: (name: string) =>
      client.create(ResourceClaim, { apiVersion, kind: 'ResourceClaim', metadata: { name, namespace }, spec: { devices: { requests } } }),
    pod: (name: string, spec: object) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace },
        spec: { containers: [{ name: 'c', image: 'i', resources: { claims: [{ name: 'd' }] } }], ...spec },
      }),
    slices: async () =>
      (await client.list(ResourceSlice)).items.map(
        ({ spec }) => `${spec.nodeName} ${spec.driver} ${spec.pool.generation}/${spec.pool.resourceSliceCount} ${spec.devices?.length}`,
      ),
    told: async (about: string, reason: string) =>
      (await client.list(CoreEvent)).items.find((one) => one.involvedObject.name === about && one.reason === reason)?.message,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

test('devicesIn reads counts and lists', () => {
  assert.deepEqual(
    [...devicesIn('gpu.example.com=2, nic.example.com=0')],
    [
      ['gpu.example.com', [{ name: 'device-0' }, { name: 'device-1' }]],
      ['nic.example.com', []],
    ],
  )
  const listed = '{"gpu.example.com": [{"name": "g0", "attributes": {"model": {"string": "a"}}}], "nic.example.com": 1}'
  assert.deepEqual([...devicesIn(listed).values()], [[{ name: 'g0', attributes: { model: { string: 'a' } } }], [{ name: 'device-0' }]])
  assert.equal(devicesIn('').size, 0)
})

for (const text of [
  'gpu',
  'gpu=x',
  'gpu=1=2',
  'GPU=1',
  '=1',
  'a=1,a=2',
  'a=99999',
  '{',
  '{"a": -1}',
  '{"a": [1]}',
  '{"a": "b"}',
  '{"__proto__": 1}',
])
  test(`devicesIn refuses ${text}`, () => assert.throws(() => devicesIn(text)))

test('createSimulatedNodes publishes the devices that annotations say, keeps them, and takes them away', async () => {
  await using t = await world()
  await t.annotate('simulated-0', 'gpu.example.com=130')
  await t.idle()
  assert.deepEqual(await t.slices(), ['simulated-0 gpu.example.com 1/2 128', 'simulated-0 gpu.example.com 1/2 2'])
  const [slice] = (await t.client.list(ResourceSlice)).items
  await t.client.delete(ResourceSlice, { name: slice!.metadata!.name! })
  await t.idle()
  assert.deepEqual(await t.slices(), ['simulated-0 gpu.example.com 1/2 128', 'simulated-0 gpu.example.com 1/2 2'])
  await t.client.patch(
    ResourceSlice,
    { name: slice!.metadata!.name! },
    { type: 'merge', patch: { spec: { devices: [{ name: 'other' }] } } },
  )
  await t.idle()
  assert.equal((await t.client.get(ResourceSlice, { name: slice!.metadata!.name! })).spec.devices?.length, 128)
  await t.annotate('simulated-0', 'gpu.example.com=1')
  await t.idle()
  assert.deepEqual(await t.slices(), ['simulated-0 gpu.example.com 2/1 1'])
  await t.annotate('simulated-0', 'gpu.example.com=many')
  await t.idle()
  assert.match((await t.told('simulated-0', 'BadAnnotation'))!, /^sampan\.dev\/devices: "gpu\.example\.com=many": say DRIVER=COUNT/)
  await t.annotate('simulated-0', '{"gpu.example.com": [{"name": "NO"}]}')
  await t.idle()
  assert.deepEqual(await t.slices(), ['simulated-0 gpu.example.com 2/1 1'])
  await t.annotate('simulated-0', null)
  await t.idle()
  assert.deepEqual(await t.slices(), [])
  await t.annotate('simulated-1', 'nic.example.com=1')
  await t.idle()
  await t.client.delete(Node, { name: 'simulated-1' })
  await t.advance('60s')
  assert.deepEqual(await t.slices(), [])
})

test('createSimulatedNodes gives published devices to pods that claim them, and no more than there are', async () => {
  await using t = await world()
  await t.annotate('simulated-1', 'gpu.example.com=2')
  await t.client.create(ResourceClaimTemplate, {
    apiVersion,
    kind: 'ResourceClaimTemplate',
    metadata: { name: 'template', namespace },
    spec: { spec: { devices: { requests } } },
  })
  for (const name of ['a', 'b', 'c']) await t.pod(name, { resourceClaims: [{ name: 'd', resourceClaimTemplateName: 'template' }] })
  await t.idle()
  const pods = (await t.client.list(Pod, { namespace })).items
  assert.deepEqual(pods.map(({ status }) => status?.phase).toSorted(), ['Pending', 'Running', 'Running'])
  assert.ok(pods.every(({ spec }) => spec?.nodeName === undefined || spec.nodeName === 'simulated-1'))
  const claims = (await t.client.list(ResourceClaim)).items
  const taken = claims.flatMap(({ status }) => status?.allocation?.devices?.results?.map(({ device }) => device) ?? [])
  assert.deepEqual(taken.toSorted(), ['device-0', 'device-1'])
  await t.client.delete(Pod, { namespace, name: pods.find(({ status }) => status?.phase === 'Running')!.metadata!.name! })
  await t.advance('60s')
  await t.idle()
  assert.deepEqual(
    (await t.client.list(Pod, { namespace })).items.map(({ status }) => status?.phase),
    ['Running', 'Running'],
  )
})

test('createSimulatedNodes starts a pod that was sent past the scheduler once its claim is allocated and reserved for it', async () => {
  await using t = await world(1)
  const phase = async (name: string) => (await t.client.get(Pod, { namespace, name })).status
  await t.pod('early', { nodeName: 'simulated-0', resourceClaims: [{ name: 'd', resourceClaimName: 'mine' }] })
  await t.advance('15s')
  const waiting = await phase('early')
  assert.deepEqual([waiting?.phase, waiting?.containerStatuses?.[0]?.state?.waiting?.reason], ['Pending', 'ContainerCreating'])
  assert.equal(
    await t.told('early', 'FailedPrepareDynamicResources'),
    'Failed to prepare dynamic resources: prepare dynamic resources: failed to fetch ResourceClaim mine referenced by pod early: resourceclaims.resource.k8s.io "mine" not found',
  )
  await t.claim('mine')
  await t.advance('30s')
  assert.equal((await phase('early'))?.phase, 'Pending')
  const pod = await t.client.get(Pod, { namespace, name: 'early' })
  const result = { request: 'r', driver: 'gpu.example.com', pool: 'simulated-0', device: 'device-0' }
  const status = {
    allocation: { devices: { results: [result] } },
    reservedFor: [{ resource: 'pods', name: 'early', uid: pod.metadata!.uid! }],
  }
  await t.client.patch(ResourceClaim, { namespace, name: 'mine' }, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await t.advance('15s')
  assert.equal((await phase('early'))?.phase, 'Running')

  // Of somebody else, and full of them.
  await t.pod('late', { nodeName: 'simulated-0', resourceClaims: [{ name: 'd', resourceClaimTemplateName: 'none' }] })
  await t.advance('15s')
  assert.match((await t.told('late', 'FailedPrepareDynamicResources'))!, /claim not found$/)
  await t.client.delete(Pod, { namespace, name: 'late' })
  await t.advance('1s')
  await assert.rejects(phase('late'), /not found/)
})
