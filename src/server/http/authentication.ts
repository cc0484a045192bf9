// Who asks: the first authenticator that knows the request says so; nobody's request is anonymous. Then, if asked for and allowed, as whom.
import { ANONYMOUS, openToAnyone } from '#server/access/authenticators.ts'
import { impersonation } from '#server/access/impersonation.ts'
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { AuthenticationRequest, Authenticator, Authorizer } from '#server/request.ts'
import { attributesOf } from './authorization.ts'
import type { Link } from './call.ts'

const STANDING = ['system:authenticated', 'system:unauthenticated']

export function authenticate(authenticators: readonly Authenticator[], anonymous = openToAnyone): Link {
  return async (call, next) => {
    const { headers, peer } = call.exchange
    const request: AuthenticationRequest = {
      headers,
      ...(peer.certificate ? { certificate: peer.certificate } : {}),
      warn: (text) => void call.warnings.add(text),
      annotate: (key, value) => void call.annotations.set(key, value),
    }
    let user: UserInfo | undefined
    for (const authenticator of authenticators) {
      user = await authenticator.authenticate(request)
      if (user) break
    }
    // A certificate of some other authority is not the same as none. A server without authenticators knows nobody and lets authorisation decide.
    const refused = peer.badCertificate || (authenticators.length > 0 && !anonymous(call.exchange.path))
    if (!user && refused) throw new StatusError('Unauthorized', 'Unauthorized')
    call.user = user ? withStanding(user) : ANONYMOUS
    return next()
  }
}

export function impersonate(authorizer: Authorizer | undefined): Link {
  const assume = impersonation(authorizer ?? EVERYTHING)
  return async (call, next) => {
    const { headers } = call.exchange
    if (Object.keys(headers).some((name) => name.startsWith('impersonate-'))) {
      call.user = await assume(headers, attributesOf(call))
      if (call.audit) call.audit.impersonated = call.user
    }
    return next()
  }
}

const EVERYTHING: Authorizer = { authorize: () => ({ allowed: true, reason: '' }) }

function withStanding(user: UserInfo): UserInfo {
  return user.groups.some((group) => STANDING.includes(group)) ? user : { ...user, groups: [...user.groups, STANDING[0]!] }
}
