import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { ObjectMeta, OwnerReference } from '#api/object.ts'
import { createNamespace, gone, namesOf, startTestCluster, type TestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const only = ['garbage-collector-controller']

const create = ({ client }: TestCluster, name: string, metadata: ObjectMeta = {}) =>
  client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, ...metadata } })

const ownedBy = (owner: ConfigMap, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name: owner.metadata!.name!,
  uid: owner.metadata!.uid!,
  ...more,
})

const names = async ({ client }: TestCluster) => namesOf((await client.list(ConfigMap, { namespace })).items).join()
const settle = ({ advance }: TestCluster) => advance(500)

test('garbageCollector deletes in the background what a deleted owner leaves, down the whole chain', async (t) => {
  const cluster = await startTestCluster(t, { only: [...only, 'deployment-controller', 'replicaset-controller'], runPods: true })
  const { client, eventually } = cluster
  const labels = { app: 'web' }
  const spec = {
    replicas: 2,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'c:1' }] } },
  }
  await client.create(Deployment, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace, name: 'web' }, spec })
  await eventually(async () => (await client.list(Pod, { namespace })).items.length === 2)
  await client.delete(Deployment, { namespace, name: 'web' }, { propagationPolicy: 'Background' })
  await eventually(
    async () =>
      (await client.list(ReplicaSet, { namespace })).items.length === 0 && (await client.list(Pod, { namespace })).items.length === 0,
  )
})

test('garbageCollector deletes what came into the world with an owner that never was', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await create(cluster, 'child', { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: 'never' }] })
  await cluster.eventually(async () => (await names(cluster)) === '')
})

test('garbageCollector keeps what still has an owner and drops the reference to the one that is gone', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const [a, b] = [await create(cluster, 'a'), await create(cluster, 'b')]
  await create(cluster, 'child', { ownerReferences: [ownedBy(a), ownedBy(b)] })
  await cluster.client.delete(ConfigMap, { namespace, name: 'a' })
  await cluster.eventually(async () => {
    const { metadata } = await cluster.client.get(ConfigMap, { namespace, name: 'child' })
    return metadata?.ownerReferences?.map(({ name }) => name).join() === 'b'
  })
})

test('garbageCollector in foreground deletes the owner after the dependents that block it, not waiting for others', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  const owner = await create(cluster, 'owner')
  await create(cluster, 'blocking', { ownerReferences: [ownedBy(owner, { blockOwnerDeletion: true })], finalizers: ['example.com/hold'] })
  await client.delete(ConfigMap, { namespace, name: 'owner' }, { propagationPolicy: 'Foreground' })
  await settle(cluster)
  const waiting = await client.get(ConfigMap, { namespace, name: 'owner' })
  assert.deepEqual(waiting.metadata?.finalizers, ['foregroundDeletion'])
  assert.ok((await client.get(ConfigMap, { namespace, name: 'blocking' })).metadata?.deletionTimestamp)
  await client.patch(ConfigMap, { namespace, name: 'blocking' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(() => client.get(ConfigMap, { namespace, name: 'owner' }).then(() => false, gone))
  assert.equal(await names(cluster), '')
})

test('garbageCollector in foreground passes the wait on through the chain', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const owner = await create(cluster, 'a')
  const child = await create(cluster, 'b', { ownerReferences: [ownedBy(owner, { blockOwnerDeletion: true })] })
  await create(cluster, 'c', { ownerReferences: [ownedBy(child, { blockOwnerDeletion: true })], finalizers: ['example.com/hold'] })
  await cluster.client.delete(ConfigMap, { namespace, name: 'a' }, { propagationPolicy: 'Foreground' })
  await settle(cluster)
  assert.equal(await names(cluster), 'a,b,c')
  await cluster.client.patch(ConfigMap, { namespace, name: 'c' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await cluster.eventually(async () => (await names(cluster)) === '')
})

test('garbageCollector breaks a ring of objects that wait for each other', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client } = cluster
  const a = await create(cluster, 'a')
  const b = await create(cluster, 'b', { ownerReferences: [ownedBy(a, { blockOwnerDeletion: true })] })
  const patch = { metadata: { ownerReferences: [ownedBy(b, { blockOwnerDeletion: true })] } }
  await client.patch(ConfigMap, { namespace, name: 'a' }, { type: 'merge', patch })
  await settle(cluster)
  await client.delete(ConfigMap, { namespace, name: 'a' }, { propagationPolicy: 'Foreground' })
  await cluster.eventually(async () => (await names(cluster)) === '')
})

test('garbageCollector orphans dependents before the owner goes', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const owner = await create(cluster, 'owner')
  await create(cluster, 'child', { ownerReferences: [ownedBy(owner)] })
  await settle(cluster)
  await cluster.client.delete(ConfigMap, { namespace, name: 'owner' }, { propagationPolicy: 'Orphan' })
  await cluster.eventually(async () => (await names(cluster)) === 'child')
  await settle(cluster)
  const { metadata } = await cluster.client.get(ConfigMap, { namespace, name: 'child' })
  assert.ok(!metadata?.ownerReferences?.length)
})

test('garbageCollector tells the author of a reference into another namespace', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await createNamespace(cluster, 'other')
  const owner = await cluster.client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'other', name: 'owner' },
  })
  await settle(cluster)
  await create(cluster, 'child', { ownerReferences: [ownedBy(owner)] })
  await cluster.eventually(async () => (await names(cluster)) === '')
  const told = await cluster.eventually(async () => (await cluster.events('child'))[0])
  assert.match(
    told,
    /^OwnerRefInvalidNamespace: ownerRef \[v1\/ConfigMap, namespace: default, name: owner, uid: .*\] does not exist in namespace "default"$/,
  )
})
