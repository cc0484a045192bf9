// Acting as someone else: the right to be them, and in the constrained modes the right to do just this as them. The first mode that allows it decides.
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { hasReason, StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import { LruMap } from '#lib/lru-map.ts'
import { byKey } from '#lib/order.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AuthenticationRequest, Authorizer, RequestAttributes } from '#server/request.ts'
import { assertAllowed, refusal } from './authorizers.ts'
import { domainPrefixedPath } from './extra-keys.ts'
import { serviceAccountGroups } from './service-account-tokens.ts'

const EXTRA = 'impersonate-extra-'
const ACCOUNT = 'system:serviceaccount:'
const NODE = 'system:node:'
const AUTHENTICATION = 'authentication.k8s.io'
const NODE_NAME = 'authentication.kubernetes.io/node-name'
/** From so many on, the right to all of them is asked for before each. */
const MANY = 4
const REMEMBERED_USERS = 1024

interface Wanted {
  username: string
  uid: string
  groups: string[]
  extra: Record<string, string[]>
}

interface Mode {
  /** Absent for the right to impersonate that holds for all that is done. */
  name?: string
  applies(wanted: Wanted, user: UserInfo): boolean
}

const onlyName = ({ uid, groups, extra }: Wanted): boolean => !uid && groups.length === 0 && Object.keys(extra).length === 0

/** In the order they are tried. */
const MODES: readonly Mode[] = [
  {
    name: 'associated-node',
    applies: (wanted, user) => {
      const own = user.extra?.[NODE_NAME]
      return onlyName(wanted) && accountNamed(user.username) !== undefined && own?.length === 1 && own[0] === nodeNamed(wanted.username)
    },
  },
  { name: 'arbitrary-node', applies: (wanted) => onlyName(wanted) && nodeNamed(wanted.username) !== undefined },
  { name: 'serviceaccount', applies: (wanted) => onlyName(wanted) && accountNamed(wanted.username) !== undefined },
  { name: 'user-info', applies: ({ username }) => accountNamed(username) === undefined && nodeNamed(username) === undefined },
  { applies: () => true },
]

export interface Assumed {
  user: UserInfo
  /** The right by which the user may be assumed, for audit; absent for the one that holds for all that is done. */
  constraint?: string
}

/** The user a request asks to be; undefined when it asks for no one. Refuses what the user may not assume. */
export type Impersonation = (headers: AuthenticationRequest['headers'], attributes: RequestAttributes) => Promise<Assumed | undefined>

export function impersonation(authorizer: Authorizer): Impersonation {
  /** The mode that last allowed someone is tried first, and its refusal told first. */
  const lastModes = new LruMap<string, Mode>(REMEMBERED_USERS)
  return async (headers, attributes) => {
    const wanted = wantedUser(headers)
    if (!wanted) return undefined
    const last = lastModes.get(attributes.user.username)
    let first: unknown
    for (const mode of last ? [last, ...MODES.filter((one) => one !== last)] : MODES) {
      if (!mode.applies(wanted, attributes.user)) continue
      try {
        const user = await assume(wanted, { mode: mode.name, attributes, authorizer })
        lastModes.set(attributes.user.username, mode)
        return { user, ...(mode.name ? { constraint: `impersonate:${mode.name}` } : {}) }
      } catch (error) {
        if (!hasReason(error, 'Forbidden')) throw error
        first ??= error
      }
    }
    throw first
  }
}

interface Assumption {
  mode: string | undefined
  attributes: RequestAttributes
  authorizer: Authorizer
}

async function assume(wanted: Wanted, { mode, attributes, authorizer }: Assumption): Promise<UserInfo> {
  const { username, uid, extra } = wanted
  const user = mode === 'associated-node' ? withoutNode(attributes.user) : attributes.user
  const verb = mode ? `impersonate:${mode}` : 'impersonate'
  const ask = async (part: Partial<RequestAttributes>) => assertAllowed(authorizer, { ...question(user, verb), ...part })
  if (mode) await assertAllowed(authorizer, { ...attributes, user, verb: `impersonate-on:${mode}:${attributes.verb}` })

  const account = accountNamed(username)
  const group = mode ? AUTHENTICATION : ''
  const node = mode ? nodeNamed(username) : undefined
  if (account) await ask({ group, resource: 'serviceaccounts', ...account })
  else if (node !== undefined) await ask({ group, resource: 'nodes', name: mode === 'associated-node' ? '*' : node })
  else await ask({ group, resource: 'users', name: username })
  if (uid) await ask({ group: AUTHENTICATION, resource: 'uids', name: uid })
  await askGroups(wanted.groups, {
    ask,
    group,
    refuse: mode ? (part, why) => refusal({ ...question(user, verb), ...part }, why) : undefined,
  })
  await askExtra(extra, {
    ask,
    refuse: mode ? (why) => refusal({ ...question(user, verb), group: AUTHENTICATION, resource: 'userextras' }, why) : undefined,
  })

  const groups =
    account && wanted.groups.length === 0 ? serviceAccountGroups(account.namespace) : node !== undefined ? ['system:nodes'] : wanted.groups
  return {
    username,
    groups: withStanding(username, groups),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

type Ask = (part: Partial<RequestAttributes>) => Promise<void>

async function askGroups(
  groups: readonly string[],
  options: { ask: Ask; group: string; refuse: ((part: Partial<RequestAttributes>, why: string) => StatusError) | undefined },
): Promise<void> {
  const { ask, group, refuse } = options
  const part = { group, resource: 'groups' }
  if (refuse && groups.includes('')) throw refuse(part, 'impersonating the empty string group is not allowed')
  if (refuse && groups.includes('system:masters'))
    throw refuse({ ...part, name: 'system:masters' }, 'impersonating the system:masters group is not allowed')
  if (refuse && groups.length >= MANY && (await allowed(ask({ ...part, name: '*' })))) return
  for (const name of groups) await ask({ ...part, name })
}

async function askExtra(
  extra: Record<string, string[]>,
  { ask, refuse }: { ask: Ask; refuse: ((why: string) => StatusError) | undefined },
): Promise<void> {
  const part = { group: AUTHENTICATION, resource: 'userextras' }
  const problem = refuse && extraProblem(extra)
  if (problem) throw refuse(problem)
  const count = Object.values(extra).reduce((sum, { length }) => sum + length, 0)
  if (refuse && count >= MANY && (await allowed(ask({ ...part, subresource: '*', name: '*' })))) return
  for (const [key, values] of Object.entries(extra)) for (const value of values) await ask({ ...part, subresource: key, name: value })
}

async function allowed(asked: Promise<void>): Promise<boolean> {
  try {
    await asked
    return true
  } catch (error) {
    if (!hasReason(error, 'Forbidden')) throw error
    return false
  }
}

function extraProblem(extra: Record<string, string[]>): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed'
    const [invalid] = domainPrefixedPath(key)
    if (invalid) return `impersonating an invalid key in extra is not allowed: extra.key: Invalid value: ${JSON.stringify(key)}: ${invalid}`
    if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed'
  }
  return undefined
}

/** Which node it is says nothing about the right: that it is the user's own was seen before. */
function withoutNode(user: UserInfo): UserInfo {
  return { ...user, extra: { 'authentication.kubernetes.io/associated-node-keys': Object.keys(user.extra ?? {}).sort() } }
}

function accountNamed(username: string): { namespace: string; name: string } | undefined {
  const [namespace = '', name = '', ...more] = username.startsWith(ACCOUNT) ? username.slice(ACCOUNT.length).split(':') : []
  return more.length > 0 || dnsLabel(namespace).length > 0 || dnsSubdomain(name).length > 0 ? undefined : { namespace, name }
}

function nodeNamed(username: string): string | undefined {
  const name = username.startsWith(NODE) ? username.slice(NODE.length) : ''
  return name && dnsSubdomain(name).length === 0 ? name : undefined
}

function withStanding(username: string, groups: string[]): string[] {
  if (username === 'system:anonymous') return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated']
  if (groups.includes('system:unauthenticated') || groups.includes('system:authenticated')) return groups
  return [...groups, 'system:authenticated']
}

function wantedUser(headers: AuthenticationRequest['headers']): Wanted | undefined {
  const username = valuesOf(headers, 'impersonate-user')[0] ?? ''
  const groups = valuesOf(headers, 'impersonate-group')
  const uid = valuesOf(headers, 'impersonate-uid')[0] ?? ''
  const extra = extraOf(headers)
  if (username) return { username, groups, uid, extra }
  if (groups.length === 0 && !uid && Object.keys(extra).length === 0) return undefined
  const spelled = `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${goList(groups)}, Extra:${goMap(extra)}}`
  throw new StatusError('BadRequest', `requested ${spelled} without impersonating a user name`)
}

const goList = (texts: readonly string[]): string =>
  texts.length > 0 ? `[]string{${texts.map((text) => JSON.stringify(text)).join(', ')}}` : '[]string(nil)'

function goMap(extra: Record<string, string[]>): string {
  const entries = Object.entries(extra).sort(byKey)
  if (entries.length === 0) return 'map[string][]string(nil)'
  return `map[string][]string{${entries.map(([key, values]) => `${JSON.stringify(key)}:${goList(values)}`).join(', ')}}`
}

function extraOf(headers: AuthenticationRequest['headers']): Record<string, string[]> {
  const extra: Record<string, string[]> = Object.create(null)
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(EXTRA)) continue
    const values = valuesOf(headers, header)
    const key = decodeKey(header.slice(EXTRA.length))
    extra[key] = [...(extra[key] ?? []), ...values]
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

function question(user: UserInfo, verb: string): RequestAttributes {
  return attributesOf({ group: '', version: 'v1', plural: '' }, { user, verb })
}
