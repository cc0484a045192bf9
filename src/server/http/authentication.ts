// Who asks: the first authenticator that knows the request says so; nobody's request is anonymous. Then, if asked for and allowed, as whom.
import { forbidden } from '#server/http/authorization.ts'
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { Authenticator, Authorizer, RequestAttributes } from '#server/request.ts'
import { ANONYMOUS, type Link } from './call.ts'

const AUTHENTICATED = 'system:authenticated'
const UNAUTHENTICATED = 'system:unauthenticated'

export function authenticate(authenticators: readonly Authenticator[]): Link {
  return async (call, next) => {
    const { headers, peer } = call.exchange
    const request = { headers, ...(peer.certificate ? { certificate: peer.certificate } : {}) }
    let user: UserInfo | undefined
    for (const authenticator of authenticators) {
      user = await authenticator.authenticate(request)
      if (user) break
    }
    if (!user && peer.badCertificate) throw unauthorized()
    call.user = user ? withAuthenticated(user) : ANONYMOUS
    return next()
  }
}

export function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized')
}

function withAuthenticated(user: UserInfo): UserInfo {
  const { groups } = user
  return groups.includes(AUTHENTICATED) || groups.includes(UNAUTHENTICATED) ? user : { ...user, groups: [...groups, AUTHENTICATED] }
}

const EXTRA = 'impersonate-extra-'
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/

export function impersonate(authorizer: Authorizer | undefined): Link {
  return (call, next) => {
    const { headers } = call.exchange
    const name = one(headers['impersonate-user'])
    const groups = many(headers['impersonate-group'])
    const uid = one(headers['impersonate-uid'])
    const extras = Object.entries(headers).filter(([header]) => header.startsWith(EXTRA))
    if (name === undefined) {
      if (groups.length === 0 && uid === undefined && extras.length === 0) return next()
      throw new StatusError(
        'InternalError',
        'Internal error occurred: requested impersonation of groups, uid or extra without impersonating a user',
      )
    }
    const check = (asked: Partial<RequestAttributes>) => {
      const attributes: RequestAttributes = {
        user: call.user,
        verb: 'impersonate',
        isResourceRequest: true,
        path: call.exchange.path,
        group: '',
        version: '',
        resource: 'users',
        subresource: '',
        namespace: '',
        name: '',
        ...asked,
      }
      const decision = authorizer?.authorize(attributes) ?? { allowed: true, reason: '' }
      if (!decision.allowed) throw forbidden(attributes, decision.reason)
    }
    const account = SERVICE_ACCOUNT.exec(name)
    if (account) check({ resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! })
    else check({ name })
    for (const group of groups) check({ resource: 'groups', name: group })
    if (uid !== undefined) check({ group: 'authentication.k8s.io', resource: 'uids', name: uid })
    const extra: Record<string, string[]> = {}
    for (const [header, value] of extras) {
      const key = decodeKey(header.slice(EXTRA.length))
      const values = many(value)
      for (const text of values) check({ group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: text })
      Object.defineProperty(extra, key, { value: values, enumerable: true, writable: true, configurable: true })
    }
    const own = groups.length === 0 && account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : groups
    const known = own.includes(AUTHENTICATED) || own.includes(UNAUTHENTICATED)
    const base = name === ANONYMOUS.username ? UNAUTHENTICATED : AUTHENTICATED
    call.user = {
      username: name,
      groups: known ? own : [...own, base],
      ...(uid === undefined ? {} : { uid }),
      ...(extras.length > 0 ? { extra } : {}),
    }
    return next()
  }
}

const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value) || undefined
/** Node joins repeated headers it does not know with a comma. */
const many = (value: string | string[] | undefined) =>
  value === undefined
    ? []
    : [value]
        .flat()
        .flatMap((text) => text.split(', '))
        .filter((text) => text !== '')

function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text).toLowerCase()
  } catch {
    return text.toLowerCase()
  }
}
