import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { hasReason } from '#api/status.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { seededRandom } from '#lib/random.ts'
import { certifyRequest, issueAuthority } from '#server/pki/issuer.ts'
import { expiryOf } from './cleaner.ts'
import { conditionTypes, SIGNERS } from './request.ts'
import type { Certify } from './signing.ts'

const only = ['approving', 'signing', 'cleaner'].map((name) => `certificatesigningrequest-${name}-controller`)
const now = Date.UTC(2026, 0, 1)

async function requestFor(name: string): Promise<string> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } })
  // Whatever stands around the request is not looked at.
  return Buffer.from(`Certificate Request:\n${request.toString('pem')}\n`).toString('base64')
}

async function started(t: Parameters<typeof startTestCluster>[0]): Promise<TestCluster> {
  const authority = await issueAuthority('test', { now, random: seededRandom(2) })
  const certify: Certify = (request, options) => certifyRequest(request, authority, { now, random: seededRandom(3), ...options })
  return startTestCluster(t, { only, controllers: { certify } })
}

const ask = async (
  { client }: TestCluster,
  name: string,
  { subject, signerName, usages }: { subject: string; signerName: string; usages: string[] },
) =>
  client.create(CertificateSigningRequest, {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { request: await requestFor(subject), signerName, usages },
  })

/** As an administrator or an approver would: `kubectl certificate approve`. */
async function decide({ client }: TestCluster, name: string, type: 'Approved' | 'Denied'): Promise<void> {
  const request = await client.get(CertificateSigningRequest, { name })
  const status = { ...request.status, conditions: [{ type, status: 'True', reason: 'Test' }] }
  await client.update(CertificateSigningRequest, { ...request, status }, { subresource: 'approval' })
}

test('certificateSigningController issues what is approved, and nothing before', async (t) => {
  const cluster = await started(t)
  await ask(cluster, 'jane', { subject: 'CN=jane,O=devs', signerName: SIGNERS.client, usages: ['digital signature', 'client auth'] })
  await cluster.advance(2000)
  assert.equal((await cluster.client.get(CertificateSigningRequest, { name: 'jane' })).status?.certificate, undefined)
  await decide(cluster, 'jane', 'Approved')
  const pem = await cluster.eventually(
    async () => (await cluster.client.get(CertificateSigningRequest, { name: 'jane' })).status?.certificate,
  )
  const certificate = new X509Certificate(Buffer.from(pem, 'base64'))
  assert.match(certificate.subject, /CN=jane/)
  assert.match(certificate.subject, /O=devs/)
  assert.equal(certificate.issuer, 'CN=test')
})

test('CertificateSigningRequest status keeps decisions as they were made, where they stand', async (t) => {
  const cluster = await started(t)
  await ask(cluster, 'kept', { subject: 'CN=jane', signerName: 'example.com/own', usages: ['digital signature', 'client auth'] })
  const conditions = async (types: string[], subresource: 'approval' | 'status') => {
    const request = await cluster.client.get(CertificateSigningRequest, { name: 'kept' })
    const status = { ...request.status, conditions: types.map((type) => ({ type, status: 'True', reason: subresource })) }
    const { status: written } = await cluster.client.update(CertificateSigningRequest, { ...request, status }, { subresource })
    return written?.conditions?.map(({ type, reason }) => `${type} by ${reason}`)
  }
  await assert.rejects(conditions(['Approved'], 'status'), /updates may not add a condition of type "Approved"/)
  await conditions(['Seen', 'Approved'], 'approval')
  assert.deepEqual(await conditions(['Seen', 'Approved', 'Done'], 'status'), ['Seen by status', 'Approved by approval', 'Done by status'])
  await assert.rejects(conditions(['Seen'], 'status'), /updates may not remove a condition of type "Approved"/)
  for (const left of [['Seen'], []])
    await assert.rejects(conditions(left, 'approval'), /updates may not remove a condition of type "Approved"/, left.join())
})

test('certificateSigningController fails requests that break the signer’s rules', async (t) => {
  const cluster = await started(t)
  await ask(cluster, 'fake', { subject: 'CN=jane', signerName: SIGNERS.kubeletClient, usages: ['digital signature', 'client auth'] })
  await decide(cluster, 'fake', 'Approved')
  const request = await cluster.eventually(async () => {
    const current = await cluster.client.get(CertificateSigningRequest, { name: 'fake' })
    return conditionTypes(current).has('Failed') && current
  })
  const failed = request.status!.conditions!.find(({ type }) => type === 'Failed')
  assert.deepEqual([failed?.reason, failed?.message], ['SignerValidationFailure', 'subject organization is not system:nodes'])
  assert.equal(request.status?.certificate, undefined)
})

test('certificateApprovingController approves node certificates where their user may ask for them', async (t) => {
  const cluster = await started(t)
  const kubelet = {
    subject: 'CN=system:node:n1,O=system:nodes',
    signerName: SIGNERS.kubeletClient,
    usages: ['digital signature', 'client auth'],
  }
  await ask(cluster, 'allowed', kubelet)
  const request = await cluster.eventually(async () => {
    const current = await cluster.client.get(CertificateSigningRequest, { name: 'allowed' })
    return current.status?.certificate && current
  })
  const approved = request.status!.conditions!.find(({ type }) => type === 'Approved')
  assert.deepEqual(
    [approved?.reason, approved?.message],
    ['AutoApproved', 'Auto approving kubelet client certificate after SubjectAccessReview.'],
  )
})

test('certificate controllers go by the last common name, as those do who are shown the certificate', async (t) => {
  const cluster = await started(t)
  const kubelet = { signerName: SIGNERS.kubeletClient, usages: ['digital signature', 'client auth'] }
  await ask(cluster, 'other', { subject: 'CN=system:node:n1,O=system:nodes,CN=anna', ...kubelet })
  await cluster.advance(2000)
  assert.equal((await cluster.client.get(CertificateSigningRequest, { name: 'other' })).status?.conditions, undefined)
  await decide(cluster, 'other', 'Approved')
  const failed = await cluster.eventually(async () => {
    const { status } = await cluster.client.get(CertificateSigningRequest, { name: 'other' })
    return status?.conditions?.find(({ type }) => type === 'Failed')
  })
  assert.equal(failed.message, 'subject common name does not begin with system:node:')
})

test('certificateCleanerController deletes what is decided after an hour and what nobody decides after a day', async (t) => {
  const cluster = await started(t)
  const usages = ['digital signature', 'client auth']
  await ask(cluster, 'denied', { subject: 'CN=a', signerName: SIGNERS.client, usages })
  await decide(cluster, 'denied', 'Denied')
  await ask(cluster, 'pending', { subject: 'CN=b', signerName: SIGNERS.client, usages })
  const isGone = (name: string) =>
    cluster.client.get(CertificateSigningRequest, { name }).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    )
  await cluster.advance(59 * 60_000)
  assert.deepEqual([await isGone('denied'), await isGone('pending')], [false, false])
  await cluster.advance(2 * 60_000)
  assert.deepEqual([await isGone('denied'), await isGone('pending')], [true, false])
  await cluster.advance(24 * 3_600_000)
  assert.equal(await isGone('pending'), true)
})

test('expiryOf waits for an approved request that is not yet issued', () => {
  const conditions = [{ type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T00:00:00Z' }]
  const request = { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' }, spec: { request: '', signerName: '' }, status: { conditions } }
  assert.equal(expiryOf(request), Infinity)
  assert.equal(expiryOf({ ...request, status: {} }), now + 24 * 3_600_000)
})
