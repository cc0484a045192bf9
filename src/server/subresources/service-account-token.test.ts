import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { AuthenticationTokenRequest } from '#api/generated/types.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { seededRandom } from '#lib/random.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { ServiceAccountTokens } from '#server/access/service-account-tokens.ts'
import type { ServerContext, SubresourceRequest } from '#server/request.ts'
import { serviceAccountToken } from './service-account-token.ts'

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
