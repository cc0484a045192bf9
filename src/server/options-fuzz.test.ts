// What no kind of its own keeps: reviews, requests for certificates and tokens, bindings, evictions and options, with pieces cut out, exchanged and
// made strange. Each gets an answer, none an internal error.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { minimalObject } from '#api/kinds/minimal-objects.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { type Random, seededRandom, systemRandom } from '#lib/random.ts'
import { createMemoryStore } from '#store/memory.ts'
import { createApiServer } from './api-server.ts'
import { clusterExtensions } from './cluster-extensions.ts'
import { ensurePki } from './pki/pki.ts'

const ROUNDS = 400
const LEAVES = [
  null,
  true,
  -1,
  0,
  1e300,
  2 ** 53,
  '',
  'a',
  '__proto__',
  'All',
  '\u0000',
  '%',
  'é'.repeat(300),
  '-----BEGIN A-----\n',
  [],
  {},
  ['All', 'x'],
]
const KEYS = ['__proto__', 'constructor', 'metadata', 'spec', 'name', 'uid', 'resourceVersion', 'dryRun', 'x']

const metadata = { name: 'p', namespace: 'default' }
const attributes = {
  namespace: 'default',
  verb: 'get',
  group: '',
  resource: 'pods',
  labelSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b'] }] },
}
const subject = { user: 'anna', groups: ['crew'], extra: { scopes: ['x'] }, resourceAttributes: attributes }
const group = (name: string, kind: string, spec: object) => ({ apiVersion: `${name}/v1`, kind, spec })
const CORE = '/api/v1/namespaces/default'

const SOUND: [method: string, path: string, body: object][] = [
  [
    'POST',
    `${CORE}/pods/p/eviction`,
    { apiVersion: 'policy/v1', kind: 'Eviction', metadata, deleteOptions: { dryRun: ['All'], preconditions: { uid: 'u' } } },
  ],
  ['POST', `${CORE}/pods/p/binding`, { apiVersion: 'v1', kind: 'Binding', metadata, target: { kind: 'Node', name: 'n' } }],
  ['POST', `${CORE}/bindings`, { apiVersion: 'v1', kind: 'Binding', metadata, target: { kind: 'Node', name: 'n' } }],
  [
    'POST',
    `${CORE}/serviceaccounts/default/token`,
    group('authentication.k8s.io', 'TokenRequest', {
      audiences: ['a'],
      expirationSeconds: 600,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' },
    }),
  ],
  [
    'POST',
    '/apis/authentication.k8s.io/v1/tokenreviews',
    group('authentication.k8s.io', 'TokenReview', { token: 'a.b.c', audiences: ['a'] }),
  ],
  ['POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }],
  ['POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', group('authorization.k8s.io', 'SubjectAccessReview', subject)],
  [
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    group('authorization.k8s.io', 'SelfSubjectAccessReview', { resourceAttributes: attributes }),
  ],
  [
    'POST',
    '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews',
    group('authorization.k8s.io', 'LocalSubjectAccessReview', subject),
  ],
  [
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    group('authorization.k8s.io', 'SelfSubjectRulesReview', { namespace: 'default' }),
  ],
  [
    'POST',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    { ...minimalObject(CertificateSigningRequest), metadata: { generateName: 'r-' } },
  ],
  [
    'PUT',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests/r/approval',
    {
      ...minimalObject(CertificateSigningRequest),
      metadata: { name: 'r' },
      status: { conditions: [{ type: 'Approved', status: 'True' }] },
    },
  ],
  [
    'PUT',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests/r/status',
    {
      ...minimalObject(CertificateSigningRequest),
      metadata: { name: 'r' },
      status: { certificate: 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==' },
    },
  ],
  [
    'DELETE',
    `${CORE}/pods/q`,
    { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Orphan', gracePeriodSeconds: 1, preconditions: { uid: 'x' } },
  ],
]
const QUERIES = [
  'tailLines',
  'limitBytes',
  'sinceSeconds',
  'sinceTime',
  'follow',
  'previous',
  'stream',
  'container',
  'insecureSkipTLSVerifyBackend',
]
const TEXTS = ['', '0', '-1', '1', 'true', 'x', '9'.repeat(400), '2026-01-01T00:00:00Z', '2026-13-99T99:99:99Z', '%00', '__proto__', '1e9']

async function started() {
  const pki = await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'boat' })
  const store = createMemoryStore()
  const server = createApiServer({
    store,
    extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 }),
  })
  const running = await server.start(new AbortController().signal)
  const admin = server.clientFor({ username: 'admin', groups: ['system:masters'] })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  await admin.create(Pod, { metadata, spec: { containers: [{ name: 'c', image: 'i' }] } })
  await admin.create(CertificateSigningRequest, {
    ...minimalObject(CertificateSigningRequest),
    metadata: { name: 'r' },
  } as CertificateSigningRequest)
  const peer = {
    certificate: { commonName: 'admin', organizations: ['system:masters'], fingerprint: 'AA:BB', notAfter: systemClock.now() + 3_600_000 },
  }
  return {
    send: (method: string, path: string, body?: string) =>
      server.handle({
        method,
        path,
        headers: { 'content-type': body?.startsWith('{') === false ? 'application/yaml' : 'application/json' },
        ...(body === undefined ? {} : { body }),
        peer,
      }),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.float() * from.length)]!

/** As it was, but for one place or a few. */
function strange(random: Random, value: unknown): unknown {
  if (random.float() < 0.08) return pick(random, LEAVES)
  if (Array.isArray(value)) return value.flatMap((one) => (random.float() < 0.1 ? [one, one] : [strange(random, one)]))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(() => random.float() > 0.06)
  const made = entries.map(
    ([key, inner]) =>
      `${JSON.stringify(random.float() < 0.03 ? pick(random, KEYS) : key)}:${JSON.stringify(strange(random, inner)) ?? 'null'}`,
  )
  if (random.float() < 0.1) made.push(`${JSON.stringify(pick(random, KEYS))}:${JSON.stringify(pick(random, LEAVES))}`)
  return JSON.parse(`{${made.join()}}`)
}

/** Upstream gives these no reason, and the code that goes without one. */
const UNREASONED = /^resourceVersion should not be set|^\[?target\.(name|kind): |^Non-matching dry-run options/

for (const seed of [1, 2, 3])
  test(`reviews and options are answered whatever they say (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    await using server = await started()
    for (let round = 0; round < ROUNDS; round++) {
      const [method, place, sound] = pick(random, SOUND)
      const isLog = random.float() < 0.1
      const query = isLog
        ? `?${Array.from({ length: 3 }, () => `${pick(random, QUERIES)}=${encodeURIComponent(pick(random, TEXTS))}`).join('&')}`
        : pick(random, ['', '', '?dryRun=All', '?fieldValidation=Strict', '?dryRun=x'])
      const body = isLog ? undefined : JSON.stringify(strange(random, sound))
      const path = (isLog ? `${CORE}/pods/p/log` : place) + query
      const yaml = body && random.float() < 0.2 ? `# yaml\n${body}` : body
      const { status, text } = await server.send(isLog ? 'GET' : method, path, yaml)
      const refusal = status >= 400 && text.startsWith('{') ? (JSON.parse(text) as { reason?: string; message?: string }) : undefined
      const told = `${method} ${path} ${yaml}: ${status} ${text}`
      assert.ok(status >= 200 && status < 600 && status !== 401 && status !== 403, told)
      if (status >= 500) assert.match(refusal?.message ?? '', UNREASONED, told)
      assert.notEqual(refusal?.reason, 'InternalError', told)
    }
    assert.deepEqual(Object.keys(Object.prototype), [])
  })
