// Whether the user may do it.
import { annotateDecision, refusal } from '#server/access/authorizers.ts'
import type { Authorizer, Decision, RequestAttributes } from '#server/request.ts'
import type { Call, Link } from './call.ts'
import { answerInternalError } from './plain-refusal.ts'

export function authorize(authorizer: Authorizer | undefined): Link {
  if (!authorizer) return (call, next) => next(call)
  return (call, next) => {
    const attributes = attributesOf(call)
    const decision = authorizer.authorize(attributes)
    const settle = (settled: Decision) => {
      if (call.audit) annotateDecision(settled, (key, value) => call.annotations.set(key, value))
      if (settled.allowed) return next(call)
      if (!settled.error) throw refusal(attributes, settled.reason)
      answerInternalError(call, settled.error)
      return Promise.resolve()
    }
    return decision instanceof Promise ? decision.then(settle) : settle(decision)
  }
}

export function attributesOf({ info, user }: Call): RequestAttributes {
  return { ...info, user }
}
