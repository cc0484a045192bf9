// LabelSelector as a field of objects: its rules, its text in tables, and whether it picks a set of labels.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { LabelSelector, LabelSelectorRequirement } from '#api/generated/types.ts'
import { formatLabelSelector, matchesLabels, selectorOf } from '#api/label-selector.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { labelValueMessages, qualifiedName } from '#api/names.ts'

export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  if (!selector) return []
  const errors = validateLabels(selector.matchLabels, `${path}.matchLabels`)
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries())
    errors.push(...validateRequirement(requirement, `${path}.matchExpressions[${index}]`))
  return errors
}

function validateRequirement({ key, operator, values }: LabelSelectorRequirement, path: string): FieldError[] {
  const errors: FieldError[] = []
  const listed = values?.length ?? 0
  if (operator === 'In' || operator === 'NotIn') {
    if (listed === 0) errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (listed > 0) errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
  } else errors.push(invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  for (const message of qualifiedName(key ?? '')) errors.push(invalid(`${path}.key`, key ?? '', message))
  for (const [index, value] of (values ?? []).entries())
    for (const message of labelValueMessages(value)) errors.push(invalid(`${path}.values[${index}]`, value, message))
  return errors
}

export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions?.length ?? 0) === 0
}

/** An absent selector picks nothing, an empty one everything, a malformed one nothing. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Record<string, string> | undefined): boolean {
  try {
    return matchesLabels(selectorOf(selector), labels ?? {})
  } catch {
    return false
  }
}

/** As selectorMatches, for many objects in a row. */
export function selectorMatcher(selector: LabelSelector | undefined): (labels: Record<string, string> | undefined) => boolean {
  try {
    const made = selectorOf(selector)
    return (labels) => matchesLabels(made, labels ?? {})
  } catch {
    return () => false
  }
}

export const isMalformedSelector = (selector: LabelSelector | undefined) => selectorText(selector) === '<invalid>'

/** `a=b,c in (d,e)`: the text a selector is queried with; empty for an empty one. */
export function selectorText(selector: LabelSelector | undefined): string {
  try {
    return formatLabelSelector(selectorOf(selector))
  } catch {
    return '<invalid>'
  }
}

/** As tables show it. */
export function formatSelector(selector: LabelSelector | undefined): string {
  const text = selectorText(selector)
  return text === '<invalid>' ? '<error>' : text || '<none>'
}

/** `a=b,c=d` in order of keys; `<none>` for nothing. */
export function formatLabels(labels: Record<string, string> | undefined): string {
  return (
    Object.entries(labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(',') || '<none>'
  )
}
