import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { hasReason } from '#api/status.ts'
import { conditionOf } from '#api/conditions.ts'
import { startTestCluster } from './testing.ts'

test('serviceCidrController holds a range that is being deleted until its last address is free', async (t) => {
  const { client, eventually, advance } = await startTestCluster(t, { only: ['service-cidr-controller'] })
  const key = { name: 'extra' }
  await client.create(ServiceCIDR, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: key,
    spec: { cidrs: ['192.0.2.0/28'] },
  })
  const ready = () => client.get(ServiceCIDR, key).then(({ status }) => conditionOf(status?.conditions, 'Ready'))
  await eventually(async () => (await ready())?.status === 'True')
  const parentRef = { resource: 'services', namespace: 'default', name: 'x' }
  await client.create(IPAddress, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: { name: '192.0.2.3' },
    spec: { parentRef },
  })
  await client.delete(ServiceCIDR, key)
  await eventually(async () => (await ready())?.reason === 'Terminating')
  await advance(60_000)
  assert.ok(await client.get(ServiceCIDR, key))
  await client.delete(IPAddress, { name: '192.0.2.3' })
  await eventually(() =>
    client.get(ServiceCIDR, key).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})
