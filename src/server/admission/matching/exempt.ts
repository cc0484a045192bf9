// Requests that nothing configured may stand in the way of: otherwise a bad policy or webhook could not be taken out again, or nobody could log in.
import type { AdmissionRequest } from '#server/request.ts'

const CONFIGURATION = 'admissionregistration.k8s.io'
const POLICIES = new Set([
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
])
const WEBHOOKS = new Set(['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'])
/** Never stored, asked on the way of other requests. */
const REVIEWS = new Set([
  'selfsubjectreviews.authentication.k8s.io',
  'tokenreviews.authentication.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
])

/** Webhooks see reviews, but neither their own configuration nor policies. */
export function exemptFromWebhooks({ attributes: { group, resource } }: AdmissionRequest): boolean {
  return group === CONFIGURATION && (POLICIES.has(resource) || WEBHOOKS.has(resource))
}

/** Policies see webhook configurations, but neither policies nor reviews. */
export function exemptFromPolicies({ attributes: { group, resource } }: AdmissionRequest): boolean {
  return (group === CONFIGURATION && POLICIES.has(resource)) || REVIEWS.has(`${resource}.${group}`)
}
