// Whether the user may do it.
import { assertAllowed } from '#server/access/authorizers.ts'
import type { Authorizer, RequestAttributes } from '#server/request.ts'
import type { Call, Link } from './call.ts'

export function authorize(authorizer: Authorizer | undefined): Link {
  return (call, next) => {
    const annotate = call.audit && ((key: string, value: string) => call.annotations.set(key, value))
    const pending = authorizer && assertAllowed(authorizer, attributesOf(call), annotate)
    return pending ? pending.then(() => next(call)) : next(call)
  }
}

export function attributesOf({ info, user }: Call): RequestAttributes {
  return { ...info, user }
}
