// JSON web tokens of this cluster's own keys: RSA with SHA-256, or ECDSA with the hash that goes with the curve. The key decides on the algorithm,
// never the token.
import { createHash, type KeyObject, sign, verify } from 'node:crypto'

export interface SigningKey {
  privateKey: KeyObject
  publicKey: KeyObject
}

export type TokenAlgorithm = 'RS256' | 'ES256' | 'ES384' | 'ES512'

const CURVES: Record<string, TokenAlgorithm> = {
  __proto__: null as never,
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

/** undefined: a key of a kind that signs no tokens. */
export function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): TokenAlgorithm | undefined {
  if (asymmetricKeyType === 'rsa') return 'RS256'
  return asymmetricKeyType === 'ec' ? CURVES[asymmetricKeyDetails?.namedCurve ?? ''] : undefined
}

/** As the key is named in tokens and in the published key set. */
export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

export function signToken(claims: object, { privateKey, publicKey }: SigningKey): string {
  const alg = algorithmOf(publicKey)
  if (!alg) throw new TypeError(`keys of type ${publicKey.asymmetricKeyType} sign no tokens`)
  const body = `${encode({ alg, kid: keyId(publicKey) })}.${encode(claims)}`
  return `${body}.${sign(hashOf(alg), Buffer.from(body), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** The claims of a token of one of those keys; undefined when it is malformed, of another key or algorithm, or wrongly signed. */
export function readToken(token: string, publicKeys: readonly KeyObject[]): Record<string, unknown> | undefined {
  const [header, payload, signature, rest] = token.split('.')
  if (!header || !payload || !signature || rest !== undefined) return undefined
  const { alg, kid } = decode(header) ?? {}
  const bytes = Buffer.from(signature, 'base64url')
  for (const key of publicKeys) {
    if (alg === undefined || algorithmOf(key) !== alg || (kid !== undefined && kid !== keyId(key))) continue
    const signed = Buffer.from(`${header}.${payload}`)
    if (verify(hashOf(alg as TokenAlgorithm), signed, { key, dsaEncoding: 'ieee-p1363' }, bytes)) return decode(payload)
  }
  return undefined
}

/** What a token says of itself, unverified: only to decide whose it is. */
export function claimedIssuer(token: string): unknown {
  return decode(token.split('.')[1] ?? '')?.['iss']
}

const hashOf = (algorithm: TokenAlgorithm): string => `sha${algorithm.slice(2)}`

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString())
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
