// The authorizers asked one after the other, and the refusal when none allows.
import type { UserInfo } from '#client/client.ts'
import { StatusError, type StatusDetails } from '#api/status.ts'
import type { Authorizer, RequestAttributes } from '#server/request.ts'

/** Members of the group may do everything, whatever roles say: the way back in when roles are broken. */
export function allowGroup(group: string): Authorizer {
  return { authorize: ({ user }) => ({ allowed: user.groups.includes(group), reason: '' }) }
}

/** The first that allows or denies decides; reasons of those without an opinion are joined. */
export function firstOpinion(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(attributes) {
      const reasons: string[] = []
      for (const authorizer of authorizers) {
        const decision = authorizer.authorize(attributes)
        if (decision.allowed || decision.denied) return decision
        if (decision.reason) reasons.push(decision.reason)
      }
      return { allowed: false, reason: reasons.join('\n') }
    },
    rulesFor(user: UserInfo, namespace: string) {
      const all = authorizers.flatMap((authorizer) => authorizer.rulesFor?.(user, namespace) ?? [])
      return {
        resourceRules: all.flatMap((one) => one.resourceRules),
        nonResourceRules: all.flatMap((one) => one.nonResourceRules),
        incomplete: all.some((one) => one.incomplete),
      }
    },
  }
}

/** The refusal of a request, in the words clients parse. */
function refusal(attributes: RequestAttributes, reason = ''): StatusError {
  const said = escapeHtml(sentence(attributes)) + (reason ? `: ${reason}` : '')
  const { group, resource, name } = attributes
  const details: StatusDetails = { ...(name ? { name } : {}), ...(group ? { group } : {}), ...(resource ? { kind: resource } : {}) }
  const what = resource ? `${group ? `${resource}.${group}` : resource}${name ? ` ${JSON.stringify(name)}` : ''} is forbidden` : 'forbidden'
  return new StatusError('Forbidden', `${what}: ${said}`, { details })
}

function sentence({ user, verb, isResourceRequest, path, group, resource, subresource, namespace }: RequestAttributes): string {
  const who = `User ${JSON.stringify(user.username)} cannot ${verb}`
  if (!isResourceRequest) return `${who} path ${JSON.stringify(path)}`
  const full = JSON.stringify(subresource ? `${resource}/${subresource}` : resource)
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope'
  return `${who} resource ${full} in API group ${JSON.stringify(group)} ${where}`
}

const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Refuses unless some authorizer allows. */
export function assertAllowed(authorizer: Authorizer, attributes: RequestAttributes): void {
  const { allowed, reason } = authorizer.authorize(attributes)
  if (!allowed) throw refusal(attributes, reason)
}
