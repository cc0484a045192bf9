import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKinds } from '#api/custom/custom-kind.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { hasReason } from '#api/status.ts'
import { inScope, usageOf } from '#server/admission/quota-usage.ts'
import { createNamespace, startTestCluster } from './testing.ts'

test('resourceQuotaController counts what is there, admission what comes, and what goes is free again', async (t) => {
  const cluster = await startTestCluster(t, {
    only: ['resourcequota-controller'],
    controllers: { quotaMeter: { usageOf, inScope } },
  })
  const { client, eventually } = cluster
  const namespace = 'shop'
  await createNamespace(cluster, namespace)
  const create = (name: string, cpu: string) =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name },
      spec: { containers: [{ name: 'c', image: 'c:1', resources: { requests: { cpu } } }] },
    })
  await eventually(() => create('a', '500m'))
  const hard = { pods: '2', 'requests.cpu': '1', 'count/configmaps': '5' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace, name: 'all' }, spec: { hard } })
  const used = async () => (await client.get(ResourceQuota, { namespace, name: 'all' })).status?.used
  await eventually(async () => (await used())?.['pods'] === '1')
  assert.deepEqual(await used(), { pods: '1', 'requests.cpu': '500m', 'count/configmaps': '0' })

  await assert.rejects(create('large', '600m'), (error) => hasReason(error, 'Forbidden'))
  await create('b', '500m')
  assert.equal((await used())?.['pods'], '2')
  await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'x' } })
  await client.delete(ConfigMap, { namespace, name: 'x' })
  await client.delete(Pod, { namespace, name: 'a' })
  await client.patch(Pod, { namespace, name: 'b' }, { type: 'merge', patch: { status: { phase: 'Succeeded' } } }, { subresource: 'status' })
  await eventually(async () => (await used())?.['pods'] === '0' && (await used())?.['count/configmaps'] === '0')
  assert.equal((await used())?.['requests.cpu'], '0')
})

test('custom resources are counted, refused beyond the limit however long ago the others were made, and free what they took', async (t) => {
  const cluster = await startTestCluster(t, { only: ['resourcequota-controller'], controllers: { quotaMeter: { usageOf, inScope } } })
  const { client, eventually } = cluster
  const namespace = 'shop'
  await createNamespace(cluster, namespace)
  const definition = customDefinition('Boat', { versions: ['v1', 'v2'], stored: 'v2' })
  await client.create(CustomResourceDefinition, definition)
  const Boat = customKinds(definition)[0]!
  const make = (name: string) => client.create(Boat, { metadata: { namespace, name } })
  const count = 'count/boats.example.com'
  await client.create(ResourceQuota, { metadata: { namespace, name: 'q' }, spec: { hard: { [count]: '1' } } })
  const used = async () => (await client.get(ResourceQuota, { namespace, name: 'q' })).status?.used?.[count]
  await eventually(async () => (await used()) === '0')
  await eventually(() => make('a'))
  assert.equal(await used(), '1')
  await cluster.advance(60_000)
  await assert.rejects(make('b'), { reason: 'Forbidden' })
  await client.delete(Boat, { namespace, name: 'a' })
  await eventually(async () => (await used()) === '0')
})

test('resourceQuotaController frees what a pod has let go of once its node says so, and what scopes no longer take in', async (t) => {
  const cluster = await startTestCluster(t, { only: ['resourcequota-controller'], controllers: { quotaMeter: { usageOf, inScope } } })
  const { client, eventually } = cluster
  const namespace = 'shop'
  const pod = { namespace, name: 'p' }
  await createNamespace(cluster, namespace)
  await client.create(ResourceQuota, { metadata: { namespace, name: 'all' }, spec: { hard: { 'requests.cpu': '4' } } })
  await client.create(ResourceQuota, {
    metadata: { namespace, name: 'endless' },
    spec: { hard: { pods: '4' }, scopes: ['NotTerminating'] },
  })
  const used = async (name: string, resource: string) => (await client.get(ResourceQuota, { namespace, name })).status?.used?.[resource]
  await eventually(async () => (await used('all', 'requests.cpu')) === '0' && (await used('endless', 'pods')) === '0')
  const containers = [{ name: 'c', image: 'c:1', resources: { requests: { cpu: '2' } } }]
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: pod, spec: { containers } })
  const hold = (cpu: string) => {
    const containerStatuses = [{ name: 'c', ready: true, restartCount: 0, image: 'c:1', imageID: '', resources: { requests: { cpu } } }]
    return client.patch(Pod, pod, { type: 'merge', patch: { status: { phase: 'Running', containerStatuses } } }, { subresource: 'status' })
  }
  await hold('2')
  const smaller = { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] } }
  await client.patch(Pod, pod, { type: 'strategic', patch: smaller }, { subresource: 'resize' })
  await cluster.advance(1000)
  assert.equal(await used('all', 'requests.cpu'), '2')
  await hold('1')
  await eventually(async () => (await used('all', 'requests.cpu')) === '1')
  assert.equal(await used('endless', 'pods'), '1')
  await client.patch(Pod, pod, { type: 'merge', patch: { spec: { activeDeadlineSeconds: 60 } } })
  await eventually(async () => (await used('endless', 'pods')) === '0')
})

test('resourceQuotaController says nothing of what nothing counts towards, and events are free', async (t) => {
  const cluster = await startTestCluster(t, { only: ['resourcequota-controller'], controllers: { quotaMeter: { usageOf, inScope } } })
  const { client, eventually } = cluster
  const namespace = 'shop'
  await createNamespace(cluster, namespace)
  const hard = {
    'count/events': '0',
    'count/events.events.k8s.io': '0',
    'count/widgets.example.com': '1',
    'example.com/x': '1',
    configmaps: '2',
  }
  await client.create(ResourceQuota, { metadata: { namespace, name: 'q' }, spec: { hard } })
  const used = async () => (await client.get(ResourceQuota, { namespace, name: 'q' })).status?.used
  await eventually(used)
  assert.deepEqual(await used(), { configmaps: '0' })
  const involvedObject = { kind: 'Namespace', name: namespace, namespace }
  await client.create(CoreEvent, { metadata: { namespace, name: 'e' }, involvedObject, reason: 'Seen', type: 'Normal', message: 'm' })
  await client.create(ConfigMap, { metadata: { namespace, name: 'c' } })
  assert.deepEqual(await used(), { configmaps: '1' })
})
