// Those who know bearer tokens, asked one after the other. A token that one of them calls bad may still be good for the next.
import type { UserInfo } from '#client/client.ts'

export interface TokenAnswer {
  user: UserInfo
  /** Those of the audiences asked for that the token is good for. */
  audiences: string[]
  /** What whoever uses it should know. */
  warning?: string
  /** Of the audit event. */
  annotations?: Readonly<Record<string, string>>
}

export interface TokenAuthenticator {
  /** undefined: not mine. Throws an Error that says why: mine, and bad. */
  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | undefined | Promise<TokenAnswer | undefined>
}

/** Why a token is bad, where its use is worth noting all the same. */
export class BadToken extends Error {
  readonly annotations: Readonly<Record<string, string>>

  constructor(message: string, annotations: Readonly<Record<string, string>> = {}) {
    super(message)
    this.annotations = annotations
  }
}

const LONGEST_TOKEN = 16 * 1024

/** The first that knows the token answers; when none does, an Error tells what each had against it. */
export async function authenticateToken(
  authenticators: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
): Promise<TokenAnswer> {
  const reasons: string[] = []
  const annotations: Record<string, string> = {}
  for (const authenticator of token.length <= LONGEST_TOKEN ? authenticators : []) {
    try {
      const asked = authenticator.authenticateToken(token, audiences)
      const answer = asked instanceof Promise ? await asked : asked
      if (answer) return answer
    } catch (error) {
      reasons.push((error as Error).message)
      if (error instanceof BadToken) Object.assign(annotations, error.annotations)
    }
  }
  throw new BadToken(reasons.length > 0 ? `[${['invalid bearer token', ...reasons].join(', ')}]` : 'invalid bearer token', annotations)
}

/** Who does not know audiences vouches for those of this API server alone. */
export function forAudiences(
  audiences: readonly string[],
  authenticate: (token: string) => UserInfo | undefined | Promise<UserInfo | undefined>,
): TokenAuthenticator {
  return {
    async authenticateToken(token, wanted) {
      const shared = audiences.filter((audience) => wanted.includes(audience))
      const user = shared.length > 0 ? await authenticate(token) : undefined
      return user && { user, audiences: shared }
    },
  }
}
