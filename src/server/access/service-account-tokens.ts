// Tokens of service accounts: issued bound to what they are for, good only while that exists. Verified signatures are remembered, existence never is.
import type { KeyObject } from 'node:crypto'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import type { KubeObject } from '#api/object.ts'
import { notFoundError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Random } from '#lib/random.ts'
import type { ObjectReader } from '#server/request.ts'
import { CREDENTIAL_ID } from './authenticators.ts'
import { quotedList } from './policy-rules.ts'
import type { TokenAnswer } from './token-authenticators.ts'
import { claimedIssuer, readToken, type SigningKey, signToken } from './web-token.ts'

interface Named {
  name: string
  uid: string
}

/** Upstream's private claim. */
interface KubernetesClaims {
  namespace: string
  serviceaccount: Named
  pod?: Named
  node?: { name: string; uid?: string }
  secret?: Named
  warnafter?: number
}

interface Claims {
  iss: string
  sub: string
  aud: string[]
  exp: number
  iat: number
  nbf: number
  jti: string
  'kubernetes.io': KubernetesClaims
}

export interface IssueOptions {
  /** What the token is known by. */
  id?: string
  account: ServiceAccount
  audiences: readonly string[]
  expiresInSeconds: number
  /** Seconds after which a client should have fetched a new one, where that is before the token expires. */
  warnAfterSeconds?: number
  pod?: Named
  node?: { name: string; uid?: string }
  secret?: Named
}

/** A deleted account or pod is good for so long, to finish its work. */
const DELETION_LEEWAY_MS = 60_000
const REMEMBERED_TOKENS = 4096
const LONGEST_TOKEN = 16 * 1024

export interface TokenContext {
  key: SigningKey
  /** All whose tokens are believed; absent: that key alone. */
  believed?: readonly KeyObject[] | undefined
  /** The first issues, all are believed. */
  issuers: readonly [string, ...string[]]
  /** Absent: the issuers. */
  audiences?: readonly string[]
  reader: ObjectReader
  clock: Clock
  random: Random
}

export class ServiceAccountTokens {
  #context: TokenContext
  #verified = new LruMap<string, Claims>(REMEMBERED_TOKENS)

  constructor(context: TokenContext) {
    this.#context = context
  }

  /** Audiences that stand for this API server. */
  get audiences(): readonly string[] {
    return this.#context.audiences ?? this.#context.issuers
  }

  issue({
    id = this.#context.random.uuid(),
    account,
    audiences,
    expiresInSeconds,
    warnAfterSeconds,
    pod,
    node,
    secret,
  }: IssueOptions): string {
    const { key, issuers, clock } = this.#context
    const now = Math.floor(clock.now() / 1000)
    const { namespace = '', name = '', uid = '' } = account.metadata ?? {}
    const claims: Claims = {
      aud: [...audiences],
      exp: now + expiresInSeconds,
      iat: now,
      iss: issuers[0],
      jti: id,
      'kubernetes.io': {
        namespace,
        ...(node ? { node } : {}),
        ...(pod ? { pod } : {}),
        ...(secret ? { secret } : {}),
        serviceaccount: { name, uid },
        ...(warnAfterSeconds === undefined ? {} : { warnafter: now + warnAfterSeconds }),
      },
      nbf: now,
      sub: `system:serviceaccount:${namespace}:${name}`,
    }
    return signToken(claims, key)
  }

  /** Whether a token says it comes from here. */
  claims(token: string): boolean {
    return token.length <= LONGEST_TOKEN && this.#context.issuers.includes(claimedIssuer(token) as string)
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | undefined {
    return this.#verified.get(token) || this.claims(token) ? this.verify(token, audiences) : undefined
  }

  /** The account's user and those of `audiences` the token is for; throws an Error saying why not. */
  verify(token: string, audiences: readonly string[] = this.audiences): TokenAnswer {
    const claims = this.#genuine(token)
    const shared = audiences.filter((audience) => claims.aud.includes(audience))
    if (shared.length === 0)
      throw new Error(`token audiences ${quotedList(claims.aud)} is invalid for the target audiences ${quotedList(audiences)}`)
    this.#assertCurrent(claims)
    const { warnafter } = claims['kubernetes.io']
    const late = warnafter ? Math.floor(this.#context.clock.now() / 1000) - warnafter : 0
    const stale = `subject: ${claims.sub}, seconds after warning threshold: ${late}`
    return {
      user: userOf(claims),
      audiences: shared,
      ...(late > 0 ? { annotations: { 'authentication.k8s.io/stale-token': stale } } : {}),
    }
  }

  #genuine(token: string): Claims {
    const known = this.#verified.get(token)
    if (known) return known
    const claims = token.length <= LONGEST_TOKEN ? readToken(token, this.#context.believed ?? [this.#context.key.publicKey]) : undefined
    if (!claims || !this.#context.issuers.includes(claims['iss'] as string) || !wellFormed(claims)) throw new Error('invalid bearer token')
    this.#verified.set(token, claims)
    return claims
  }

  #assertCurrent(claims: Claims): void {
    const { reader, clock } = this.#context
    const now = clock.now()
    if (now / 1000 >= claims.exp) throw new Error('service account token has expired')
    if (now / 1000 < claims.nbf - 60) throw new Error('service account token is not valid yet')
    const { namespace, serviceaccount, pod, node, secret } = claims['kubernetes.io']
    const account = reader.get(ServiceAccount, { namespace, name: serviceaccount.name })
    if (!account) throw notFoundError(ServiceAccount, serviceaccount.name)
    if (wentLongAgo(account, now)) throw new Error(`service account ${namespace}/${serviceaccount.name} has been deleted`)
    if (account.metadata?.uid !== serviceaccount.uid)
      throw new Error(`service account UID (${account.metadata?.uid}) does not match claim (${serviceaccount.uid})`)
    const same = (what: string, { uid }: Partial<Named>, object: KubeObject | undefined) => {
      if (!object || wentLongAgo(object, now)) throw new Error('service account token has been invalidated')
      if (object.metadata?.uid !== uid)
        throw new Error(`${what} UID (${object.metadata?.uid}) does not match service account ${what} ref claim (${uid})`)
    }
    if (secret) same('secret', secret, reader.get(Secret, { namespace, name: secret.name }))
    if (pod) same('pod', pod, reader.get(Pod, { namespace, name: pod.name }))
    else if (node) same('node', node, reader.get(Node, { name: node.name }))
  }
}

function wentLongAgo({ metadata }: KubeObject, now: number): boolean {
  const deleted = metadata?.deletionTimestamp
  return deleted !== undefined && Date.parse(deleted) + DELETION_LEEWAY_MS < now
}

function wellFormed(claims: Record<string, unknown>): claims is Record<string, unknown> & Claims {
  const own = claims['kubernetes.io'] as KubernetesClaims | undefined
  return (
    Array.isArray(claims['aud']) &&
    typeof claims['exp'] === 'number' &&
    typeof claims['nbf'] === 'number' &&
    typeof own?.namespace === 'string' &&
    typeof own.serviceaccount?.name === 'string' &&
    claims['sub'] === `system:serviceaccount:${own.namespace}:${own.serviceaccount.name}`
  )
}

function userOf({ sub, jti, 'kubernetes.io': { namespace, serviceaccount, pod, node } }: Claims): UserInfo {
  const extra: Record<string, string[]> = { [CREDENTIAL_ID]: [`JTI=${jti}`] }
  const add = (what: string, named: { name: string; uid?: string } | undefined) => {
    if (!named) return
    extra[`authentication.kubernetes.io/${what}-name`] = [named.name]
    if (named.uid !== undefined) extra[`authentication.kubernetes.io/${what}-uid`] = [named.uid]
  }
  add('node', node)
  add('pod', pod)
  return { username: sub, uid: serviceaccount.uid, groups: serviceAccountGroups(namespace), extra }
}

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
}
