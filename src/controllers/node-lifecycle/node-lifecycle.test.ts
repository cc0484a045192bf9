import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason } from '#api/status.ts'
import { conditionOf } from '#api/conditions.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { formatMicroTime, formatTime } from '#lib/clock.ts'

const namespace = 'default'
const only = ['node-lifecycle-controller', 'taint-eviction-controller', 'node-ipam-controller', 'pod-garbage-collector-controller']

async function addNode({ client, clock }: TestCluster, name: string): Promise<void> {
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name } })
  const now = formatTime(clock.now())
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'ready', lastHeartbeatTime: now, lastTransitionTime: now }
  await client.patch(Node, { name }, { type: 'merge', patch: { status: { conditions: [ready] } } }, { subresource: 'status' })
}

/** Renews a node's lease for a while, as its agent would. */
async function keepAlive({ client, clock, advance }: TestCluster, name: string, forMs: number): Promise<void> {
  for (let passed = 0; passed < forMs; passed += 10_000) {
    const spec = { holderIdentity: name, renewTime: formatMicroTime(clock.now()), leaseDurationSeconds: 40 }
    const key = { namespace: 'kube-node-lease', name }
    await client.patch(Lease, key, { type: 'merge', patch: { spec } }).catch(async (error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error
      await client.create(Lease, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: key, spec })
    })
    await advance(10_000)
  }
}

const taintsOf = async ({ client }: TestCluster, name: string) =>
  ((await client.get(Node, { name })).spec?.taints ?? [])
    .map(({ key, effect }) => `${key.split('/')[1]}:${effect}`)
    .sort()
    .join()

const addPod = ({ client }: TestCluster, name: string, spec: object) =>
  client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: { containers: [{ name: 'c', image: 'c:1' }], ...spec },
  })

test('nodeLifecycleController lets a silent node go Unknown after 50 s and takes the taint of a new one away', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addNode(cluster, 'n1')
  await addNode(cluster, 'n2')
  await cluster.eventually(async () => (await taintsOf(cluster, 'n1')) === '' && (await taintsOf(cluster, 'n2')) === '')
  await keepAlive(cluster, 'n2', 60_000)
  const n1 = await cluster.client.get(Node, { name: 'n1' })
  const ready = conditionOf(n1.status?.conditions, 'Ready')
  assert.deepEqual([ready?.status, ready?.reason, ready?.message], ['Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.'])
  assert.equal(conditionOf(n1.status?.conditions, 'MemoryPressure')?.reason, 'NodeStatusNeverUpdated')
  assert.equal(await taintsOf(cluster, 'n1'), 'unreachable:NoExecute,unreachable:NoSchedule')
  assert.equal(await taintsOf(cluster, 'n2'), '')
})

test('nodeLifecycleController evicts nobody while every node is lost', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addNode(cluster, 'n1')
  await cluster.advance(70_000)
  assert.equal(await taintsOf(cluster, 'n1'), 'unreachable:NoSchedule')
})

test('nodeLifecycleController calls evictions off when the last node is lost, and takes them up again', async (t) => {
  const cluster = await startTestCluster(t, { only })
  for (const name of ['n1', 'n2']) await addNode(cluster, name)
  await keepAlive(cluster, 'n2', 70_000)
  assert.match(await taintsOf(cluster, 'n1'), /unreachable:NoExecute/)
  await cluster.advance(70_000)
  assert.equal(await taintsOf(cluster, 'n1'), 'unreachable:NoSchedule')
  const ready = [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(cluster.clock.now()), lastTransitionTime: formatTime(0) }]
  await cluster.client.patch(
    Node,
    { name: 'n2' },
    { type: 'strategic', patch: { status: { conditions: ready } } },
    { subresource: 'status' },
  )
  await keepAlive(cluster, 'n2', 30_000)
  assert.match(await taintsOf(cluster, 'n1'), /unreachable:NoExecute/)
})

test('nodeLifecycleController marks pods of a lost node not ready; taintEvictionController deletes them when their patience ends', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  await addNode(cluster, 'n1')
  await addNode(cluster, 'n2')
  await eventually(async () => (await taintsOf(cluster, 'n1')) === '')
  await eventually(() => addPod(cluster, 'patient', { nodeName: 'n1' }))
  const forever = [{ key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' }]
  await addPod(cluster, 'loyal', { nodeName: 'n1', tolerations: forever })
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  await client.patch(Pod, { namespace, name: 'patient' }, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await keepAlive(cluster, 'n2', 70_000)
  assert.equal(conditionOf((await client.get(Pod, { namespace, name: 'patient' })).status?.conditions, 'Ready')?.status, 'False')
  await eventually(async () => (await cluster.events('n1')).some((text) => text === 'NodeNotReady: Node n1 status is now: NodeNotReady'))
  assert.equal((await client.get(Pod, { namespace, name: 'patient' })).metadata?.deletionTimestamp, undefined)

  await keepAlive(cluster, 'n2', 310_000)
  const patient = await client.get(Pod, { namespace, name: 'patient' })
  assert.ok(patient.metadata?.deletionTimestamp)
  const target = conditionOf(patient.status?.conditions, 'DisruptionTarget')
  assert.deepEqual([target?.reason, target?.observedGeneration], ['DeletionByTaintManager', (patient.metadata?.generation ?? 0) - 1])
  assert.equal((await client.get(Pod, { namespace, name: 'loyal' })).metadata?.deletionTimestamp, undefined)
  assert.ok((await cluster.events('patient')).includes('TaintManagerEviction: Marking for deletion Pod default/patient'))
  await advance(0)
})

test('taintEvictionController deletes finished pods of a tainted node as well', async (t) => {
  const cluster = await startTestCluster(t, { only: ['taint-eviction-controller', 'node-lifecycle-controller'] })
  const { client, eventually } = cluster
  await addNode(cluster, 'n1')
  await eventually(() => addPod(cluster, 'over', { nodeName: 'n1' }))
  const over = { namespace, name: 'over' }
  await client.patch(Pod, over, { type: 'merge', patch: { status: { phase: 'Succeeded' } } }, { subresource: 'status' })
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } } })
  await eventually(async () => (await cluster.events('over')).includes('TaintManagerEviction: Marking for deletion Pod default/over'))
  await eventually(() =>
    client.get(Pod, over).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})

test('taintEvictionController calls a deletion off when the taint goes in time', async (t) => {
  const cluster = await startTestCluster(t, { only: ['taint-eviction-controller', 'node-lifecycle-controller'] })
  const { client, eventually, advance } = cluster
  await addNode(cluster, 'n1')
  await eventually(() =>
    addPod(cluster, 'a', { nodeName: 'n1', tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 }] }),
  )
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } } })
  await advance(10_000)
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints: null } } })
  await eventually(async () => (await cluster.events('a')).includes('TaintManagerEviction: Cancelling deletion of Pod default/a'))
  await advance(60_000)
  assert.equal((await client.get(Pod, { namespace, name: 'a' })).metadata?.deletionTimestamp, undefined)
})

test('nodeIpamController gives each node a range, in order, and a released one only after the others', async (t) => {
  const cluster = await startTestCluster(t, { only, controllers: { clusterCidr: '10.9.0.0/22' } })
  const { client, eventually } = cluster
  const rangeOf = async (name: string) => eventually(async () => (await client.get(Node, { name })).spec?.podCIDR)
  for (const [index, name] of ['n0', 'n1', 'n2'].entries()) {
    await addNode(cluster, name)
    assert.equal(await rangeOf(name), `10.9.${index}.0/24`)
  }
  await client.delete(Node, { name: 'n1' })
  await cluster.advance(100)
  for (const [name, range] of [
    ['n3', '10.9.3.0/24'],
    ['n4', '10.9.1.0/24'],
  ] as const) {
    await addNode(cluster, name)
    assert.equal(await rangeOf(name), range)
  }
  await addNode(cluster, 'n5')
  await eventually(async () => (await cluster.events('n5')).includes('CIDRNotAvailable: Node n5 status is now: CIDRNotAvailable'))
  await client.delete(Node, { name: 'n0' })
  assert.equal(await rangeOf('n5'), '10.9.0.0/24')
})

test('podGarbageCollector deletes pods of a vanished node after 40 s, and not one bit sooner', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  await addNode(cluster, 'n1')
  await eventually(() => addPod(cluster, 'a', { nodeName: 'n1' }))
  await client.delete(Node, { name: 'n1' })
  await advance(39_000)
  await client.get(Pod, { namespace, name: 'a' })
  await advance(2_000)
  await eventually(() =>
    client.get(Pod, { namespace, name: 'a' }).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})

test('podGarbageCollector ends a pod that was never placed before it deletes it', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  const key = { namespace, name: 'a' }
  await eventually(() =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...key, finalizers: ['example.com/held'] },
      spec: { containers: [{ name: 'c', image: 'c:1' }] },
    }),
  )
  await client.delete(Pod, key)
  await eventually(async () => (await client.get(Pod, key)).status?.phase === 'Failed')
  assert.equal(conditionOf((await client.get(Pod, key)).status?.conditions, 'DisruptionTarget'), undefined)
})
