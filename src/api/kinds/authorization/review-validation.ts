// Rules of access reviews: what is asked about whom.
import { invalid, required } from '#api/field-error.ts'
import type { SubjectAccessReviewSpec } from '#api/generated/types.ts'
import type { ObjectMeta } from '#api/object.ts'
import type { Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'

interface ReviewOptions {
  /** The review is about someone other than who asks. */
  user?: boolean
  /** The review is about one namespace: its own. */
  local?: boolean
}

export function validateReview(
  spec: SubjectAccessReviewSpec | undefined,
  metadata: ObjectMeta | undefined,
  options: ReviewOptions,
): Errors {
  const errors: Errors = []
  const { resourceAttributes, nonResourceAttributes, user, groups } = spec ?? {}
  if (resourceAttributes && nonResourceAttributes)
    errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'cannot be specified in combination with resourceAttributes'))
  if (!resourceAttributes && !nonResourceAttributes)
    errors.push(
      invalid(
        'spec.resourceAttributes',
        resourceAttributes,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    )
  if (options.user && !user && !groups?.length)
    errors.push(invalid('spec.user', user ?? '', 'at least one of user or group must be specified'))
  const { fieldSelector, labelSelector } = resourceAttributes ?? {}
  for (const [field, selector] of [
    ['fieldSelector', fieldSelector],
    ['labelSelector', labelSelector],
  ] as const) {
    if (!selector) continue
    const at = `spec.resourceAttributes.${field}`
    if (selector.rawSelector && selector.requirements?.length)
      errors.push(invalid(`${at}.rawSelector`, selector.rawSelector, 'may not specified at the same time as requirements'))
    if (!selector.rawSelector && !selector.requirements?.length)
      errors.push(required(`${at}.requirements`, `when ${at} is specified, requirements or rawSelector is required`))
  }
  if (options.local) {
    const { namespace = '' } = metadata ?? {}
    if (nonResourceAttributes)
      errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request'))
    if (resourceAttributes && (resourceAttributes.namespace ?? '') !== namespace)
      errors.push(invalid('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', 'must match metadata.namespace'))
  }
  const rest = { ...metadata }
  for (const field of ['managedFields', ...(options.local ? ['namespace'] : [])] as const) delete rest[field as 'namespace']
  if (!sameJson(rest, {}))
    errors.push(
      options.local ? invalid('metadata', metadata, 'must be empty except for namespace') : invalid('metadata', metadata, 'must be empty'),
    )
  return errors
}
