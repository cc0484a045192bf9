// Whether a token is what its issuer signed, for us, and still good: the same questions for tokens of users and for those that carry claims of them.
import type { JWTPayload } from 'jose'
import { quotedList } from '#server/access/policy-rules.ts'
import type { IssuerKeys } from './issuer-keys.ts'

/** Never `none`, never one with a shared secret. */
const SIGNING_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'] as const

export type Claims = JWTPayload & Record<string, unknown>

export interface IssuedBy {
  issuer: string
  keys: IssuerKeys
  /** One of them is enough. */
  audiences: readonly string[]
  algorithms?: readonly string[] | undefined
  now: number
}

/** Throws an Error saying why not. */
export async function verifyIssued(
  token: string,
  { issuer, keys, audiences, algorithms = SIGNING_ALGORITHMS, now }: IssuedBy,
): Promise<Claims> {
  const { errors, jwtVerify } = await import('jose')
  const options = { issuer, algorithms: [...algorithms], currentDate: new Date(now), requiredClaims: ['exp'] }
  const verify = async () => jwtVerify(token, await keys.present(), options)
  const { payload } = await verify().catch(async (error: unknown) => {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    // The issuer may have begun to sign with another key.
    await keys.load()
    return verify()
  })
  assertAudience(payload, audiences)
  return payload as Claims
}

function assertAudience({ aud = [] }: JWTPayload, audiences: readonly string[]): void {
  const given = Array.isArray(aud) ? aud : [aud]
  if (!audiences.some((one) => given.includes(one)))
    throw new Error(`oidc: expected audience in ${quotedList(audiences)} got ${quotedList(given)}`)
}
