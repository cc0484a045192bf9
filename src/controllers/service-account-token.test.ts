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
