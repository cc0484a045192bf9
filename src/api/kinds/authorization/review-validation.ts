// Rules of access reviews: what is asked about whom.
import { forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { labelValueMessages, qualifiedName } from '#api/names.ts'
import type { ObjectMeta } from '#api/object.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'

interface ReviewOptions {
  /** The review is about someone other than who asks. */
  user?: boolean
  /** The review is about one namespace: its own. */
  local?: boolean
}

export function validateReview(
  spec: types.SubjectAccessReviewSpec | undefined,
  metadata: ObjectMeta | undefined,
  options: ReviewOptions,
): Errors {
  const errors: Errors = []
  const { resourceAttributes, nonResourceAttributes, user, groups } = spec ?? {}
  if (resourceAttributes && nonResourceAttributes)
    errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'cannot be specified in combination with resourceAttributes'))
  if (!resourceAttributes && !nonResourceAttributes)
    errors.push(invalid('spec.resourceAttributes', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'))
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
    each(selector.requirements, `${at}.requirements`, (requirement, where) => checkRequirement(requirement, where, { field, errors }))
  }
  const rest = { ...metadata }
  for (const field of ['managedFields', ...(options.local ? ['namespace'] : [])] as const) delete rest[field as 'namespace']
  if (!sameJson(rest, {}))
    errors.push(
      options.local ? invalid('metadata', metadata, 'must be empty except for namespace') : invalid('metadata', metadata, 'must be empty'),
    )
  if (options.local) {
    const { namespace = '' } = metadata ?? {}
    if (resourceAttributes && (resourceAttributes.namespace ?? '') !== namespace)
      errors.push(invalid('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', 'must match metadata.namespace'))
    if (nonResourceAttributes)
      errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request'))
  }
  return errors
}

/** Operators nobody here knows pass: who asks may be newer. */
function checkRequirement(
  { key, operator, values = [] }: types.FieldSelectorRequirement | types.LabelSelectorRequirement,
  path: string,
  { field, errors }: { field: 'fieldSelector' | 'labelSelector'; errors: Errors },
): void {
  if (!key && field === 'fieldSelector') errors.push(required(`${path}.key`, 'must be specified'))
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
  }
  if (field === 'fieldSelector') return
  checkMessages(`${path}.key`, key ?? '', qualifiedName(key ?? ''), errors)
  each(values, `${path}.values`, (value, at) => checkMessages(at, value, labelValueMessages(value), errors))
}
