// A claim that a token leaves to others to tell (OpenID Connect Core, 5.6.2): asked for at the endpoint the token names, believed if its own issuer
// signed it for us. Only the claim that is configured is resolved. Claims that come along in the token itself (aggregated ones) are not looked into,
// as upstream does not.
import { getOwn, isObject } from '#api/clone.ts'
import { LruMap } from '#lib/lru-map.ts'
import { claimedIssuer } from '#server/access/web-token.ts'
import { type Claims, verifyIssued } from './issued-token.ts'
import { IssuerKeys, type IssuerKeysContext } from './issuer-keys.ts'

const TIMEOUT_MS = 10_000
const MOST_ISSUERS = 32

export interface DistributedClaimsOptions {
  /** The one that may be elsewhere. */
  claim: string
  audiences: readonly string[]
  algorithms: readonly string[] | undefined
  /** PEM; trusted for endpoints and for those who sign what they say. */
  certificateAuthority?: string
}

interface Endpoint {
  url: string
  accessToken: string
}

export class DistributedClaims {
  readonly #options: DistributedClaimsOptions
  readonly #context: IssuerKeysContext
  readonly #issuers = new LruMap<string, IssuerKeys>(MOST_ISSUERS)

  constructor(options: DistributedClaimsOptions, context: IssuerKeysContext) {
    this.#options = options
    this.#context = context
  }

  /** The claims with the one that was elsewhere among them. Throws an Error saying why it could not be had. */
  async expanded(claims: Claims): Promise<Claims> {
    const { claim } = this.#options
    const endpoint = Object.hasOwn(claims, claim) ? undefined : endpointOf(claims, claim)
    if (!endpoint) return claims
    const token = await this.#ask(endpoint).catch((cause: Error) => {
      throw new Error(`while getting distributed claim ${JSON.stringify(claim)}: ${cause.message}`, { cause })
    })
    const issuer = claimedIssuer(token)
    if (typeof issuer !== 'string' || !URL.canParse(issuer))
      throw new Error(`getting untrusted issuer from endpoint ${endpoint.url} failed for claim ${JSON.stringify(claim)}: no issuer in it`)
    const { audiences, algorithms } = this.#options
    const now = this.#context.clock.now()
    const told = await verifyIssued(token, { issuer, keys: this.#keysOf(issuer), audiences, algorithms, now }).catch((cause: Error) => {
      throw new Error(`verify distributed claim token: ${cause.message}`, { cause })
    })
    if (!Object.hasOwn(told, claim))
      throw new Error(`jwt returned by distributed claim endpoint ${JSON.stringify(endpoint.url)} did not contain claim: ${claim}`)
    return { ...claims, [claim]: told[claim] }
  }

  async #ask({ url, accessToken }: Endpoint): Promise<string> {
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new Error(`${JSON.stringify(url)} is no https address`)
    const { certificateAuthority: ca } = this.#options
    const headers: Record<string, string> = accessToken ? { authorization: `Bearer ${accessToken}` } : {}
    const { status, body } = await this.#context.call({ url, method: 'GET', headers, timeoutMs: TIMEOUT_MS, ...(ca ? { ca } : {}) })
    if (status < 200 || status > 226) throw new Error(`error while getting distributed claim JWT: ${status}`)
    return body.toString().trim()
  }

  #keysOf(url: string): IssuerKeys {
    const known = this.#issuers.get(url)
    if (known) return known
    const { certificateAuthority } = this.#options
    const keys = new IssuerKeys({ url, ...(certificateAuthority ? { certificateAuthority } : {}) }, this.#context)
    this.#issuers.set(url, keys)
    return keys
  }
}

/** undefined where the claim is nowhere else. */
function endpointOf(claims: Claims, claim: string): Endpoint | undefined {
  const names = getOwn(claims, '_claim_names')
  if (names === undefined) return undefined
  if (!isObject(names) || Object.values(names).some((name) => typeof name !== 'string'))
    throw new Error('oidc: error parsing distributed claim names: they are no texts by name')
  const sources = getOwn(claims, '_claim_sources')
  if (sources === undefined) throw new Error('oidc: no claim sources')
  if (!isObject(sources)) throw new Error('oidc: could not parse claim sources: they are no object')
  const name = getOwn(names, claim) as string | undefined
  if (name === undefined) return undefined
  const source = getOwn(sources, name)
  if (source === undefined) throw new Error(`id token _claim_names contained a source ${name} missing in _claims_sources`)
  const { endpoint: url = '', access_token: accessToken = '' } = isObject(source) ? source : {}
  if (!isObject(source) || typeof url !== 'string' || typeof accessToken !== 'string')
    throw new Error('oidc: could not parse claim sources: endpoint and access_token are texts')
  return url === '' ? undefined : { url, accessToken }
}
