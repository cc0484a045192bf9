import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { AuthenticationTokenRequest } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { seededRandom } from '#lib/random.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { ServiceAccountTokens } from '#server/access/service-account-tokens.ts'
import type { ServerContext, SubresourceRequest } from '#server/request.ts'
import { serviceAccountToken, type TokenLives } from './service-account-token.ts'

test('serviceAccountToken tells the audit event which token it made', async () => {
  const reader = new MemoryReader()
  reader.put(ServiceAccount, { metadata: { name: 'sa', namespace: 'x', uid: 'u' } })
  const context = { reader, clock: systemClock, random: seededRandom(1) } as unknown as ServerContext
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tokens = new ServiceAccountTokens({ key, issuers: ['https://here'], reader, clock: systemClock, random: seededRandom(2) })
  const told: string[] = []
  const annotate = (name: string, value: string) => void told.push(`${name} ${value}`)
  const asked = { object: {}, key: { namespace: 'x', name: 'sa' }, annotate } as unknown as SubresourceRequest
  const made = (await serviceAccountToken(context, tokens).create!(asked)) as AuthenticationTokenRequest
  const { jti } = JSON.parse(Buffer.from(String(made.status?.token).split('.')[1]!, 'base64url').toString())
  assert.deepEqual(told, [`authentication.kubernetes.io/issued-credential-id JTI=${jti}`])
})

const LIVES: [what: string, asked: number, lives: TokenLives, shown: number, life: number, warned: string[]][] = [
  ['as long as asked', 7200, {}, 7200, 7200, []],
  [
    'no longer than may be',
    7200,
    { maxTokenSeconds: 3600 },
    3600,
    3600,
    ['requested expiration of 7200 seconds shortened to 3600 seconds'],
  ],
  ['a year for a projected volume', 3607, {}, 3607, 31_536_000, []],
  ['as long as asked for a projected volume, where told so', 3607, { extendTokens: false }, 3607, 3607, []],
  ['a year, though less is the longest', 3607, { maxTokenSeconds: 3607 }, 3607, 31_536_000, []],
  [
    'shortened and so not extended',
    3607,
    { maxTokenSeconds: 3600 },
    3600,
    3600,
    ['requested expiration of 3607 seconds shortened to 3600 seconds'],
  ],
]
for (const [what, expirationSeconds, lives, shown, life, warnings] of LIVES)
  test(`a token of a pod lives ${what}`, async () => {
    const reader = new MemoryReader()
    reader.put(ServiceAccount, { metadata: { name: 'sa', namespace: 'x', uid: 'u' } })
    reader.put(Pod, { metadata: { name: 'p', namespace: 'x', uid: 'v' }, spec: { serviceAccountName: 'sa', containers: [] } })
    const context = { reader, clock: systemClock, random: seededRandom(1) } as unknown as ServerContext
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const tokens = new ServiceAccountTokens({ key, issuers: ['https://here'], reader, clock: systemClock, random: seededRandom(2) })
    const warned: string[] = []
    const object = { spec: { expirationSeconds, boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } } }
    const asked = { object, key: { namespace: 'x', name: 'sa' }, warn: (text: string) => void warned.push(text) }
    const made = (await serviceAccountToken(context, tokens, lives).create!(
      asked as unknown as SubresourceRequest,
    )) as AuthenticationTokenRequest
    const { exp, iat } = JSON.parse(Buffer.from(String(made.status?.token).split('.')[1]!, 'base64url').toString())
    assert.deepEqual([made.spec?.expirationSeconds, exp - iat, warned], [shown, life, warnings])
  })
