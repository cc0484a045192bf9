import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { keyOf } from '#api/object.ts'
import { startTestCluster } from './testing.ts'

const namespace = 'default'
const labels = { app: 'web' }
const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web:1' }] } }
const replicaSet = (replicas: number, more: object = {}): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { namespace, name: 'web' },
  spec: { replicas, selector: { matchLabels: labels }, template, ...more },
})
const only = ['replicaset-controller', 'replicationcontroller-controller']
const key = { namespace, name: 'web' }

test('replicaSetController creates the pods that are missing and tells so', async (t) => {
  const { client, eventually, events } = await startTestCluster(t, { only, runPods: true })
  await client.create(ReplicaSet, replicaSet(3))
  const set = await eventually(async () => {
    const current = await client.get(ReplicaSet, key)
    return current.status?.availableReplicas === 3 && current
  })
  assert.deepEqual(
    [set.status?.replicas, set.status?.fullyLabeledReplicas, set.status?.readyReplicas, set.status?.observedGeneration],
    [3, 3, 3, 1],
  )
  const { items } = await client.list(Pod, { namespace, labelSelector: 'app=web' })
  assert.equal(items.length, 3)
  for (const { metadata } of items) {
    assert.match(metadata!.name!, /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    assert.deepEqual(metadata!.ownerReferences, [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: set.metadata!.uid, controller: true, blockOwnerDeletion: true },
    ])
  }
  await eventually(async () => (await events('web')).filter((text) => text.startsWith('SuccessfulCreate: Created pod: web-')).length === 3)
})

test('replicaSetController never overshoots while it grows and shrinks', async (t) => {
  const { client, eventually, informers } = await startTestCluster(t, { only, runPods: true })
  const pods = informers.of(Pod)
  let most = 0
  pods.subscribe(() => (most = Math.max(most, pods.list(namespace).length)))
  await client.create(ReplicaSet, replicaSet(7))
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.readyReplicas === 7)
  assert.equal(most, 7)
  await client.patch(ReplicaSet, key, { type: 'merge', patch: { spec: { replicas: 2 } } })
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.replicas === 2)
  assert.equal((await client.list(Pod, { namespace })).items.length, 2)
})

test('replicaSetController replaces a pod that was deleted or failed', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only, runPods: true })
  await client.create(ReplicaSet, replicaSet(2))
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.readyReplicas === 2)
  const before = (await client.list(Pod, { namespace })).items
  await client.delete(Pod, keyOf(before[0]!))
  await client.patch(Pod, keyOf(before[1]!), { type: 'merge', patch: { status: { phase: 'Failed' } } }, { subresource: 'status' })
  await eventually(async () => {
    const { items } = await client.list(Pod, { namespace })
    const fresh = items.filter(({ metadata }) => !before.some((pod) => pod.metadata?.uid === metadata?.uid))
    return fresh.length === 2
  })
})

test('replicaSetController adopts matching orphans and lets go of pods relabelled', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only, runPods: true })
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'stray', labels }, spec: template.spec })
  const set = await client.create(ReplicaSet, replicaSet(2))
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.readyReplicas === 2)
  const stray = await client.get(Pod, { namespace, name: 'stray' })
  assert.equal(stray.metadata?.ownerReferences?.[0]?.uid, set.metadata?.uid)
  assert.equal((await client.list(Pod, { namespace })).items.length, 2)

  await client.patch(Pod, keyOf(stray), { type: 'merge', patch: { metadata: { labels: { app: 'other' } } } })
  await eventually(async () => !(await client.get(Pod, keyOf(stray))).metadata?.ownerReferences?.length)
  await eventually(async () => (await client.list(Pod, { namespace, labelSelector: 'app=web' })).items.length === 2)
})

test('replicaSetController counts pods as available after minReadySeconds only', async (t) => {
  const { client, eventually, advance } = await startTestCluster(t, { only, runPods: true })
  await client.create(ReplicaSet, replicaSet(1, { minReadySeconds: 60 }))
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.readyReplicas === 1)
  assert.equal((await client.get(ReplicaSet, key)).status?.availableReplicas ?? 0, 0)
  await advance(61_000)
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.availableReplicas === 1)
})

test('replicaSetController says in a condition that pods are refused, and takes it back', async (t) => {
  const { client, eventually, events } = await startTestCluster(t, { only })
  const refused = { ...template, spec: { ...template.spec, priorityClassName: 'absent' } }
  await client.create(ReplicaSet, { ...replicaSet(1), spec: { ...replicaSet(1).spec!, template: refused } })
  const condition = await eventually(async () => (await client.get(ReplicaSet, key)).status?.conditions?.[0])
  assert.deepEqual([condition.type, condition.status, condition.reason], ['ReplicaFailure', 'True', 'FailedCreate'])
  await eventually(async () => (await events('web')).some((text) => text.startsWith('FailedCreate: Error creating: pods "web-')))
  await client.patch(ReplicaSet, key, { type: 'json', patch: [{ op: 'remove', path: '/spec/template/spec/priorityClassName' }] })
  await eventually(async () => {
    const { status } = await client.get(ReplicaSet, key)
    return status?.replicas === 1 && status.conditions === undefined
  })
})

test('replicationControllerController keeps pods by a plain selector', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only, runPods: true })
  await client.create(ReplicationController, {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { namespace, name: 'web' },
    spec: { replicas: 2, selector: labels, template },
  })
  await eventually(async () => (await client.get(ReplicationController, key)).status?.availableReplicas === 2)
})

test('replicaSetController replaces pods that nodes refuse ever more slowly, and says why', async (t) => {
  const { client, eventually, advance, events, informers } = await startTestCluster(t, { only, runPods: true })
  await client.create(
    ReplicaSet,
    replicaSet(2, { template: { ...template, metadata: { labels, annotations: { 'test/phase': 'Failed' } } } }),
  )
  await advance(60_000)
  // Three rounds at once, then after 1, 2, 4, 8, 16 and 32 s.
  const made = informers.of(Pod).list(namespace).length
  assert.ok(made >= 10 && made <= 20, String(made))
  assert.ok((await events('web')).some((text) => text.startsWith('PodsRefused: Nodes refuse the pods as they come')))
  // Once it is not refused any more, it is let in without a new set.
  await client.patch(ReplicaSet, key, { type: 'merge', patch: { spec: { template: { metadata: { annotations: null } } } } })
  await advance(300_000)
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.readyReplicas === 2)
})

test('replicaSetController comes to rest where the server has no room for the pods that are missing, and goes on when it has', async (t) => {
  let made = 0
  const cluster = await startTestCluster(t, { only, room: () => (made < 100 ? undefined : 'there are 100 pods') })
  const { client, eventually, informers } = cluster
  const pods = informers.of(Pod)
  pods.subscribe(() => (made = pods.list(namespace).length))
  await client.create(ReplicaSet, replicaSet(2 ** 31 - 1))
  const failure = await eventually(async () => (await client.get(ReplicaSet, key)).status?.conditions?.[0])
  assert.deepEqual(
    [failure.type, failure.reason, failure.message],
    ['ReplicaFailure', 'FailedCreate', 'the server is full: there are 100 pods'],
  )
  await cluster.advance(3_600_000)
  const [before, passes] = [made, cluster.reconciles()]
  assert.ok(before >= 100 && before < 1000, `${before} pods`)
  await cluster.advance(3_600_000)
  assert.equal(made, before)
  assert.ok(cluster.reconciles() - passes < 10, 'it asks again and again')
  await client.patch(ReplicaSet, key, { type: 'merge', patch: { spec: { replicas: 3 } } })
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.replicas === 3)
  await eventually(async () => (await client.get(ReplicaSet, key)).status?.conditions === undefined)
})
