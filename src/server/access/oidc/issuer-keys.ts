// The public keys of one issuer: found by discovery, kept, and asked for again when a token names one that is not known. An issuer that is down
// delays nobody: whoever comes meanwhile is refused at once.
import type { JWTVerifyGetKey } from 'jose'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Calls } from '#server/access/outgoing-call.ts'
import { trimSlashes } from './authentication-configuration.ts'

/** What is said while there are none. */
export const UNINITIALIZED = 'oidc: authenticator'
const TIMEOUT_MS = 5000
/** Between one try and the next, whatever tokens come. */
const PAUSE_MS = 10_000
const MOST_KEYS = 500

export interface IssuerKeysContext {
  call: Calls
  clock: Clock
  log: Logger
}

export interface IssuerPlace {
  url: string
  discoveryURL?: string
  /** PEM. */
  certificateAuthority?: string
}

export class IssuerKeys {
  readonly #place: IssuerPlace
  readonly #context: IssuerKeysContext
  #keys: JWTVerifyGetKey | undefined
  #keysUrl: string | undefined
  #first: Promise<void> | undefined
  #loading: Promise<void> | undefined
  #triedAt = -Infinity

  constructor(place: IssuerPlace, context: IssuerKeysContext) {
    this.#place = place
    this.#context = context
  }

  /** The keys there are. Only the very first try is waited for. Throws when there are none yet. */
  async present(): Promise<JWTVerifyGetKey> {
    this.#first ??= this.load()
    if (!this.#keys) await this.#first
    if (this.#keys) return this.#keys
    void this.load()
    throw new Error(`${UNINITIALIZED} for issuer ${JSON.stringify(this.#place.url)} is not initialized`)
  }

  /** Asks the issuer again unless it was asked a moment ago. Never rejects: what failed is logged. */
  load(): Promise<void> {
    if (this.#loading) return this.#loading
    const now = this.#context.clock.monotonic()
    if (now - this.#triedAt < PAUSE_MS) return Promise.resolve()
    this.#triedAt = now
    this.#loading = this.#fetch()
      .catch((error: unknown) => this.#context.log.warn('keys of a token issuer could not be read', { issuer: this.#place.url, error }))
      .finally(() => {
        this.#loading = undefined
      })
    return this.#loading
  }

  async #fetch(): Promise<void> {
    this.#keysUrl ??= await this.#discover()
    const document = await this.#get(this.#keysUrl)
    const { keys } = document as { keys?: unknown }
    if (!Array.isArray(keys) || keys.length > MOST_KEYS) throw new Error('the key set holds no list of keys, or too many')
    const { createLocalJWKSet } = await import('jose')
    this.#keys = createLocalJWKSet({ keys })
  }

  async #discover(): Promise<string> {
    const { url, discoveryURL } = this.#place
    const { issuer, jwks_uri: keysUrl } = (await this.#get(discoveryURL ?? `${trimSlashes(url)}/.well-known/openid-configuration`)) as {
      issuer?: unknown
      jwks_uri?: unknown
    }
    if (issuer !== url)
      throw new Error(
        `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(issuer)}`,
      )
    if (typeof keysUrl !== 'string' || !URL.canParse(keysUrl) || new URL(keysUrl).protocol !== 'https:')
      throw new Error('oidc: the discovery document names no https address of keys')
    return keysUrl
  }

  async #get(url: string): Promise<unknown> {
    const { certificateAuthority } = this.#place
    const { status, body } = await this.#context.call({
      url,
      method: 'GET',
      headers: { accept: 'application/json' },
      timeoutMs: TIMEOUT_MS,
      ...(certificateAuthority ? { ca: certificateAuthority } : {}),
    })
    if (status !== 200) throw new Error(`${url} answered ${status}`)
    const value: unknown = JSON.parse(body.toString())
    if (typeof value !== 'object' || value === null) throw new Error(`${url} answered no object`)
    return value
  }
}
