import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { Outgoing } from '#server/outgoing/outgoing.ts'
import { startStranger } from '#server/outgoing/testing.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { callsThrough } from '#server/access/outgoing-call.ts'
import { checkAuthentication, parseAuthenticationConfiguration } from './authentication-configuration.ts'
import { Strangers } from './strangers.ts'

/** One place that is two issuers, `URL` and `URL/groups`, and an endpoint that answers with whatever `answer` is. */
async function started(t: TestContext) {
  const keys = await Promise.all(
    ['users', 'groups'].map(async (kid) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
      return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
    }),
  )
  const place = { answer: '' as unknown }
  const stranger = await startStranger(({ path }, response) => {
    const issuer = path.startsWith('/groups/') ? `${stranger.url}/groups` : stranger.url
    if (path.endsWith('/.well-known/openid-configuration')) return { issuer, jwks_uri: `${issuer}/keys` }
    if (path.endsWith('/keys')) return { keys: [keys[issuer === stranger.url ? 0 : 1]!.jwk] }
    if (typeof place.answer !== 'number') return place.answer
    response.writeHead(place.answer).end()
    return undefined
  })
  t.after(() => stranger[Symbol.asyncDispose]())
  const outgoing = new Outgoing({ reader: new MemoryReader(), random: systemRandom })
  t.after(() => outgoing[Symbol.dispose]())
  const sign = (claims: JWTPayload, { by = 'users', key }: { by?: 'users' | 'groups'; key?: CryptoKey } = {}) =>
    new SignJWT({ aud: 'cluster', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: by })
      .setIssuer(by === 'users' ? stranger.url : `${stranger.url}/groups`)
      .setExpirationTime('5m')
      .sign(key ?? keys[by === 'users' ? 0 : 1]!.privateKey)
  const config = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    jwt: [
      {
        issuer: { url: stranger.url, certificateAuthority: Buffer.from(stranger.caBundle, 'base64').toString(), audiences: ['cluster'] },
        claimMappings: { username: { claim: 'sub', prefix: '' }, groups: { claim: 'groups', prefix: 'd:' } },
      },
    ],
  }
  const configuration = await checkAuthentication(parseAuthenticationConfiguration(JSON.stringify(config)), ['https://own'])
  const strangers = new Strangers({ configuration }, { call: callsThrough(outgoing), clock: systemClock, log: silentLogger })
  const elsewhere = (more: object = {}) => ({
    sub: 'anna',
    _claim_names: { groups: 'src1' },
    _claim_sources: { src1: { endpoint: `${stranger.url}/ask?of=anna`, access_token: 'foo' } },
    ...more,
  })
  return {
    stranger,
    place,
    sign,
    keys,
    elsewhere,
    groups: async (claims: object) => (await strangers.authenticate(await sign(claims as JWTPayload)))?.groups,
  }
}

test('DistributedClaims fetches groups with the token that was given for it, and remembers keys', async (t) => {
  const { stranger, place, sign, elsewhere, groups } = await started(t)
  place.answer = await sign({ groups: ['a', 'b'] }, { by: 'groups' })
  assert.deepEqual(await groups(elsewhere()), ['d:a', 'd:b'])
  place.answer = await sign({ groups: 'alone' }, { by: 'users' })
  assert.deepEqual(await groups(elsewhere({ jti: '2' })), ['d:alone'])
  const asked = stranger.calls.filter(({ path }) => path.startsWith('/ask'))
  assert.deepEqual(
    asked.map(({ path, headers }) => [path, headers.authorization]),
    [
      ['/ask?of=anna', 'Bearer foo'],
      ['/ask?of=anna', 'Bearer foo'],
    ],
  )
  place.answer = await sign({ groups: ['c'] }, { by: 'groups' })
  assert.deepEqual(await groups(elsewhere({ jti: '3', _claim_sources: { src1: { endpoint: `${stranger.url}/ask` } } })), ['d:c'])
  assert.equal(stranger.calls.at(-1)!.headers.authorization, undefined)
  assert.equal(stranger.calls.filter(({ path }) => path === '/groups/keys').length, 1)
})

test('DistributedClaims asks nobody where the claim is in the token, is not named, or came along', async (t) => {
  const { stranger, elsewhere, groups } = await started(t)
  assert.deepEqual(await groups(elsewhere({ groups: ['own'] })), ['d:own'])
  assert.deepEqual(await groups(elsewhere({ _claim_names: { phone: 'src1' } })), [])
  assert.deepEqual(await groups({ sub: 'anna' }), [])
  assert.deepEqual(await groups(elsewhere({ _claim_sources: { src1: { JWT: 'x' } } })), [])
  assert.deepEqual(await groups(elsewhere({ _claim_names: { toString: 'src1' } })), [])
  assert.ok(!stranger.calls.some(({ path }) => path.startsWith('/ask')))
})

type Started = Awaited<ReturnType<typeof started>>
const SERVER = 'oidc: could not expand distributed claims: '

const REFUSED: [what: string, claims: (one: Started) => object, answer: (one: Started) => unknown, message: RegExp][] = [
  ['no sources', () => ({ _claim_sources: undefined }), () => '', /oidc: no claim sources$/],
  ['sources that are none', () => ({ _claim_sources: 'x' }), () => '', /oidc: could not parse claim sources/],
  ['names that are none', () => ({ _claim_names: { groups: 1 } }), () => '', /oidc: error parsing distributed claim names/],
  ['a source that is missing', () => ({ _claim_sources: {} }), () => '', /contained a source src1 missing in _claims_sources$/],
  ['__proto__ as a source', () => ({ _claim_names: { groups: '__proto__' } }), () => '', /contained a source __proto__ missing/],
  ['an endpoint that is no text', () => ({ _claim_sources: { src1: { endpoint: 1 } } }), () => '', /could not parse claim sources/],
  ['an endpoint in the clear', () => ({ _claim_sources: { src1: { endpoint: 'http://127.0.0.1/' } } }), () => '', /is no https address$/],
  [
    'an endpoint that fails',
    () => ({}),
    () => 500,
    /while getting distributed claim "groups": error while getting distributed claim JWT: 500/,
  ],
  ['an answer that is no token', () => ({}), () => 'hello', /getting untrusted issuer from endpoint .* failed for claim "groups"/],
  ['a token without the claim', () => ({}), ({ sign }) => sign({ crew: [] }, { by: 'groups' }), /did not contain claim: groups$/],
  [
    'a token for others',
    () => ({}),
    ({ sign }) => sign({ aud: 'x', groups: [] }, { by: 'groups' }),
    /verify distributed claim token: .*audience/,
  ],
  [
    'a token signed by somebody else',
    () => ({}),
    ({ sign, keys }) => sign({ groups: ['a'] }, { by: 'groups', key: keys[0]!.privateKey }),
    /verify distributed claim token: signature verification failed/,
  ],
  ['an endless answer', () => ({}), () => 'x'.repeat(2 * 1024 * 1024), /while getting distributed claim "groups"/],
]

for (const [what, claims, answer, message] of REFUSED)
  test(`DistributedClaims refuses ${what}`, async (t) => {
    const one = await started(t)
    one.place.answer = await answer(one)
    await assert.rejects(
      one.groups(one.elsewhere(claims(one))),
      (error: Error) => error.message.startsWith(SERVER) && message.test(error.message),
    )
  })
