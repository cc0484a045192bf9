// The authorizers asked one after the other, and the refusal when none allows.
import type { UserInfo } from '#client/client.ts'
import { StatusError, type StatusDetails } from '#api/status.ts'
import type { Authorizer, Decision, LocalAuthorizer, RequestAttributes } from '#server/request.ts'

/** Members of the group may do everything, whatever roles say: the way back in when roles are broken. */
export function allowGroup(group: string): LocalAuthorizer {
  return { authorize: ({ user }) => ({ allowed: user.groups.includes(group), reason: '' }) }
}

/** Mode AlwaysAllow. */
export const alwaysAllow: LocalAuthorizer = {
  authorize: () => ({ allowed: true, reason: '' }),
  rulesFor: () => ({
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
    incomplete: false,
  }),
}

/** Mode AlwaysDeny: has no opinion, as upstream's, so that modes after it are still asked. */
export const alwaysDeny: LocalAuthorizer = {
  authorize: () => ({ allowed: false, reason: 'Everything is forbidden.' }),
  rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false }),
}

/** The first that allows or denies decides; reasons and errors of those without an opinion are joined. */
export function firstOpinion(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize: (attributes) => decide(authorizers, attributes, { from: 0, reasons: [], errors: [] }),
    rulesFor(user: UserInfo, namespace: string) {
      const all = authorizers.flatMap((authorizer) => authorizer.rulesFor?.(user, namespace) ?? [])
      const error = aggregate(all.flatMap((one) => one.error ?? []))
      return {
        resourceRules: all.flatMap((one) => one.resourceRules),
        nonResourceRules: all.flatMap((one) => one.nonResourceRules),
        incomplete: all.some((one) => one.incomplete),
        ...(error ? { error } : {}),
      }
    },
  }
}

interface Progress {
  from: number
  reasons: string[]
  errors: string[]
}

/** Waits only where an authorizer does. */
function decide(
  authorizers: readonly Authorizer[],
  attributes: RequestAttributes,
  { from, reasons, errors }: Progress,
): Decision | Promise<Decision> {
  for (let index = from; index < authorizers.length; index++) {
    const decision = authorizers[index]!.authorize(attributes)
    if (decision instanceof Promise)
      return decision.then((settled) => {
        if (isOpinion(settled)) return settled
        note(settled, { reasons, errors })
        return decide(authorizers, attributes, { from: index + 1, reasons, errors })
      })
    if (isOpinion(decision)) return decision
    note(decision, { reasons, errors })
  }
  const error = aggregate(errors)
  return { allowed: false, reason: reasons.join('\n'), ...(error ? { error } : {}) }
}

const isOpinion = ({ allowed, denied }: Decision): boolean => allowed || denied === true

function note({ reason, error }: Decision, { reasons, errors }: { reasons: string[]; errors: string[] }): void {
  if (reason) reasons.push(reason)
  if (error) errors.push(error)
}

/** Several errors as upstream prints them in one. */
const aggregate = (errors: readonly string[]): string => (errors.length > 1 ? `[${errors.join(', ')}]` : (errors[0] ?? ''))

/** The refusal of a request, in the words clients parse. */
export function refusal(attributes: RequestAttributes, reason = ''): StatusError {
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

/** Refuses unless some authorizer allows. A promise only where one has to wait. */
export function assertAllowed(authorizer: Authorizer, attributes: RequestAttributes, annotate?: Annotate): void | Promise<void> {
  const decision = authorizer.authorize(attributes)
  if (decision instanceof Promise) return decision.then((settled) => refuse(attributes, settled, annotate))
  refuse(attributes, decision, annotate)
}

/** Of the audit event. */
type Annotate = (key: string, value: string) => void

export function annotateDecision({ allowed, reason, error }: Decision, annotate: Annotate): void {
  annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid')
  annotate('authorization.k8s.io/reason', error ? 'internal error' : reason)
}

function refuse(attributes: RequestAttributes, decision: Decision, annotate: Annotate | undefined): void {
  if (annotate) annotateDecision(decision, annotate)
  const { allowed, reason, error } = decision
  if (allowed) return
  if (error) throw new StatusError('InternalError', `Internal error occurred: ${error}`, { details: { causes: [{ message: error }] } })
  throw refusal(attributes, reason)
}
