// "Who is this?": reviews of authentication.k8s.io, of a token or of oneself.
import { SelfSubjectReview } from '#api/kinds/authentication/self-subject-review.ts'
import { TokenReview } from '#api/kinds/authentication/token-review.ts'
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import type { SubresourceHandler } from '#server/request.ts'
import { authenticateToken, type TokenAuthenticator } from './token-authenticators.ts'

export interface TokenKnowledge {
  authenticators(): readonly TokenAuthenticator[]
  /** Audiences that stand for this API server. */
  audiences: readonly string[]
}

export function authenticationReviews(tokens: TokenKnowledge, clock: Clock): SubresourceHandler[] {
  return [
    {
      kind: SelfSubjectReview,
      subresource: '',
      async create({ object, attributes }) {
        const { apiVersion, kind } = object!
        const metadata = { creationTimestamp: formatTime(clock.now()) }
        return { apiVersion, kind, metadata, status: { userInfo: spelled(attributes.user) } } as SelfSubjectReview
      },
    },
    {
      kind: TokenReview,
      subresource: '',
      async create({ object }) {
        const review = object as TokenReview
        if (!review.spec?.token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication')
        return { ...review, status: await statusOf(tokens, review.spec) }
      },
    },
  ]
}

async function statusOf(
  { authenticators, audiences: own }: TokenKnowledge,
  { token = '', audiences: wanted = [] }: TokenReview['spec'],
): Promise<TokenReview['status']> {
  try {
    const { user, audiences } = await authenticateToken(authenticators(), token, wanted.length > 0 ? wanted : own)
    return { authenticated: true, user: spelled(user), audiences }
  } catch (error) {
    return { user: {}, error: (error as Error).message }
  }
}

function spelled({ username, uid, groups, extra }: UserInfo) {
  return { username, ...(uid ? { uid } : {}), groups: [...groups], ...(extra && Object.keys(extra).length > 0 ? { extra } : {}) }
}
