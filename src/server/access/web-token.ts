// JSON web tokens signed with ES256, and nothing more of the standard: no other algorithm is ever accepted.
import { createHash, type KeyObject, sign, verify } from 'node:crypto'

export interface SigningKey {
  privateKey: KeyObject
  publicKey: KeyObject
}

/** As the key is named in tokens and in the published key set. */
export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

export function signToken(claims: object, { privateKey, publicKey }: SigningKey): string {
  const body = `${encode({ alg: 'ES256', kid: keyId(publicKey) })}.${encode(claims)}`
  return `${body}.${sign('sha256', Buffer.from(body), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** The claims of a token of that key; undefined when it is malformed, of another algorithm, or wrongly signed. */
export function readToken(token: string, publicKey: KeyObject): Record<string, unknown> | undefined {
  const [header, payload, signature, rest] = token.split('.')
  if (!header || !payload || !signature || rest !== undefined) return undefined
  if (decode(header)?.['alg'] !== 'ES256') return undefined
  const bytes = Buffer.from(signature, 'base64url')
  const genuine = verify('sha256', Buffer.from(`${header}.${payload}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes)
  return genuine ? decode(payload) : undefined
}

/** What a token says of itself, unverified: only to decide whose it is. */
export function claimedIssuer(token: string): unknown {
  return decode(token.split('.')[1] ?? '')?.['iss']
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString())
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
