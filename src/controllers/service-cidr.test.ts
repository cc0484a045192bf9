import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { ServiceCIDR } from '#api/kinds/networking/service-cidr.ts'
import { conditionOf } from '#api/conditions.ts'
import { ADDRESS_MANAGER, ADDRESS_MANAGER_LABEL } from '#api/well-known.ts'
import { forbid, gone, startTestCluster, type TestCluster } from './testing.ts'

const declare = ({ client }: TestCluster, name: string, cidr: string) =>
  client.create(ServiceCIDR, { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs: [cidr] } })

const occupy = ({ client }: TestCluster, name: string, labels: Record<string, string>) =>
  client.create(IPAddress, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: { name, labels },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'x' } },
  })

const GIVEN = { [ADDRESS_MANAGER_LABEL]: ADDRESS_MANAGER }

const readiness = async ({ client }: TestCluster, name: string) =>
  conditionOf((await client.get(ServiceCIDR, { name })).status?.conditions, 'Ready')

const isGone = ({ client }: TestCluster, name: string) => client.get(ServiceCIDR, { name }).then(() => false, gone)

/** A range that was ready and is being deleted while one of its addresses is taken. */
async function startLeaving(t: TestContext, labels: Record<string, string>): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only: ['service-cidr-controller'] })
  await declare(cluster, 'extra', '192.0.2.0/28')
  await cluster.eventually(async () => (await readiness(cluster, 'extra'))?.status === 'True')
  await occupy(cluster, '192.0.2.3', labels)
  await cluster.client.delete(ServiceCIDR, { name: 'extra' })
  return cluster
}

test('serviceCidrController holds a range that is being deleted until its last address is free', async (t) => {
  const cluster = await startLeaving(t, GIVEN)
  const { client, eventually, advance } = cluster
  await eventually(async () => (await readiness(cluster, 'extra'))?.reason === 'Terminating')
  await advance(60_000)
  assert.ok(await client.get(ServiceCIDR, { name: 'extra' }))
  await client.delete(IPAddress, { name: '192.0.2.3' })
  await eventually(() => isGone(cluster, 'extra'))
})

test('serviceCidrController lets a range go when a new one takes over its addresses', async (t) => {
  const cluster = await startLeaving(t, GIVEN)
  const { eventually, advance } = cluster
  await advance(60_000)
  assert.equal((await readiness(cluster, 'extra'))?.reason, 'Terminating')
  await declare(cluster, 'larger', '192.0.2.0/24')
  await eventually(() => isGone(cluster, 'extra'))
})

test('serviceCidrController waits for no address but those the API server gave out', async (t) => {
  const cluster = await startLeaving(t, { [ADDRESS_MANAGER_LABEL]: 'somebody.example.com' })
  const { eventually, advance } = cluster
  await advance(11_000)
  await eventually(() => isGone(cluster, 'extra'))
})

for (const [what, first, second, left] of [
  ['the larger one', 'extra', 'larger', 'larger'],
  ['the smaller one', 'larger', 'extra', 'extra'],
] as const)
  test(`serviceCidrController lets one of two ranges go that are both deleted while they share addresses, and keeps ${what}`, async (t) => {
    const cluster = await startTestCluster(t, { only: ['service-cidr-controller'] })
    const { client, eventually, advance } = cluster
    await declare(cluster, 'extra', '192.0.2.0/28')
    await declare(cluster, 'larger', '192.0.2.0/24')
    await occupy(cluster, '192.0.2.3', GIVEN)
    await eventually(async () => (await readiness(cluster, 'larger'))?.status === 'True')
    for (const name of [first, second]) {
      await client.delete(ServiceCIDR, { name })
      await advance(3000)
    }
    await eventually(() => isGone(cluster, first))
    await eventually(async () => (await readiness(cluster, left))?.reason === 'Terminating')
    await advance(60_000)
    assert.ok(await client.get(ServiceCIDR, { name: left }))
  })

test('serviceCidrController keeps one of two equal ranges that are deleted at once while they are in use', async (t) => {
  const cluster = await startTestCluster(t, { only: ['service-cidr-controller'] })
  const { client, eventually, advance } = cluster
  for (const name of ['one', 'other']) await declare(cluster, name, '192.0.2.0/28')
  await occupy(cluster, '192.0.2.3', GIVEN)
  await eventually(async () => (await readiness(cluster, 'other'))?.status === 'True')
  await Promise.all(['one', 'other'].map((name) => client.delete(ServiceCIDR, { name })))
  await advance(60_000)
  const left = (await client.list(ServiceCIDR)).items.filter(({ metadata }) => ['one', 'other'].includes(metadata!.name!))
  assert.deepEqual(
    left.map(({ status }) => conditionOf(status?.conditions, 'Ready')?.reason),
    ['Terminating'],
  )
})

test('serviceCidrController takes no range to cover its own network and broadcast address', async (t) => {
  const cluster = await startTestCluster(t, { only: ['service-cidr-controller'] })
  const { client, eventually, advance } = cluster
  await declare(cluster, 'larger', '192.0.2.0/24')
  await declare(cluster, 'inner', '192.0.2.16/28')
  await occupy(cluster, '192.0.2.31', GIVEN)
  await eventually(async () => (await readiness(cluster, 'inner'))?.status === 'True')
  await client.delete(ServiceCIDR, { name: 'larger' })
  await advance(60_000)
  assert.equal((await readiness(cluster, 'larger'))?.reason, 'Terminating')
  await client.delete(ServiceCIDR, { name: 'inner' })
  await advance(5000)
  await eventually(() => isGone(cluster, 'inner'))
})

test('serviceCidrController says that it cannot say that a range is ready', async (t) => {
  const cluster = await startTestCluster(t, { only: ['service-cidr-controller'] })
  const { eventually, events } = cluster
  await forbid(cluster, { operation: 'UPDATE', group: 'networking.k8s.io', resource: 'servicecidrs/status' })
  await declare(cluster, 'extra', '192.0.2.0/28')
  await eventually(async () =>
    (await events('extra')).includes('KubernetesServiceCIDRError: The ServiceCIDR Status can not be set to Ready=True'),
  )
})
