import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, type KeyPairKeyObjectResult, sign } from 'node:crypto'
import { test } from 'node:test'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { seededRandom } from '#lib/random.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import type { ObjectWriter } from '#server/request.ts'
import { bearerTokens } from './authenticators.ts'
import { KEY_SET_PATH, tokenDocuments, tokenEndpoints } from './key-set.ts'
import { LegacyTokens, legacyToken } from './legacy-tokens.ts'
import { MemoryReader } from './memory-reader.ts'
import type { SigningKey } from './web-token.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'

const ISSUER = 'https://kubernetes.default.svc.cluster.local'
const account = { metadata: { name: 'sa', namespace: 'x', uid: 'u1' } }
const pod = (more = {}) => ({ metadata: { name: 'p', namespace: 'x', uid: 'p1', ...more }, spec: { containers: [] } })

function fixture() {
  const reader = new MemoryReader()
  reader.put(ServiceAccount, account)
  reader.put(Pod, pod())
  let now = systemClock.now()
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const clock = { ...systemClock, now: () => now }
  const tokens = new ServiceAccountTokens({ key, issuers: [ISSUER], reader, clock, random: seededRandom(1) })
  const issue = (more = {}) => tokens.issue({ account, audiences: [ISSUER], expiresInSeconds: 3600, ...more })
  return { reader, key, tokens, issue, advance: (seconds: number) => (now += seconds * 1000) }
}

test('ServiceAccountTokens verifies what it issued', () => {
  const { tokens, issue } = fixture()
  const { user } = tokens.verify(issue({ pod: { name: 'p', uid: 'p1' }, node: { name: 'n', uid: 'n1' } }))
  assert.equal(user.username, 'system:serviceaccount:x:sa')
  assert.equal(user.uid, 'u1')
  assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:x', 'system:authenticated'])
  assert.deepEqual(user.extra?.['authentication.kubernetes.io/pod-name'], ['p'])
  assert.deepEqual(user.extra?.['authentication.kubernetes.io/node-uid'], ['n1'])
  assert.match(user.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^JTI=[0-9a-f-]{36}$/)
})

const LOSSES: [title: string, lose: (f: ReturnType<typeof fixture>) => void, message: RegExp][] = [
  ['time is up', ({ advance }) => advance(3600), /has expired/],
  ['the account is gone', ({ reader }) => reader.remove(ServiceAccount, { namespace: 'x', name: 'sa' }), /serviceaccounts "sa" not found/],
  [
    'the account is another',
    ({ reader }) => reader.put(ServiceAccount, { metadata: { ...account.metadata, uid: 'u2' } }),
    /service account UID \(u2\) does not match claim \(u1\)/,
  ],
  ['the pod is gone', ({ reader }) => reader.remove(Pod, { namespace: 'x', name: 'p' }), /has been invalidated/],
  [
    'the pod is another',
    ({ reader }) => reader.put(Pod, pod({ uid: 'p2' })),
    /pod UID \(p2\) does not match service account pod ref claim \(p1\)/,
  ],
  [
    'the pod was to end a while ago',
    ({ reader }) => reader.put(Pod, pod({ deletionTimestamp: '2020-01-01T00:00:00Z' })),
    /has been invalidated/,
  ],
]

test('ServiceAccountTokens refuses a token it accepted before when', async (t) => {
  for (const [title, lose, message] of LOSSES)
    await t.test(title, () => {
      const given = fixture()
      const token = given.issue({ pod: { name: 'p', uid: 'p1' } })
      given.tokens.verify(token)
      lose(given)
      assert.throws(() => given.tokens.verify(token), message)
    })
})

test('ServiceAccountTokens refuses forged, foreign and malformed tokens', () => {
  const { tokens, issue, key } = fixture()
  const [header, payload, signature] = issue().split('.') as [string, string, string]
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const none = encode({ alg: 'none' })
  const evil = encode({ ...claims, sub: 'system:serviceaccount:kube-system:admin' })
  const resigned = sign('sha256', Buffer.from(`${header}.${evil}`), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
    'base64url',
  )
  const bad = [
    '',
    'x',
    'a.b.c',
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${header}.${evil}.${signature}`,
    `${header}.${payload}.${signature}.x`,
  ]
  for (const token of [...bad, fixture().issue(), `${header}.${evil}.${resigned}`])
    assert.throws(() => tokens.verify(token), /invalid bearer token/)
})

test('ServiceAccountTokens holds tokens to their audiences', () => {
  const { tokens, issue } = fixture()
  const token = issue({ audiences: ['vault'] })
  assert.throws(() => tokens.verify(token), /audiences/)
  assert.deepEqual(tokens.verify(token, ['vault', 'other']).audiences, ['vault'])
})

test('bearerTokens notes tokens that are used for longer than they were wanted', async () => {
  const { tokens, issue, advance } = fixture()
  const headers = { authorization: `Bearer ${issue({ warnAfterSeconds: 60 })}` }
  const notes: string[] = []
  const annotate = (key: string, value: string) => void notes.push(`${key}: ${value}`)
  const authenticator = bearerTokens(() => [tokens], [ISSUER])
  await authenticator.authenticate({ headers, annotate })
  assert.deepEqual(notes, [])
  advance(90)
  await authenticator.authenticate({ headers, annotate })
  assert.equal(notes.length, 1)
  assert.match(
    notes[0]!,
    /^authentication\.k8s\.io\/stale-token: subject: system:serviceaccount:x:sa, seconds after warning threshold: (29|30)$/,
  )
})

for (const [secrets, warned] of [
  [[{ name: 'made' }], true],
  [[{ name: 'other' }], false],
  [undefined, false],
] as const)
  test(`bearerTokens ${warned ? 'warns' : 'does not warn'} of a token in a Secret that an account with ${JSON.stringify(secrets)} has`, async () => {
    const { reader, key } = fixture()
    reader.put(ServiceAccount, { ...account, ...(secrets ? { secrets: [...secrets] } : {}) })
    const token = legacyToken(key, { namespace: 'x', account: { name: 'sa', uid: 'u1' }, secret: 'made' })
    const today = new Date(systemClock.now()).toISOString().slice(0, 10)
    const labels = { 'kubernetes.io/legacy-token-last-used': today }
    reader.put(Secret, { metadata: { name: 'made', namespace: 'x', labels }, data: { token: Buffer.from(token).toString('base64') } })
    const modified = { modify: async () => assert.fail('noted twice') } as unknown as ObjectWriter
    const legacy = new LegacyTokens({
      key,
      audiences: [ISSUER],
      reader,
      writer: modified,
      clock: { ...systemClock, now: () => Date.parse(today) },
      log: silentLogger,
    })
    const said: string[] = []
    await bearerTokens(() => [legacy], [ISSUER]).authenticate({
      headers: { authorization: `Bearer ${token}` },
      warn: (text) => void said.push(text),
      annotate: (name, value) => void said.push(`${name}=${value}`),
    })
    const warning =
      'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.'
    assert.deepEqual(said, [
      ...(warned ? [warning] : []),
      'authentication.k8s.io/legacy-token=system:serviceaccount:x:sa',
      `authentication.k8s.io/legacy-token-${warned ? 'autogenerated' : 'manual'}-secret=made`,
    ])
  })

test('LegacyTokens refuses a token that is marked invalid, notes its use all the same, and says so to audit', async () => {
  const { reader, key } = fixture()
  const token = legacyToken(key, { namespace: 'x', account: { name: 'sa', uid: 'u1' }, secret: 'made' })
  const data = { token: Buffer.from(token).toString('base64') }
  const labels = { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' }
  reader.put(Secret, { metadata: { name: 'made', namespace: 'x', labels }, data })
  const noted: string[] = []
  const writer = { modify: async (_: unknown, { name }: { name: string }) => noted.push(name) } as unknown as ObjectWriter
  const legacy = new LegacyTokens({ key, audiences: [ISSUER], reader, writer, clock: systemClock, log: silentLogger })
  const said: string[] = []
  const asked = bearerTokens(() => [legacy], [ISSUER]).authenticate({
    headers: { authorization: `Bearer ${token}` },
    annotate: (name, value) => void said.push(`${name}=${value}`),
  })
  await assert.rejects(async () => asked, { reason: 'Unauthorized' })
  assert.deepEqual(said, [
    'authentication.k8s.io/legacy-token=system:serviceaccount:x:sa',
    'authentication.k8s.io/legacy-token-invalidated=made/x',
  ])
  assert.deepEqual(noted, ['made'])
  assert.throws(() => legacy.authenticateToken(token, ['other']), {
    message: `token audiences ["${ISSUER}"] is invalid for the target audiences ["other"]`,
  })
})

test('bearerTokens reads the header and the protocol list, and refuses bad tokens', async () => {
  const { tokens, issue } = fixture()
  const authenticator = bearerTokens(() => [tokens], [ISSUER])
  const token = issue()
  const carrier = `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`
  for (const headers of [{ authorization: `Bearer ${token}` }, { 'sec-websocket-protocol': `v5.channel.k8s.io, ${carrier}` }])
    assert.equal((await authenticator.authenticate({ headers }))?.username, 'system:serviceaccount:x:sa')
  assert.equal(await authenticator.authenticate({ headers: { authorization: 'Basic eDp5' } }), undefined)
  await assert.rejects(async () => authenticator.authenticate({ headers: { authorization: 'Bearer nonsense' } }), {
    reason: 'Unauthorized',
    message: 'Unauthorized',
  })
})

test('tokenDocuments publish what a stranger needs to verify tokens', async () => {
  const { key, issue } = fixture()
  const documents = tokenDocuments({ issuer: ISSUER, publicKeys: [key.publicKey], url: 'https://127.0.0.1:6443' })
  const keys = createLocalJWKSet(JSON.parse(documents.get(KEY_SET_PATH)!.body))
  const { payload } = await jwtVerify(issue(), keys, { issuer: ISSUER, audience: ISSUER })
  assert.equal(payload.sub, 'system:serviceaccount:x:sa')
})

const KEYS: [algorithm: string, make: () => KeyPairKeyObjectResult][] = [
  ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['ES384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ['ES512', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
]

test('tokens of keys of every kind are believed while their key is, and can be checked by strangers', async () => {
  const { reader } = fixture()
  const [now, random] = [systemClock.now(), seededRandom(1)]
  const made = KEYS.map(([algorithm, make]) => ({ algorithm, key: make() }))
  const all = made.map(({ key }) => key.publicKey)
  const believing = (key: SigningKey, believed: KeyObject[]) =>
    new ServiceAccountTokens({ key, believed, issuers: [ISSUER], reader, clock: { ...systemClock, now: () => now }, random })
  const documents = tokenDocuments({ issuer: ISSUER, publicKeys: all, url: 'https://127.0.0.1:6443' })
  const keySet = createLocalJWKSet(JSON.parse(documents.get(KEY_SET_PATH)!.body))
  for (const { algorithm, key } of made) {
    const token = believing(key, [key.publicKey]).issue({ account, audiences: [ISSUER], expiresInSeconds: 3600 })
    const { protectedHeader } = await jwtVerify(token, keySet, { issuer: ISSUER })
    assert.equal(protectedHeader.alg, algorithm)
    const other = made.find((one) => one.key !== key)!.key
    assert.equal(believing(other, all).verify(token).user.username, 'system:serviceaccount:x:sa')
    const without = all.filter((one) => one !== key.publicKey)
    assert.throws(() => believing(other, without).verify(token), { message: 'invalid bearer token' })
  }
})

test('tokenEndpoints serve their documents with a slash at the end as well', () => {
  const endpoints = tokenEndpoints({ issuer: ISSUER, publicKeys: [fixture().key.publicKey], url: () => 'https://127.0.0.1:6443' })
  for (const path of ['/.well-known/openid-configuration', KEY_SET_PATH])
    assert.deepEqual(
      ['', '/', '/x'].map((end) => endpoints.some((one) => one.serves(`${path}${end}`))),
      [true, true, false],
    )
})
