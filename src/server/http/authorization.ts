// Whether the user may do it, and the words of refusal clients know.
import { forbiddenError, StatusError } from '#api/status.ts'
import type { Authorizer, RequestAttributes } from '#server/request.ts'
import type { Call, Link } from './call.ts'

export function authorize(authorizer: Authorizer | undefined): Link {
  return (call, next) => {
    if (authorizer) {
      const attributes = attributesOf(call)
      const { allowed, reason } = authorizer.authorize(attributes)
      if (!allowed) throw forbidden(attributes, reason)
    }
    return next()
  }
}

export function attributesOf({ info, user }: Call): RequestAttributes {
  return { ...info, user }
}

export function forbidden(attributes: RequestAttributes, reason: string): StatusError {
  const { user, verb, group, resource, subresource, namespace, name } = attributes
  const why = reason ? `: ${reason}` : ''
  if (!attributes.isResourceRequest) {
    const message = `forbidden: User ${JSON.stringify(user.username)} cannot ${verb} path ${JSON.stringify(attributes.path)}${why}`
    return new StatusError('Forbidden', message, { details: {} })
  }
  const full = JSON.stringify(subresource ? `${resource}/${subresource}` : resource)
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope'
  const what = `User ${JSON.stringify(user.username)} cannot ${verb} resource ${full} in API group ${JSON.stringify(group)} ${where}${why}`
  return forbiddenError({ group, plural: resource }, name, what)
}
