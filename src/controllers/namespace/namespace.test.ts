import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { conditionOf } from '#api/conditions.ts'
import { createNamespace, gone, startTestCluster } from '#controllers/testing.ts'

const only = ['namespace-controller', 'root-ca-certificate-publisher-controller']

test('namespaces are born with a service account and the root certificate, and get them back when they lose them', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await createNamespace(cluster, 'shop')
  const account = { namespace: 'shop', name: 'default' }
  const certificate = { namespace: 'shop', name: 'kube-root-ca.crt' }
  await eventually(() => client.get(ServiceAccount, account))
  assert.deepEqual((await eventually(() => client.get(ConfigMap, certificate))).data, { 'ca.crt': 'CERTIFICATE' })
  await client.delete(ServiceAccount, account)
  await client.patch(ConfigMap, certificate, { type: 'merge', patch: { data: { 'ca.crt': 'forged', more: 'x' } } })
  await eventually(() => client.get(ServiceAccount, account))
  await eventually(async () => {
    const { data } = await client.get(ConfigMap, certificate)
    return data?.['ca.crt'] === 'CERTIFICATE' && Object.keys(data).length === 1
  })
})

test('namespaceController empties a namespace and lets it go', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await createNamespace(cluster, 'shop')
  await eventually(() => client.get(ServiceAccount, { namespace: 'shop', name: 'default' }))
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'shop', name: 'prices' } })
  await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'till' },
    spec: { containers: [{ name: 'c', image: 'c:1' }] },
  })
  await client.delete(Namespace, { name: 'shop' })
  await eventually(() => client.get(Namespace, { name: 'shop' }).then(() => false, gone))
  assert.deepEqual((await client.list(ConfigMap, { namespace: 'shop' })).items, [])
  assert.deepEqual((await client.list(Pod, { namespace: 'shop' })).items, [])
})

test('namespaceController says what finalizers hold, pods before the rest, and finishes when they are gone', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await createNamespace(cluster, 'shop')
  await eventually(() => client.get(ServiceAccount, { namespace: 'shop', name: 'default' }))
  const held = { namespace: 'shop', name: 'till', finalizers: ['example.com/hold'] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: held, spec: { containers: [{ name: 'c', image: 'c:1' }] } })
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'shop', name: 'prices' } })
  await client.delete(Namespace, { name: 'shop' })
  const namespace = await eventually(async () => {
    const current = await client.get(Namespace, { name: 'shop' })
    return conditionOf(current.status?.conditions, 'NamespaceFinalizersRemaining')?.status === 'True' && current
  })
  const { conditions } = namespace.status!
  assert.equal(
    conditionOf(conditions, 'NamespaceFinalizersRemaining')?.message,
    'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  )
  assert.equal(
    conditionOf(conditions, 'NamespaceContentRemaining')?.message,
    'Some resources are remaining: pods. has 1 resource instances',
  )
  assert.equal((await client.get(ConfigMap, { namespace: 'shop', name: 'prices' })).metadata?.deletionTimestamp, undefined)
  await client.patch(Pod, { namespace: 'shop', name: 'till' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(() => client.get(Namespace, { name: 'shop' }).then(() => false, gone))
})

test('namespaceController says so when pods outlive their time, and goes on when they are gone', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await createNamespace(cluster, 'shop')
  const till = { namespace: 'shop', name: 'till' }
  const spec = { containers: [{ name: 'c', image: 'c:1' }], nodeName: 'n1', terminationGracePeriodSeconds: 20 }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: till, spec })
  await client.delete(Namespace, { name: 'shop' })
  const condition = async (type: string) => conditionOf((await client.get(Namespace, { name: 'shop' })).status?.conditions, type)
  await eventually(async () => (await condition('NamespaceContentRemaining'))?.status === 'True')
  assert.equal((await condition('NamespaceDeletionContentFailure'))?.status, 'False')
  await cluster.advance(30_000)
  assert.equal(
    (await condition('NamespaceDeletionContentFailure'))?.message,
    'Failed to delete all resource types, 1 remaining: unexpected items still remain in namespace: shop for gvr: /v1, Resource=pods',
  )
  await client.delete(Pod, till, { gracePeriodSeconds: 0 })
  await eventually(() => client.get(Namespace, { name: 'shop' }).then(() => false, gone))
})

test('namespaceController tells those who hold an empty namespace that it is empty, and leaves their conditions alone', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await createNamespace(cluster, 'shop')
  const shop = { name: 'shop' }
  const conditions = [
    { type: 'example.com/Audited', status: 'True', reason: 'Done', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ]
  await client.patch(Namespace, shop, { type: 'merge', patch: { metadata: { finalizers: ['example.com/audit'] } } })
  await client.patch(Namespace, shop, { type: 'merge', patch: { status: { conditions } } }, { subresource: 'status' })
  await client.delete(Namespace, shop)
  const namespace = await eventually(async () => {
    const current = await client.get(Namespace, shop)
    return (current.spec?.finalizers ?? []).length === 0 && current
  })
  const found = namespace.status!.conditions!.map(({ type, status, reason }) => [type, status, reason])
  assert.deepEqual(found, [
    ['example.com/Audited', 'True', 'Done'],
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered'],
    ['NamespaceDeletionGroupVersionParsingFailure', 'False', 'ParsedGroupVersions'],
    ['NamespaceDeletionContentFailure', 'False', 'ContentDeleted'],
    ['NamespaceContentRemaining', 'False', 'ContentRemoved'],
    ['NamespaceFinalizersRemaining', 'False', 'ContentHasNoFinalizers'],
  ])
})
