// Tokens without an end that live in Secrets of type kubernetes.io/service-account-token: good while the Secret holds them.
// Their use is noted on the Secret by day, so that those nobody uses can be found.
import { timingSafeEqual } from 'node:crypto'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { notFoundError } from '#api/status.ts'
import { TOKEN_INVALID_SINCE_LABEL, TOKEN_LAST_USED_LABEL } from '#api/well-known.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { ObjectReader, ObjectWriter } from '#server/request.ts'
import { serviceAccountGroups } from './service-account-tokens.ts'
import type { TokenAnswer, TokenAuthenticator } from './token-authenticators.ts'
import { claimedIssuer, readToken, type SigningKey, signToken } from './web-token.ts'

const ISSUER = 'kubernetes/serviceaccount'
const CLAIM = 'kubernetes.io/serviceaccount/'
const AUTO_GENERATED =
  'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.'
const REMEMBERED_TOKENS = 1024

interface Named {
  name: string
  uid: string
}

interface LegacyClaims {
  sub: string
  namespace: string
  secret: string
  account: Named
}

export function legacyToken(
  key: SigningKey,
  { namespace, account, secret }: { namespace: string; account: Named; secret: string },
): string {
  return signToken(
    {
      iss: ISSUER,
      [`${CLAIM}namespace`]: namespace,
      [`${CLAIM}secret.name`]: secret,
      [`${CLAIM}service-account.name`]: account.name,
      [`${CLAIM}service-account.uid`]: account.uid,
      sub: `system:serviceaccount:${namespace}:${account.name}`,
    },
    key,
  )
}

export interface LegacyTokenContext {
  key: SigningKey
  /** Of this API server: such tokens are for nobody else. */
  audiences: readonly string[]
  reader: ObjectReader
  writer: ObjectWriter
  clock: Clock
  log: Logger
}

export class LegacyTokens implements TokenAuthenticator {
  readonly #context: LegacyTokenContext
  readonly #verified = new LruMap<string, LegacyClaims>(REMEMBERED_TOKENS)

  constructor(context: LegacyTokenContext) {
    this.#context = context
  }

  authenticateToken(token: string, wanted: readonly string[]): TokenAnswer | undefined {
    if (!this.#verified.get(token) && claimedIssuer(token) !== ISSUER) return undefined
    const audiences = this.#context.audiences.filter((audience) => wanted.includes(audience))
    if (audiences.length === 0) return undefined
    const { sub, namespace, secret, account } = this.#genuine(token)
    const { secrets = [] } = this.#assertCurrent(token, { namespace, secret, account })
    return {
      user: { username: sub, uid: account.uid, groups: serviceAccountGroups(namespace) },
      audiences,
      annotations: { 'authentication.k8s.io/legacy-token': sub },
      // An account lists those Secrets that were made for it.
      ...(secrets.some(({ name }) => name === secret) ? { warning: AUTO_GENERATED } : {}),
    }
  }

  #genuine(token: string): LegacyClaims {
    const known = this.#verified.get(token)
    if (known) return known
    const claims = readToken(token, this.#context.key.publicKey)
    const said = (name: string) => (typeof claims?.[CLAIM + name] === 'string' ? (claims[CLAIM + name] as string) : '')
    const [namespace, secret, name] = [said('namespace'), said('secret.name'), said('service-account.name')]
    const sub = `system:serviceaccount:${namespace}:${name}`
    if (!claims || claims['iss'] !== ISSUER || !namespace || !secret || claims['sub'] !== sub) throw new Error('invalid bearer token')
    const read = { sub, namespace, secret, account: { name, uid: said('service-account.uid') } }
    this.#verified.set(token, read)
    return read
  }

  #assertCurrent(token: string, { namespace, secret: name, account }: Omit<LegacyClaims, 'sub'>): ServiceAccount {
    const { reader } = this.#context
    const secret = reader.get(Secret, { namespace, name })
    if (!secret || secret.metadata?.deletionTimestamp) throw new Error('service account token has been invalidated')
    const held = Buffer.from(secret.data?.['token'] ?? '', 'base64')
    const given = Buffer.from(token)
    if (held.length !== given.length || !timingSafeEqual(held, given)) throw new Error('service account token has been invalidated')
    const present = reader.get(ServiceAccount, { namespace, name: account.name })
    if (!present) throw notFoundError(ServiceAccount, account.name)
    if (present.metadata?.deletionTimestamp) throw new Error(`service account ${namespace}/${account.name} has been deleted`)
    if (present.metadata?.uid !== account.uid)
      throw new Error(`service account UID (${present.metadata?.uid}) does not match claim (${account.uid})`)
    if (secret.metadata?.labels?.[TOKEN_INVALID_SINCE_LABEL] !== undefined) throw new Error('service account token has been invalidated')
    this.#noteUse(secret)
    return present
  }

  /** Nobody waits for the note, and none is lost: the next use of the day writes it again. */
  #noteUse({ metadata }: Secret): void {
    const { clock, writer, log } = this.#context
    const today = new Date(clock.now()).toISOString().slice(0, 10)
    if (metadata?.labels?.[TOKEN_LAST_USED_LABEL] === today) return
    const key = { namespace: metadata!.namespace!, name: metadata!.name! }
    writer
      .modify(Secret, key, (secret) => {
        secret.metadata = { ...secret.metadata, labels: { ...secret.metadata?.labels, [TOKEN_LAST_USED_LABEL]: today } }
      })
      .catch((error: unknown) => log.warn('the use of a token could not be noted', { secret: `${key.namespace}/${key.name}`, error }))
  }
}
