// What `authorizer` answers expressions of one request. Answers are kept; one that has to be waited for interrupts the evaluation, which starts
// over once it is there.
import type { AuthorizationAnswer, AuthorizationQuestion, Authorize } from '#api/cel/authorizer-library.ts'
import type { UserInfo } from '#client/client.ts'
import { Pace } from '#lib/paced.ts'
import type { Authorizer, Decision, RequestAttributes } from '#server/request.ts'

/** Cost of expressions before others have a turn: some ten milliseconds. */
const EVALUATION_SLICE = 1_000_000

class Waiting extends Error {
  readonly answer: Promise<void>

  constructor(answer: Promise<void>) {
    super('an authorizer has to be waited for')
    this.answer = answer
  }
}

export class Authorizations {
  readonly #authorizer: Authorizer | undefined
  readonly #user: UserInfo
  readonly #pace = new Pace(EVALUATION_SLICE)
  readonly #answers = new Map<string, AuthorizationAnswer>()

  constructor(authorizer: Authorizer | undefined, user: UserInfo) {
    this.#authorizer = authorizer
    this.#user = user
  }

  readonly authorize: Authorize = (question) => {
    const key = JSON.stringify(question)
    const known = this.#answers.get(key)
    if (known) return known
    const keep = (answer: AuthorizationAnswer) => {
      this.#answers.set(key, answer)
      return answer
    }
    // Without authorisation everybody may do everything.
    if (!this.#authorizer) return keep({ allowed: true, reason: '' })
    const decision = this.#authorizer.authorize(attributesOf(question, this.#user))
    if (!(decision instanceof Promise)) return keep(answerOf(decision))
    throw new Waiting(
      decision.then(
        (settled) => void keep(answerOf(settled)),
        (error: unknown) => void keep({ allowed: false, reason: '', error: String(error) }),
      ),
    )
  }

  /** Runs `evaluate` until nothing it asks has to be waited for, giving way to others meanwhile. It must do nothing but compute. */
  async settled<T>(evaluate: () => Generator<number, T>): Promise<T> {
    for (;;) {
      try {
        return await this.#pace.run(evaluate())
      } catch (error) {
        if (!(error instanceof Waiting)) throw error
        await error.answer
      }
    }
  }
}

const answerOf = ({ allowed, reason, error }: Decision): AuthorizationAnswer => ({ allowed, reason, ...(error ? { error } : {}) })

function attributesOf(question: AuthorizationQuestion, user: UserInfo): RequestAttributes {
  const { verb, path, group = '', version = '*', resource = '', subresource = '', namespace = '', name = '' } = question
  const { fieldSelector, labelSelector, serviceAccount } = question
  return {
    user: serviceAccount ? accountUser(serviceAccount) : user,
    verb,
    isResourceRequest: path === undefined,
    path: path ?? '',
    group,
    version: path === undefined ? version : '',
    resource,
    subresource,
    namespace,
    name,
    ...(fieldSelector ? { fieldSelector } : {}),
    ...(labelSelector ? { labelSelector } : {}),
  }
}

const accountUser = ({ namespace, name }: { namespace: string; name: string }): UserInfo => ({
  username: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
})
