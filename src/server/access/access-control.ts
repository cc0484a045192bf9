// Who may come in, and do what: every authenticator and authorizer of a cluster put together, in upstream's order, from what the operator chose.
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import type { Clock } from '#lib/clock.ts'
import { defaultRules } from '#server/bootstrap/rbac.ts'
import { Outgoing } from '#server/outgoing/outgoing.ts'
import type { Authenticator, Authorizer, ServerContext } from '#server/request.ts'
import { abacAuthorizer, type parsePolicies } from './abac.ts'
import { bearerTokens, clientCertificates, openToAnyone } from './authenticators.ts'
import type { TokenKnowledge } from './authentication-reviews.ts'
import { allowGroup, alwaysAllow, alwaysDeny, firstOpinion } from './authorizers.ts'
import { bootstrapTokens } from './bootstrap-tokens.ts'
import { LegacyTokens } from './legacy-tokens.ts'
import { nodeAuthorizer } from './node-authorizer.ts'
import { NodeGraph } from './node-graph.ts'
import { callsThrough } from './outgoing-call.ts'
import { RbacAuthorizer } from './rbac-authorizer.ts'
import { RbacIndex } from './rbac-index.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'
import { Strangers, type StrangersSource } from './oidc/strangers.ts'
import { forAudiences, type TokenAuthenticator } from './token-authenticators.ts'
import type { SigningKey } from './web-token.ts'
import type { AuthorizerChoice } from './webhooks/authorization-configuration.ts'
import { tokenWebhook, type TokenWebhookOptions } from './webhooks/token-webhook.ts'
import { webhookAuthorizer } from './webhooks/webhook-authorizer.ts'

/** What an operator may choose; all of it checked before. */
export interface AccessOptions {
  /** The first issues tokens of service accounts, all are believed. */
  serviceAccountIssuers?: readonly [string, ...string[]]
  serviceAccountJwksUri?: string
  /** Keys whose tokens are believed beside those of the key that signs. */
  believedKeys?: readonly KeyObject[]
  /** Absent: the issuers. */
  apiAudiences?: readonly string[]
  /** The longest that a requested token lives; absent: as long as it is asked for. */
  maxTokenSeconds?: number
  /** Whether tokens of projected volumes outlive what was asked for; absent: they do. */
  extendTokens?: boolean
  /** Whether anyone may ask for anything, as nobody in particular; absent: for health and version alone. */
  anonymous?: boolean
  /** Absent: Node, then RBAC. */
  authorizers?: readonly AuthorizerChoice[]
  abacPolicies?: ReturnType<typeof parsePolicies>
  tokenWebhook?: Pick<TokenWebhookOptions, 'place' | 'version' | 'cacheTtlMs'>
  /** Issuers of other tokens, and who may ask without any. */
  strangers?: StrangersSource
}

export interface AccessControl {
  authenticators: readonly Authenticator[]
  /** Whether a path may be asked for by nobody in particular. */
  anonymous(path: string): boolean
  authorizer: Authorizer
  rbac: RbacAuthorizer
  index(): RbacIndex
  tokens: ServiceAccountTokens
  issuer: string
  /** All whose tokens are believed. */
  publicKeys: readonly KeyObject[]
  knowledge: TokenKnowledge
  /** What decisions are made from is read before anybody waits for one. */
  prepare(): Promise<void>
  run(signal: AbortSignal): Promise<void>
}

export interface AccessContext {
  key: SigningKey
  /** Of service-account tokens unless chosen otherwise. */
  issuer: string
  /** Outside it is always this late, whatever time the cluster keeps. */
  outsideClock: Clock
  options?: AccessOptions
}

export function accessControl(context: ServerContext, { key, issuer, outsideClock, options = {} }: AccessContext): AccessControl {
  const { reader, writer, clock, random, log } = context
  const issuers = options.serviceAccountIssuers ?? [issuer]
  const audiences = options.apiAudiences ?? issuers
  const outgoing = new Outgoing({ reader, random, clock: outsideClock })
  const outside = { call: callsThrough(outgoing), clock: outsideClock, log }

  const believed = believedKeys(key, options)
  const tokens = new ServiceAccountTokens({ key, believed, issuers, audiences, reader, clock, random })
  const legacy = new LegacyTokens({ key, believed, audiences, reader, writer, clock, log })
  const strangers = new Strangers(options.strangers ?? {}, outside)
  const known: TokenAuthenticator[] = [
    legacy,
    tokens,
    forAudiences(audiences, bootstrapTokens({ reader, clock })),
    forAudiences(audiences, (token) => strangers.authenticate(token)),
    ...(options.tokenWebhook ? [tokenWebhook({ ...options.tokenWebhook, ...outside, audiences })] : []),
  ]

  const index = lazily(() => new RbacIndex(reader))
  const rbac = new RbacAuthorizer(index)
  const graph = lazily(() => new NodeGraph(reader))
  const chosen = (options.authorizers ?? [{ type: 'Node' }, { type: 'RBAC' }]).map((choice): Authorizer => {
    if (choice.type === 'Webhook') return webhookAuthorizer(choice.webhook, outside)
    if (choice.type === 'Node') return nodeAuthorizer(graph, defaultRules('system:node'))
    if (choice.type === 'ABAC') return abacAuthorizer(options.abacPolicies ?? [])
    return { RBAC: rbac, AlwaysAllow: alwaysAllow, AlwaysDeny: alwaysDeny }[choice.type]
  })
  return {
    authenticators: [clientCertificates(), bearerTokens(() => known, audiences)],
    anonymous: (path) => strangers.anonymous(path) ?? options.anonymous ?? openToAnyone(path),
    authorizer: firstOpinion([allowGroup('system:masters'), ...chosen]),
    rbac,
    index,
    tokens,
    issuer: issuers[0],
    publicKeys: believed,
    knowledge: { authenticators: () => known, audiences },
    async prepare() {
      if (chosen.includes(rbac)) await index().load()
    },
    async run(signal) {
      using _connections = outgoing
      await strangers.run(signal)
      if (!signal.aborted) await once(signal, 'abort')
    },
  }
}

/** The key that signs first; each once. */
function believedKeys({ publicKey }: SigningKey, { believedKeys: others = [] }: AccessOptions): KeyObject[] {
  const keys = [publicKey, ...others]
  return keys.filter((key, index) => keys.findIndex((one) => one.equals(key)) === index)
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
