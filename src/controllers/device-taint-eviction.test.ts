import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { hasReason } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { endOfPatience } from './device-taint-eviction.ts'
import { forbid, startTestCluster, type TestCluster } from './testing.ts'

const namespace = 'default'
const driver = 'gpu.example.com'
const added = '2026-01-01T00:00:00Z'
const now = Date.parse(added) + 10_000
const taint = { key: 'example.com/broken', effect: 'NoExecute', timeAdded: added }
const toleration = { key: taint.key, operator: 'Exists', effect: 'NoExecute' }

for (const [what, tolerations, expected] of [
  ['an untolerated taint is due now', [], now],
  ['a toleration without end is never due', [toleration], Infinity],
  ['time counts from the taint', [{ ...toleration, tolerationSeconds: 300 }], Date.parse(added) + 300_000],
  [
    'the shortest of several counts',
    [300, 20].map((tolerationSeconds) => ({ ...toleration, tolerationSeconds })),
    Date.parse(added) + 20_000,
  ],
  ['one without end outweighs others', [{ ...toleration, tolerationSeconds: 20 }, toleration], Infinity],
  ['a toleration of no effect in particular does not count', [{ operator: 'Exists' }], now],
  ['a toleration of another key does not count', [{ ...toleration, key: 'other' }], now],
] as const) {
  test(`endOfPatience ${what}`, () => assert.equal(endOfPatience(taint, [...tolerations], now), expected))
}

async function start(t: Parameters<typeof startTestCluster>[0], tolerations: object[], nodeName = 'n1'): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only: ['device-taint-eviction-controller'] })
  const { client, eventually } = cluster
  await client.create(ResourceSlice, slice([]))
  await client.create(ResourceResourceClaim, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { namespace, name: 'c' },
    spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: driver } }] } },
  })
  const pod = await eventually<Pod>(() =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: 'p' },
      spec: {
        ...(nodeName ? { nodeName } : {}),
        containers: [{ name: 'c', image: 'c:1' }],
        resourceClaims: [{ name: 'c', resourceClaimName: 'c' }],
      },
    }),
  )
  const result = { request: 'gpu', driver, pool: 'n1', device: 'gpu-0', tolerations }
  const status = { allocation: { devices: { results: [result] } }, reservedFor: [{ resource: 'pods', name: 'p', uid: pod.metadata!.uid! }] }
  await client.patch(ResourceResourceClaim, { namespace, name: 'c' }, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await cluster.advance(1000)
  return cluster
}

function slice(taints: object[]): ResourceSlice {
  const devices = [{ name: 'gpu-0', taints }, { name: 'gpu-1' }] as NonNullable<ResourceSlice['spec']['devices']>
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: 'n1-gpu' },
    spec: { driver, nodeName: 'n1', pool: { name: 'n1', generation: 1, resourceSliceCount: 1 }, devices },
  }
}
const setTaints = ({ client }: TestCluster, taints: object[]) =>
  client.patch(ResourceSlice, { name: 'n1-gpu' }, { type: 'merge', patch: { spec: slice(taints).spec } })
const podOf = ({ client }: TestCluster) =>
  client.get(Pod, { namespace, name: 'p' }).catch((error: unknown) => {
    if (!hasReason(error, 'NotFound')) throw error
  })

test('deviceTaintEvictionController deletes a pod whose device gets a taint, and says why', async (t) => {
  const cluster = await start(t, [])
  await setTaints(cluster, [{ key: 'example.com/worn', effect: 'NoSchedule' }])
  await cluster.advance(1000)
  assert.equal((await podOf(cluster))?.metadata?.deletionTimestamp, undefined)
  await setTaints(cluster, [{ key: taint.key, effect: 'NoExecute' }])
  const pod = await cluster.eventually(async () => {
    const one = await podOf(cluster)
    return one?.metadata?.deletionTimestamp && one
  })
  const condition = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
  assert.deepEqual(
    [condition?.status, condition?.reason, condition?.message],
    ['True', 'DeletionByDeviceTaintManager', 'Device Taint manager: deleting due to NoExecute taint'],
  )
  await cluster.eventually(async () => (await cluster.events('p')).includes('DeviceTaintManagerEviction: Marking for deletion'))
})

test('deviceTaintEvictionController says once that a pod has to go that it may not delete', async (t) => {
  const cluster = await start(t, [])
  await forbid(cluster, { operation: 'DELETE', group: '', resource: 'pods' })
  await setTaints(cluster, [{ key: taint.key, effect: 'NoExecute' }])
  await cluster.advance(60_000)
  assert.ok(cluster.warnings.length > 5, `${cluster.warnings.length} attempts`)
  assert.deepEqual(
    (await cluster.client.list(CoreEvent)).items.map(({ message, count }) => [message, count]),
    [['Marking for deletion', 1]],
  )
})

test('deviceTaintEvictionController waits as long as the claim tolerates, and calls it off when the taint goes', async (t) => {
  const cluster = await start(t, [{ ...toleration, tolerationSeconds: 60 }])
  const tainted = () => setTaints(cluster, [{ ...taint, timeAdded: formatTime(cluster.clock.now()) }])
  await tainted()
  await cluster.advance(50_000)
  await setTaints(cluster, [])
  await cluster.eventually(async () => (await cluster.events('p')).includes('DeviceTaintManagerEviction: Cancelling deletion'))
  await cluster.advance(60_000)
  assert.equal((await podOf(cluster))?.metadata?.deletionTimestamp, undefined)
  await tainted()
  await cluster.advance(55_000)
  assert.equal((await podOf(cluster))?.metadata?.deletionTimestamp, undefined)
  await cluster.advance(10_000)
  assert.ok((await podOf(cluster))?.metadata?.deletionTimestamp)
})

test('deviceTaintEvictionController leaves a pod alone until it has a node', async (t) => {
  const cluster = await start(t, [], '')
  await setTaints(cluster, [{ key: taint.key, effect: 'NoExecute' }])
  await cluster.advance(2000)
  assert.equal((await podOf(cluster))?.metadata?.deletionTimestamp, undefined)
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name: 'p' }, target: { kind: 'Node', name: 'n1' } }
  await cluster.client.create(Pod, binding as Pod, { name: 'p', subresource: 'binding' })
  await cluster.eventually(async () => (await podOf(cluster))?.metadata?.deletionTimestamp)
})
