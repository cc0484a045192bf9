// The annotation by which definitions in groups of the Kubernetes project say that they are approved, or know that they are not.
import type { ObjectMeta } from '#api/object.ts'

export const APPROVAL_ANNOTATION = 'api-approved.kubernetes.io'

const SEE = 'see https://github.com/kubernetes/enhancements/pull/1111'
const MUST = `protected groups must have approval annotation "${APPROVAL_ANNOTATION}"`

/** Why there is no approval. */
export const NOT_APPROVED = {
  missing: `${MUST}, ${SEE}`,
  invalid: `${MUST} with either a URL or a reason starting with "unapproved", ${SEE}`,
}

export const needsApproval = (group: string): boolean => /(^|\.)(k8s|kubernetes)\.io$/.test(group)

export function approvalOf(metadata: ObjectMeta | undefined): { state: 'missing' | 'invalid' | 'unapproved' | 'approved'; value: string } {
  const value = metadata?.annotations?.[APPROVAL_ANNOTATION] ?? ''
  if (value === '') return { state: 'missing', value }
  if (value.startsWith('unapproved')) return { state: 'unapproved', value }
  return { state: URL.parse(value)?.host ? 'approved' : 'invalid', value }
}
