import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { hasReason } from '#api/status.ts'
import { startTestCluster } from './testing.ts'

test('serviceAccountTokenController fills a token Secret and deletes it with its account', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['serviceaccount-token-controller'] })
  const namespace = 'default'
  const account = await client.create<ServiceAccount, ServiceAccount>(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'robot' },
  })
  const annotations = { 'kubernetes.io/service-account.name': 'robot' }
  await client.create(Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name: 'token', annotations },
    type: 'kubernetes.io/service-account-token',
  })
  const secret = await eventually(async () => {
    const current = await client.get(Secret, { namespace, name: 'token' })
    return current.data?.['token'] && current
  })
  const text = (key: string) => Buffer.from(secret.data![key]!, 'base64').toString()
  assert.equal(text('ca.crt'), 'CERTIFICATE')
  assert.equal(text('namespace'), 'default')
  const claims = JSON.parse(Buffer.from(text('token').split('.')[1]!, 'base64url').toString())
  assert.equal(claims.sub, 'system:serviceaccount:default:robot')
  assert.equal(secret.metadata?.annotations?.['kubernetes.io/service-account.uid'], account.metadata?.uid)
  await client.delete(ServiceAccount, { namespace, name: 'robot' })
  await eventually(() =>
    client.get(Secret, { namespace, name: 'token' }).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})

const token = (name: string, account: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'default', name, annotations: { 'kubernetes.io/service-account.name': account } },
  type: 'kubernetes.io/service-account-token',
})

test('serviceAccountTokenController deletes what is for an account that is not there', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['serviceaccount-token-controller'] })
  await client.create(Secret, token('early', 'robot'))
  await eventually(async () => (await client.list(Secret, { namespace: 'default' })).items.length === 0)
})

test('serviceAccountTokenController takes a Secret that is deleted from the list of its account, and no other', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['serviceaccount-token-controller'] })
  const robot = { namespace: 'default', name: 'robot' }
  const secrets = [{ name: 'opaque' }, { name: 'token' }]
  await client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: robot, secrets })
  const metadata = { namespace: 'default', name: 'opaque' }
  await client.create(Secret, { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque' })
  await client.create(Secret, token('token', 'robot'))
  await eventually(async () => (await client.get(Secret, { namespace: 'default', name: 'token' })).data?.['token'])
  for (const name of ['opaque', 'token']) await client.delete(Secret, { namespace: 'default', name })
  await eventually(async () => {
    const { secrets: left } = await client.get(ServiceAccount, robot)
    return left?.length === 1 && left[0]!.name === 'opaque'
  })
})

test('serviceAccountTokenController fills again what is emptied, and leaves what others filled as it is', async (t) => {
  const { client, eventually, advance } = await startTestCluster(t, { only: ['serviceaccount-token-controller'] })
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  await client.create(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace: 'default', name: 'robot' },
  })
  await client.create(Secret, { ...token('empty', 'robot'), data: { token: '', namespace: '' } })
  const own = { token: base64('own'), namespace: base64('elsewhere'), 'ca.crt': base64('CERTIFICATE') }
  await client.create(Secret, { ...token('own', 'robot'), data: own })
  const dataOf = async (name: string) => (await client.get(Secret, { namespace: 'default', name })).data
  const filled = () => eventually(async () => (await dataOf('empty'))?.['token'] && (await dataOf('empty')))
  assert.equal((await filled())['namespace'], base64('default'))
  const patch = { data: { token: '', 'ca.crt': base64('other') } }
  await client.patch(Secret, { namespace: 'default', name: 'empty' }, { type: 'merge', patch })
  assert.equal((await filled())['ca.crt'], base64('CERTIFICATE'))
  await advance(2000)
  const kept = await client.get(Secret, { namespace: 'default', name: 'own' })
  assert.deepEqual([kept.data, kept.metadata?.annotations], [own, { 'kubernetes.io/service-account.name': 'robot' }])
})

test('serviceAccountTokenController tries ten times again to fill what cannot be changed', async (t) => {
  const { client, advance, reconciles, warnings } = await startTestCluster(t, { only: ['serviceaccount-token-controller'] })
  const robot = { namespace: 'default', name: 'robot' }
  await client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: robot })
  await advance(1000)
  const before = reconciles()
  await client.create(Secret, { ...token('fixed', 'robot'), immutable: true })
  await advance(60_000)
  assert.equal(reconciles() - before, 11)
  assert.match(warnings.at(-1)!, /given up until something changes/)
  await advance(6 * 3600_000)
  assert.equal(reconciles() - before, 11)
})
