import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { Outgoing } from '#server/outgoing/outgoing.ts'
import { startStranger } from '#server/outgoing/testing.ts'
import { MemoryReader } from './memory-reader.ts'
import { callsThrough } from './outgoing-call.ts'
import { checkAuthentication, parseAuthenticationConfiguration } from './oidc/authentication-configuration.ts'
import { Strangers } from './oidc/strangers.ts'

interface Issuer {
  url: string
  ca: string
  sign(claims: JWTPayload, options?: { key?: CryptoKey; kid?: string; alg?: string }): Promise<string>
  publish(keys: object[]): void
  newKey(kid: string): Promise<{ privateKey: CryptoKey; jwk: object }>
  calls: { path: string }[]
}

async function startIssuer(t: TestContext): Promise<Issuer> {
  let keys: object[] = []
  const stranger = await startStranger(({ path }) =>
    path === '/.well-known/openid-configuration' ? { issuer: stranger.url, jwks_uri: `${stranger.url}/keys` } : { keys },
  )
  t.after(() => stranger[Symbol.asyncDispose]())
  const newKey = async (kid: string) => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
  }
  const first = await newKey('k1')
  keys = [first.jwk]
  return {
    url: stranger.url,
    ca: Buffer.from(stranger.caBundle, 'base64').toString(),
    calls: stranger.calls,
    newKey,
    publish: (next) => {
      keys = next
    },
    sign: (claims, { key = first.privateKey, kid = 'k1', alg = 'ES256' } = {}) =>
      new SignJWT({ aud: 'cluster', sub: 'u', ...claims })
        .setProtectedHeader({ alg, kid })
        .setIssuer(stranger.url)
        .setExpirationTime('5m')
        .sign(key),
  }
}

function strangersFor(t: TestContext, clock = systemClock) {
  const outgoing = new Outgoing({ reader: new MemoryReader(), random: systemRandom })
  t.after(() => outgoing[Symbol.dispose]())
  const context = { call: callsThrough(outgoing), clock, log: silentLogger }
  return async (config: object) =>
    new Strangers(
      { configuration: await checkAuthentication(parseAuthenticationConfiguration(JSON.stringify(config)), ['https://own']) },
      context,
    )
}

const HEAD = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' }

const configFor = ({ url, ca }: Issuer, more: object = {}) => ({
  ...HEAD,
  jwt: [
    {
      issuer: { url, certificateAuthority: ca, audiences: ['cluster'] },
      claimMappings: { username: { claim: 'sub', prefix: 'oidc:' }, groups: { claim: 'groups', prefix: 'oidc:' } },
      ...more,
    },
  ],
})

test('Strangers make a user of the claims that are mapped, and of nothing else', async (t) => {
  const issuer = await startIssuer(t)
  const strangers = await strangersFor(t)(configFor(issuer))
  const token = await issuer.sign({ sub: 'anna', groups: ['crew'], jti: 'j1', admin: true })
  assert.deepEqual(await strangers.authenticate(token), {
    username: 'oidc:anna',
    groups: ['oidc:crew'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] },
  })
  await strangers.authenticate(token)
  assert.deepEqual(
    issuer.calls.map(({ path }) => path),
    ['/.well-known/openid-configuration', '/keys'],
  )
})

test('Strangers evaluate expressions over claims and user', async (t) => {
  const issuer = await startIssuer(t)
  const strangers = await strangersFor(t)(
    configFor(issuer, {
      claimMappings: {
        username: { expression: '"cel:" + claims.sub' },
        groups: { expression: 'claims.roles.split(",")' },
        uid: { expression: 'string(claims.number)' },
        extra: [{ key: 'acme.com/team', valueExpression: 'claims.?team.orValue("")' }],
      },
      claimValidationRules: [{ expression: 'claims.level > 2', message: 'too low' }],
      userValidationRules: [{ expression: '!user.username.startsWith("cel:system")', message: 'reserved' }],
    }),
  )
  const claims = { sub: 'anna', roles: 'a,b', number: 7, level: 3, team: 'red' }
  assert.deepEqual(await strangers.authenticate(await issuer.sign(claims)), {
    username: 'cel:anna',
    groups: ['a', 'b'],
    uid: '7',
    extra: { 'acme.com/team': ['red'] },
  })
  await assert.rejects(strangers.authenticate(await issuer.sign({ ...claims, level: 1 })), {
    message: "oidc: error evaluating claim validation expression: validation expression 'claims.level > 2' failed: too low",
  })
  await assert.rejects(strangers.authenticate(await issuer.sign({ ...claims, sub: 'system:admin' })), { message: /failed: reserved$/ })
})

test('Strangers refuse tokens that are not for us, too old, forged, or signed in a way not accepted', async (t) => {
  const issuer = await startIssuer(t)
  const strangers = await strangersFor(t)(configFor(issuer, { claimValidationRules: [{ claim: 'hd', requiredValue: 'acme' }] }))
  const stolen = (await issuer.newKey('k1')).privateKey
  const refused: [token: string, why: RegExp][] = [
    [await issuer.sign({ hd: 'acme', aud: 'other' }), /oidc: expected audience in \["cluster"\] got \["other"\]/],
    [await issuer.sign({ hd: 'acme' }, { key: stolen }), /signature verification failed/],
    [await issuer.sign({}), /required claim hd not present/],
    [await issuer.sign({ hd: 'else' }), /required claim hd value does not match. Got = else, want = acme/],
    [
      await new SignJWT({ aud: 'cluster', sub: 'u', hd: 'acme' })
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .setIssuer(issuer.url)
        .setExpirationTime('5m')
        .sign(new Uint8Array(32)),
      /"alg" \(Algorithm\) Header Parameter value not allowed/,
    ],
    [
      await new SignJWT({ aud: 'cluster', sub: 'u', hd: 'acme' })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(issuer.url)
        .sign(stolen),
      /signature verification failed|missing required "exp"/,
    ],
  ]
  for (const [token, why] of refused) await assert.rejects(strangers.authenticate(token), why)
  assert.equal(await strangers.authenticate('e30.e30.e30'), undefined)
})

test('Strangers ask for new keys when a token names one they do not know', async (t) => {
  const issuer = await startIssuer(t)
  let monotonic = 0
  const strangers = await strangersFor(t, { ...systemClock, monotonic: () => monotonic })(configFor(issuer))
  await strangers.authenticate(await issuer.sign({}))
  const { privateKey, jwk } = await issuer.newKey('k2')
  issuer.publish([jwk])
  const token = await issuer.sign({ sub: 'new' }, { key: privateKey, kid: 'k2' })
  await assert.rejects(strangers.authenticate(token), /no applicable key found/)
  monotonic += 10_000
  assert.equal((await strangers.authenticate(token))?.username, 'oidc:new')
})

test('Strangers that are down refuse their own tokens at once and delay no others', async (t) => {
  const [issuer, dead] = [await startIssuer(t), await startIssuer(t)]
  const both = { ...HEAD, jwt: [...configFor({ ...dead, ca: issuer.ca }).jwt, ...configFor(issuer).jwt] }
  const strangers = await strangersFor(t)(both)
  assert.equal((await strangers.authenticate(await issuer.sign({ sub: 'anna' })))?.username, 'oidc:anna')
  await assert.rejects(strangers.authenticate(await dead.sign({})), /authenticator for issuer .* is not initialized/)
})

test('Strangers follow their file, and keep to what holds while it is wrong', async (t) => {
  const issuer = await startIssuer(t)
  const directory = mkdtempSync(join(tmpdir(), 'strangers-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'authentication.json')
  writeFileSync(file, JSON.stringify(HEAD))
  const outgoing = new Outgoing({ reader: new MemoryReader(), random: systemRandom })
  t.after(() => outgoing[Symbol.dispose]())
  const looks: (() => void)[] = []
  const clock = {
    ...systemClock,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        looks.push(resolve)
        signal?.addEventListener('abort', () => resolve())
      }),
  }
  const read = (text: string) => checkAuthentication(parseAuthenticationConfiguration(text), [])
  const rereads: string[] = []
  const log = { ...silentLogger, info: (text: string) => rereads.push(text), error: (text: string) => rereads.push(text) }
  const strangers = new Strangers(
    { configuration: await read(JSON.stringify(HEAD)), file, read },
    { call: callsThrough(outgoing), clock, log },
  )
  const stop = new AbortController()
  const running = strangers.run(stop.signal)
  const changeTo = async (text: string) => {
    writeFileSync(file, text)
    const seen = rereads.length
    while (rereads.length === seen) {
      looks.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const token = await issuer.sign({ sub: 'anna' })
  assert.equal(await strangers.authenticate(token), undefined)
  assert.equal(strangers.anonymous('/healthz'), undefined)
  await changeTo(JSON.stringify({ ...configFor(issuer), anonymous: { enabled: true, conditions: [{ path: '/livez' }] } }))
  assert.equal((await strangers.authenticate(token))?.username, 'oidc:anna')
  assert.deepEqual([strangers.anonymous('/livez'), strangers.anonymous('/healthz')], [true, false])
  await changeTo('kind: nonsense')
  assert.equal((await strangers.authenticate(token))?.username, 'oidc:anna')
  stop.abort()
  await running
})

const jwt = (more: object, issuer: object = {}) => ({
  ...HEAD,
  jwt: [{ issuer: { url: 'https://a', audiences: ['x'], ...issuer }, claimMappings: { username: { claim: 'sub', prefix: '' } }, ...more }],
})

const WRONG: [config: object, message: string][] = [
  [{ ...HEAD, jwts: [] }, 'strict decoding error: unknown field "jwts"'],
  [jwt({}, { url: 'http://a' }), 'jwt[0].issuer.url: Invalid value: "http://a": URL scheme must be https'],
  [
    jwt({}, { url: 'https://own' }),
    'jwt[0].issuer.url: Invalid value: "https://own": URL must not overlap with disallowed issuers: [https://own]',
  ],
  [
    jwt({}, { audiences: ['x', 'y'] }),
    'jwt[0].issuer.audienceMatchPolicy: Invalid value: "": audienceMatchPolicy must be MatchAny for multiple audiences',
  ],
  [
    jwt({ claimMappings: { username: { claim: 'sub' } } }),
    'jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing',
  ],
  [jwt({ claimMappings: { username: {} } }), 'jwt[0].claimMappings.username: Required value: claim or expression is required'],
  [
    jwt({ claimMappings: { username: { expression: 'claims.email' } } }),
    'jwt[0].claimMappings.username.expression: Invalid value: "claims.email": claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
  ],
  [
    { ...HEAD, anonymous: { enabled: false, conditions: [{ path: '/x' }] } },
    'anonymous.conditions: Invalid value: [{"path":"/x"}]: enabled should be set to true when conditions are defined',
  ],
]

test('checkAuthentication refuses in the words of upstream', async () => {
  for (const [config, message] of WRONG)
    await assert.rejects(async () => checkAuthentication(parseAuthenticationConfiguration(JSON.stringify(config)), ['https://own']), {
      message,
    })
})

for (const rule of ['claims.?email_verified.orValue(true) == true', 'claims.email_verified', 'has(claims.email_verified)'])
  test(`checkAuthentication takes ${rule} for a look at whether the address was verified`, async () => {
    const claimMappings = { username: { expression: 'claims.?email.orValue("x")' } }
    const config = jwt({ claimMappings, claimValidationRules: [{ expression: rule }] })
    assert.equal((await checkAuthentication(parseAuthenticationConfiguration(JSON.stringify(config)), [])).issuers.length, 1)
    const without = JSON.stringify(jwt({ claimMappings }))
    await assert.rejects(
      async () => checkAuthentication(parseAuthenticationConfiguration(without), []),
      /claims\.email_verified must be used/,
    )
  })
