// Who asks: the first authenticator that knows the request says so; nobody's request is anonymous. Then, if asked for and allowed, as whom.
import { ANONYMOUS, openToAnyone } from '#server/access/authenticators.ts'
import { impersonation } from '#server/access/impersonation.ts'
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { AuthenticationRequest, Authenticator, Authorizer } from '#server/request.ts'
import { attributesOf } from './authorization.ts'
import type { Call, Link, Serve } from './call.ts'

const STANDING = ['system:authenticated', 'system:unauthenticated']

export function authenticate(authenticators: readonly Authenticator[], anonymous = openToAnyone): Link {
  const enter = (call: Call, user: UserInfo | undefined) => {
    const { peer, path } = call.exchange
    // A certificate of some other authority is not the same as none. A server without authenticators knows nobody and lets authorisation decide.
    if (!user && (peer.badCertificate || (authenticators.length > 0 && !anonymous(path))))
      throw new StatusError('Unauthorized', 'Unauthorized')
    call.user = user ? withStanding(user) : ANONYMOUS
  }
  return (call, next) => {
    const { headers, peer } = call.exchange
    const request: AuthenticationRequest = {
      headers,
      ...(peer.certificate ? { certificate: peer.certificate } : {}),
      warn: (text) => void call.warnings.add(text),
      annotate: (key, value) => void call.annotations.set(key, value),
    }
    const known = firstKnown(authenticators, request)
    if (known instanceof Promise)
      return known.then((user) => {
        enter(call, user)
        return next(call)
      })
    enter(call, known)
    return next(call)
  }
}

/** Waits only for those who have to: a certificate is known at once. */
function firstKnown(
  authenticators: readonly Authenticator[],
  request: AuthenticationRequest,
  from = 0,
): UserInfo | undefined | Promise<UserInfo | undefined> {
  for (let index = from; index < authenticators.length; index++) {
    const user = authenticators[index]!.authenticate(request)
    if (user instanceof Promise) return user.then((settled) => settled ?? firstKnown(authenticators, request, index + 1))
    if (user) return user
  }
  return undefined
}

export function impersonate(authorizer: Authorizer | undefined): Link {
  const assume = impersonation(authorizer ?? EVERYTHING)
  const assumed = async (call: Call, next: Serve) => {
    const other = await assume(call.exchange.headers, attributesOf(call))
    if (!other) return next(call)
    call.user = other.user
    if (call.audit) call.audit.impersonated = other
    return next(call)
  }
  return (call, next) => {
    for (const name in call.exchange.headers) if (name.startsWith('impersonate-')) return assumed(call, next)
    return next(call)
  }
}

const EVERYTHING: Authorizer = { authorize: () => ({ allowed: true, reason: '' }) }

function withStanding(user: UserInfo): UserInfo {
  return user.groups.some((group) => STANDING.includes(group)) ? user : { ...user, groups: [...user.groups, STANDING[0]!] }
}
