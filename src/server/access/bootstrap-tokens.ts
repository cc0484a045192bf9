// Tokens with which machines join: `id.secret`, each a Secret in kube-system. Only what the Secret says of use and end counts.
import { timingSafeEqual } from 'node:crypto'
import { Secret } from '#api/kinds/core/secret.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { ObjectReader } from '#server/request.ts'

const TYPE = 'bootstrap.kubernetes.io/token'
const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const GROUP = 'system:bootstrappers'
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

/** undefined for whatever is no token in use: upstream, too, does not say what was wrong. */
export function bootstrapTokens({ reader, clock }: { reader: ObjectReader; clock: Clock }): (token: string) => UserInfo | undefined {
  return (token) => {
    const [, id = '', secret = ''] = TOKEN.exec(token) ?? []
    if (!id) return undefined
    const object = reader.get(Secret, { namespace: 'kube-system', name: `bootstrap-token-${id}` })
    if (!object || object.metadata?.deletionTimestamp || object.type !== TYPE) return undefined
    const said = (field: string) => Buffer.from(object.data?.[field] ?? '', 'base64').toString()
    if (!sameText(said('token-secret'), secret) || said('token-id') !== id) return undefined
    if (hasEnded(said('expiration'), clock) || said('usage-bootstrap-authentication') !== 'true') return undefined
    const groups = groupsOf(said('auth-extra-groups'))
    return groups && { username: `system:bootstrap:${id}`, groups }
  }
}

/** A time that cannot be read has passed. */
function hasEnded(expiration: string, clock: Clock): boolean {
  if (!expiration) return false
  const end = Date.parse(expiration)
  return Number.isNaN(end) || end <= clock.now()
}

function groupsOf(extra: string): string[] | undefined {
  const groups = extra === '' ? [] : [...new Set(extra.split(','))].sort()
  return groups.every((group) => EXTRA_GROUP.test(group)) ? [GROUP, ...groups] : undefined
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
