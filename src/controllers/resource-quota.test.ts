import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
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
