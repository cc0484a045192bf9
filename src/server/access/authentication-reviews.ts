// "Who is this?": reviews of authentication.k8s.io, of a token or of oneself.
import { SelfSubjectReview } from '#api/kinds/authentication/self-subject-review.ts'
import { TokenReview } from '#api/kinds/authentication/token-review.ts'
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { SubresourceHandler } from '#server/request.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

export function authenticationReviews(tokens: ServiceAccountTokens): SubresourceHandler[] {
  return [
    {
      kind: SelfSubjectReview,
      subresource: '',
      async create({ object, attributes }) {
        return { ...object, status: { userInfo: spelled(attributes.user) } } as SelfSubjectReview
      },
    },
    {
      kind: TokenReview,
      subresource: '',
      async create({ object }) {
        const review = object as TokenReview
        if (!review.spec?.token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication')
        return { ...review, status: statusOf(tokens, review.spec) }
      },
    },
  ]
}

function statusOf(tokens: ServiceAccountTokens, { token = '', audiences: wanted = [] }: TokenReview['spec']): TokenReview['status'] {
  try {
    const { user, audiences } = tokens.verify(token, wanted.length > 0 ? wanted : tokens.audiences)
    return { authenticated: true, user: spelled(user), audiences }
  } catch (error) {
    return { user: {}, error: `[invalid bearer token, ${(error as Error).message}]` }
  }
}

function spelled({ username, uid, groups, extra }: UserInfo) {
  return { username, ...(uid ? { uid } : {}), groups: [...groups], ...(extra && Object.keys(extra).length > 0 ? { extra } : {}) }
}
