// Acting as someone else: each part of the assumed identity is a right of its own.
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { AuthenticationRequest, Authorizer, RequestAttributes } from '#server/request.ts'
import { assertAllowed } from './authorizers.ts'
import { serviceAccountGroups } from './service-account-tokens.ts'

const EXTRA = 'impersonate-extra-'
const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/
const ACCOUNTED_FOR = ['system:authenticated', 'system:unauthenticated']

/** The user the request asks to be, or the user itself when it asks for no one. Refuses what the user may not assume. */
export function impersonate(headers: AuthenticationRequest['headers'], user: UserInfo, authorizer: Authorizer): UserInfo {
  const username = valuesOf(headers, 'impersonate-user')[0] ?? ''
  const groups = valuesOf(headers, 'impersonate-group').flatMap((text) => text.split(', '))
  const uid = valuesOf(headers, 'impersonate-uid')[0] ?? ''
  const extra = extraOf(headers)
  if (!username) {
    if (groups.length === 0 && !uid && Object.keys(extra).length === 0) return user
    throw new StatusError('InternalError', 'Internal error occurred: requested groups, uid or extra fields without impersonating a user')
  }
  const account = ACCOUNT.exec(username)
  const check = (part: Partial<RequestAttributes>) => assertAllowed(authorizer, { ...question(user), ...part })
  if (account) check({ resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! })
  else check({ resource: 'users', name: username })
  for (const group of groups) check({ resource: 'groups', name: group })
  if (uid) check({ group: 'authentication.k8s.io', resource: 'uids', name: uid })
  for (const [key, values] of Object.entries(extra))
    for (const value of values) check({ group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: value })
  return {
    username,
    groups: withStanding(username, groups.length > 0 || !account ? groups : serviceAccountGroups(account[1]!)),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

function withStanding(username: string, groups: string[]): string[] {
  if (groups.some((group) => ACCOUNTED_FOR.includes(group))) return groups
  return [...groups, username === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated']
}

function extraOf(headers: AuthenticationRequest['headers']): Record<string, string[]> {
  const extra: Record<string, string[]> = Object.create(null)
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(EXTRA) || header === EXTRA) continue
    extra[decodeKey(header.slice(EXTRA.length))] = valuesOf(headers, header).flatMap((text) => text.split(', '))
  }
  return extra
}

/** Keys come percent-encoded where they hold what header names cannot. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

function valuesOf(headers: AuthenticationRequest['headers'], name: string): string[] {
  const value = headers[name]
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

function question(user: UserInfo): RequestAttributes {
  const nothing = { path: '', group: '', version: 'v1', resource: '', subresource: '', namespace: '', name: '' }
  return { user, verb: 'impersonate', isResourceRequest: true, ...nothing }
}
