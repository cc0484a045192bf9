import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalOf, type RequestedSubject, SIGNERS } from './request.ts'

const node: RequestedSubject = {
  commonName: 'system:node:n1',
  organizations: ['system:nodes'],
  dnsNames: 0,
  ipAddresses: 0,
  emailAddresses: 0,
  uris: 0,
}
const user = { ...node, commonName: 'anna', organizations: [] }
const client = ['digital signature', 'client auth']
const server = ['digital signature', 'server auth', 'key encipherment']

const CASES: [signer: string, subject: RequestedSubject, usages: string[], refusal: string | undefined][] = [
  [SIGNERS.client, user, ['client auth'], undefined],
  [SIGNERS.client, user, ['client auth', 'key encipherment', 'digital signature'], undefined],
  [SIGNERS.client, user, ['client auth', 'server auth'], 'invalid usage for client certificate: server auth'],
  [SIGNERS.client, user, ['digital signature'], 'missing required usage for client certificate: client auth'],
  [SIGNERS.kubeletClient, node, client, undefined],
  [SIGNERS.kubeletClient, node, [...client, 'key encipherment'], undefined],
  [SIGNERS.kubeletClient, node, ['client auth'], 'usages did not match [client auth digital signature key encipherment]'],
  [SIGNERS.kubeletClient, user, client, 'subject organization is not system:nodes'],
  [SIGNERS.kubeletClient, { ...node, commonName: 'anna' }, client, 'subject common name does not begin with system:node:'],
  [SIGNERS.kubeletClient, { ...node, dnsNames: 1 }, client, 'DNS subjectAltNames are not allowed'],
  [SIGNERS.kubeletServing, node, server, 'DNS or IP subjectAltName is required'],
  [SIGNERS.kubeletServing, { ...node, ipAddresses: 1 }, server, undefined],
  [SIGNERS.kubeletServing, { ...node, ipAddresses: 1, uris: 1 }, server, 'URI subjectAltNames are not allowed'],
  [SIGNERS.kubeletServing, { ...node, ipAddresses: 1 }, client, 'usages did not match [digital signature key encipherment server auth]'],
  [SIGNERS.legacy, user, ['server auth'], undefined],
]

test('refusalOf holds each signer to its rules', () => {
  for (const [signer, subject, usages, refusal] of CASES)
    assert.equal(refusalOf(signer, { subject, usages }), refusal, `${signer} ${usages}`)
})
