import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKind } from '#api/custom/custom-kind.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import type { ObjectMeta } from '#api/object.ts'
import { createNamespace, gone, startTestCluster, type TestCluster } from './testing.ts'

const DEFINITION = customDefinition('Widget', { group: 'shop.example.com' })
const Widget = customKind(DEFINITION, DEFINITION.spec.versions[0]!)

async function establish({ client, eventually }: TestCluster): Promise<void> {
  await client.create(CustomResourceDefinition, DEFINITION)
  await eventually(async () => {
    const { status } = await client.get(CustomResourceDefinition, { name: DEFINITION.metadata!.name! })
    return status?.conditions?.some(({ type, status: state }) => type === 'Established' && state === 'True')
  })
}

const widget = (metadata: ObjectMeta) => ({ apiVersion: 'shop.example.com/v1', kind: 'Widget', metadata })

test('garbageCollector follows owners that are custom resources, and collects those that are owned', async (t) => {
  const cluster = await startTestCluster(t, { only: ['garbage-collector-controller'] })
  const { client, eventually } = cluster
  const namespace = 'default'
  await establish(cluster)
  const owner = await client.create(Widget, widget({ namespace, name: 'owner' }))
  const ownerReferences = [{ apiVersion: 'shop.example.com/v1', kind: 'Widget', name: 'owner', uid: owner.metadata!.uid! }]
  const owned = await client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'owned', ownerReferences },
  })
  const further = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owned', uid: (owned as ConfigMap).metadata!.uid! }]
  await client.create(Widget, widget({ namespace, name: 'further', ownerReferences: further }))
  await client.delete(Widget, { namespace, name: 'owner' }, { propagationPolicy: 'Background' })
  await eventually(() => client.get(ConfigMap, { namespace, name: 'owned' }).then(() => false, gone))
  await eventually(() => client.get(Widget, { namespace, name: 'further' }).then(() => false, gone))
})

test('garbageCollector deletes a custom owner in the foreground after what it owns', async (t) => {
  const cluster = await startTestCluster(t, { only: ['garbage-collector-controller'] })
  const { client, eventually } = cluster
  const namespace = 'default'
  await establish(cluster)
  const { uid } = (await client.create(Widget, widget({ namespace, name: 'owner' }))).metadata!
  const owner = { apiVersion: 'shop.example.com/v1', kind: 'Widget', name: 'owner', uid: uid!, blockOwnerDeletion: true }
  const metadata = { namespace, name: 'owned', ownerReferences: [owner], finalizers: ['example.com/hold'] }
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
  await client.delete(Widget, { namespace, name: 'owner' }, { propagationPolicy: 'Foreground' })
  await eventually(async () => (await client.get(ConfigMap, { namespace, name: 'owned' })).metadata?.deletionTimestamp)
  assert.deepEqual((await client.get(Widget, { namespace, name: 'owner' })).metadata?.finalizers, ['foregroundDeletion'])
  await client.patch(ConfigMap, { namespace, name: 'owned' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(() => client.get(Widget, { namespace, name: 'owner' }).then(() => false, gone))
})

test('a namespace takes its custom resources along', async (t) => {
  const cluster = await startTestCluster(t, { only: ['namespace-controller'] })
  const { client, eventually } = cluster
  await establish(cluster)
  await createNamespace(cluster, 'shop')
  await client.create(Widget, widget({ namespace: 'shop', name: 'one' }))
  await client.create(Widget, widget({ namespace: 'default', name: 'other' }))
  await client.delete(Namespace, { name: 'shop' })
  await eventually(() => client.get(Namespace, { name: 'shop' }).then(() => false, gone))
  assert.deepEqual(
    (await client.list(Widget)).items.map(({ metadata }) => metadata?.name),
    ['other'],
  )
})
