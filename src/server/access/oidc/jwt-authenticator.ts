// Tokens of one stranger: verified by its keys, then made a user by the rules configured for it. Only what a rule names becomes part of the user.
import { isObject } from '#api/clone.ts'
import type { CelProgram } from '#api/cel/environment.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import { LruMap } from '#lib/lru-map.ts'
import { CREDENTIAL_ID } from '#server/access/authenticators.ts'
import { claimedIssuer } from '#server/access/web-token.ts'
import type { JwtAuthenticatorRules } from './authentication-configuration.ts'
import type { DistributedClaims } from './distributed-claims.ts'
import { type Claims, verifyIssued } from './issued-token.ts'
import { type IssuerKeys, UNINITIALIZED } from './issuer-keys.ts'

const REMEMBERED_TOKENS = 4096
/** A token read once is not read again for so long. */
const REMEMBER_MS = 10_000

export class JwtAuthenticator {
  readonly #rules: JwtAuthenticatorRules
  readonly #keys: IssuerKeys
  readonly #clock: Clock
  readonly #distributed: DistributedClaims | undefined
  readonly #known = new LruMap<string, { user: UserInfo; until: number }>(REMEMBERED_TOKENS)

  constructor(
    rules: JwtAuthenticatorRules,
    { keys, clock, distributed }: { keys: IssuerKeys; clock: Clock; distributed?: DistributedClaims | undefined },
  ) {
    this.#rules = rules
    this.#keys = keys
    this.#clock = clock
    this.#distributed = distributed
  }

  /** undefined: of another issuer. Throws an Error saying why not. */
  async authenticate(token: string): Promise<UserInfo | undefined> {
    const now = this.#clock.now()
    const known = this.#known.get(token)
    if (known && now < known.until) return known.user
    if (claimedIssuer(token) !== this.#rules.config.issuer.url) return undefined
    const claims = await this.#expanded(await this.#verified(token))
    const user = userOf(claims, this.#rules)
    this.#known.set(token, { user, until: Math.min(now + REMEMBER_MS, claims.exp! * 1000) })
    return user
  }

  async #verified(token: string): Promise<Claims> {
    const { issuer, signingAlgorithms: algorithms } = this.#rules.config
    const now = this.#clock.now()
    const by = { issuer: issuer.url, keys: this.#keys, audiences: issuer.audiences ?? [], algorithms, now }
    return verifyIssued(token, by).catch((cause: Error) => {
      throw cause.message.startsWith(UNINITIALIZED) ? cause : new Error(`oidc: verify token: ${cause.message}`, { cause })
    })
  }

  async #expanded(claims: Claims): Promise<Claims> {
    return this.#distributed
      ? this.#distributed.expanded(claims).catch((cause: Error) => {
          throw new Error(`oidc: could not expand distributed claims: ${cause.message}`, { cause })
        })
      : claims
  }
}

function userOf(claims: Claims, rules: JwtAuthenticatorRules): UserInfo {
  const { config, claimRules, userRules } = rules
  for (const { claim, requiredValue = '' } of config.claimValidationRules ?? []) {
    if (!claim) continue
    if (!Object.hasOwn(claims, claim)) throw new Error(`oidc: required claim ${claim} not present in ID token`)
    if (typeof claims[claim] !== 'string') throw new Error(`oidc: parse claim ${claim}: it is no text`)
    if (claims[claim] !== requiredValue)
      throw new Error(`oidc: required claim ${claim} value does not match. Got = ${claims[claim]}, want = ${requiredValue}`)
  }
  for (const rule of claimRules)
    if (evaluate(rule.program, { claims }, 'claim validation') !== true)
      throw new Error(
        `oidc: error evaluating claim validation expression: validation expression '${rule.expression}' failed: ${rule.message}`,
      )
  const uid = uidOf(claims, rules)
  const extra = extraOf(claims, rules)
  const user: UserInfo = {
    username: usernameOf(claims, rules),
    groups: groupsOf(claims, rules),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
  for (const rule of userRules)
    if (evaluate(rule.program, { user: { uid: '', extra: {}, ...user } }, 'user info validation') !== true)
      throw new Error(
        `oidc: error evaluating user info validation rule: validation expression '${rule.expression}' failed: ${rule.message}`,
      )
  return user
}

function usernameOf(claims: Claims, { config, username: program }: JwtAuthenticatorRules): string {
  if (program) {
    const value = evaluate(program, { claims }, 'username claim')
    if (typeof value !== 'string')
      throw new Error('oidc: error evaluating username claim expression: username claim expression must return a string')
    if (value === '') throw new Error('oidc: username expression evaluated to an empty string')
    return value
  }
  const { claim = '', prefix = '' } = config.claimMappings?.username ?? {}
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  if (typeof value !== 'string') throw new Error(`oidc: parse username claims ${JSON.stringify(claim)}: claim not present`)
  if (claim === 'email' && Object.hasOwn(claims, 'email_verified') && claims['email_verified'] !== true)
    throw new Error('oidc: email not verified')
  if (value === '') throw new Error(`oidc: username claim ${JSON.stringify(claim)} is empty`)
  return prefix + value
}

function groupsOf(claims: Claims, { config, groups: program }: JwtAuthenticatorRules): string[] {
  if (program) return textsOf(evaluate(program, { claims }, 'groups claim'), 'groups claim')
  const { claim = '', prefix = '' } = config.claimMappings?.groups ?? {}
  if (!claim || !Object.hasOwn(claims, claim)) return []
  const value = claims[claim]
  const groups = Array.isArray(value) ? value : [value]
  if (!groups.every((group) => typeof group === 'string'))
    throw new Error(`oidc: parse groups claim ${JSON.stringify(claim)}: it is neither a text nor a list of texts`)
  return groups.map((group) => prefix + group)
}

function uidOf(claims: Claims, { config, uid: program }: JwtAuthenticatorRules): string {
  if (program) {
    const value = evaluate(program, { claims }, 'uid claim')
    if (typeof value !== 'string') throw new Error('oidc: error evaluating uid claim expression: uid claim expression must return a string')
    return value
  }
  const { claim } = config.claimMappings?.uid ?? {}
  if (!claim) return ''
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  if (typeof value !== 'string') throw new Error(`oidc: parse uid claim ${JSON.stringify(claim)}: claim not present`)
  return value
}

function extraOf(claims: Claims, { extra }: JwtAuthenticatorRules): Record<string, string[]> {
  const made: Record<string, string[]> = {}
  if (typeof claims.jti === 'string' && claims.jti !== '') made[CREDENTIAL_ID] = [`JTI=${claims.jti}`]
  for (const { key, program } of extra) {
    const texts = textsOf(evaluate(program, { claims }, 'extra claim'), 'extra claim')
    if (texts.length > 0) made[key] = texts
  }
  return made
}

/** A text or a list of them; empty ones count as absent. */
function textsOf(value: unknown, what: string): string[] {
  if (value === null || value === '') return []
  const texts = Array.isArray(value) ? value : [value]
  if (isObject(value) || !texts.every((one) => typeof one === 'string'))
    throw new Error(`oidc: error evaluating ${what} expression: expression must return a string or a list of strings`)
  return texts.filter((one) => one !== '')
}

function evaluate(program: CelProgram, variables: Record<string, unknown>, what: string): unknown {
  try {
    return program.evaluate(variables)
  } catch (error) {
    throw new Error(`oidc: error evaluating ${what} expression: ${(error as Error).message}`, { cause: error })
  }
}
