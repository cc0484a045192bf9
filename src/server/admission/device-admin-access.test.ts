import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { startTestServer } from '#server/testing.ts'
import { deviceAdminAccess } from './device-admin-access.ts'

const LABEL = 'resource.kubernetes.io/admin-access'
const key = { namespace: 'default', name: 'all' }
const requests = [
  { name: 'a', exactly: { deviceClassName: 'gpu' } },
  { name: 'b', exactly: { deviceClassName: 'gpu', adminAccess: true, allocationMode: 'All' } },
]
const claim = (list: object[]): ResourceClaim => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { ...key },
  spec: { devices: { requests: list as typeof requests } },
})
const template: ResourceClaimTemplate = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { ...key },
  spec: { spec: { devices: { requests } } },
}
const allocation = {
  devices: { results: requests.map(({ name }) => ({ request: name, driver: 'gpu', pool: 'p', device: name, adminAccess: name === 'b' })) },
}

async function start(label?: string) {
  const server = await startTestServer({ extensions: (context) => ({ admission: [deviceAdminAccess(context)] }) })
  const metadata = { name: 'default', ...(label === undefined ? {} : { labels: { [LABEL]: label } }) }
  await server.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata })
  return server
}
const refusal = (kind: string, path: string) => ({
  reason: 'Invalid',
  message: `${kind}.resource.k8s.io "all" is invalid: ${path}.adminAccess: Forbidden: admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`,
})

for (const label of [undefined, 'false', '']) {
  test(`deviceAdminAccess refuses it in a namespace that says ${JSON.stringify(label)} of it`, async () => {
    await using server = await start(label)
    const { client } = server
    const path = 'spec.devices.requests[1]'
    await assert.rejects(client.create(ResourceClaim, claim(requests)), refusal('ResourceClaim', path))
    await assert.rejects(client.create(ResourceClaimTemplate, template), refusal('ResourceClaimTemplate', path))
    await client.create(ResourceClaim, claim([{ name: 'a', exactly: { deviceClassName: 'gpu', adminAccess: false } }]))
  })
}

test('deviceAdminAccess refuses an allocation with it, but not one that had it before', async () => {
  await using server = await start('true')
  const { client } = server
  await client.create(ResourceClaimTemplate, template)
  await client.create(ResourceClaim, claim(requests))
  const relabel = (value: string | null) =>
    client.patch(Namespace, { name: 'default' }, { type: 'merge', patch: { metadata: { labels: { [LABEL]: value } } } })
  const allocate = (more: object = {}) =>
    client.patch(ResourceClaim, key, { type: 'merge', patch: { status: { allocation, ...more } } }, { subresource: 'status' })
  await relabel(null)
  await assert.rejects(allocate(), refusal('ResourceClaim', 'status.allocation.devices.results[1]'))
  await relabel('true')
  await allocate()
  await relabel(null)
  await allocate({ reservedFor: [{ resource: 'pods', name: 'p', uid: '1' }] })
})
