// The small checks that every kind's validation is built of. Each pushes what it finds onto the list it is given.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import { dnsSubdomain, domainPrefixedPath } from '#api/names.ts'
import { sameJson } from './same-json.ts'

export type Errors = FieldError[]

export const NON_NEGATIVE = 'must be greater than or equal to 0'
export const IMMUTABLE = 'field is immutable'

/** One Invalid per message of a name check. */
export function checkMessages(path: string, value: unknown, messages: readonly string[], errors: Errors): void {
  for (const message of messages) errors.push(invalid(path, value, message))
}

/** Required when empty, else what `check` says of it. */
export function checkName(path: string, value: string | undefined, check: (value: string) => string[], errors: Errors): void {
  if (!value) errors.push(required(path))
  else checkMessages(path, value, check(value), errors)
}

/** Like `example.com/path`. The part that is out of form is shown. */
export function checkDomainPrefixedPath(path: string, value: string, errors: Errors): void {
  const slash = value.indexOf('/')
  if (!value) return void errors.push(required(path))
  const parts = slash < 0 ? [value] : [value.slice(0, slash), value.slice(slash + 1)]
  if (parts.length < 2 || parts.includes('')) return checkMessages(path, value, domainPrefixedPath(value), errors)
  checkMessages(path, parts[0], dnsSubdomain(parts[0]!), errors)
  checkMessages(path, parts[1], domainPrefixedPath(`a/${parts[1]}`), errors)
}

export function checkRequired(path: string, value: unknown, errors: Errors, detail = ''): boolean {
  const missing = value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  if (missing) errors.push(required(path, detail))
  return !missing
}

export function checkNonNegative(path: string, value: number | undefined, errors: Errors): void {
  if (value !== undefined && value < 0) errors.push(invalid(path, value, NON_NEGATIVE))
}

export function checkRange(path: string, value: number | undefined, [from, to]: readonly [number, number], errors: Errors): void {
  if (value !== undefined && (value < from || value > to)) errors.push(invalid(path, value, `must be between ${from} and ${to}, inclusive`))
}

/** `required: true` reports an absent value as Required, as upstream does where a default should have filled it. */
export function checkOneOf(
  path: string,
  value: string | undefined,
  allowed: readonly string[],
  errors: Errors,
  options: { required?: boolean } = {},
): void {
  if (!value && options.required) errors.push(required(path))
  else if (value !== undefined && (value !== '' || !options.required) && !allowed.includes(value))
    errors.push(notSupported(path, value, allowed.toSorted()))
}

/** Like `checkOneOf`, for lists that upstream prints in an order of its own; empty is Required. */
export function checkAmong(path: string, value: string | undefined, allowed: readonly string[], errors: Errors): void {
  if (!value) errors.push(required(path))
  else if (!allowed.includes(value)) errors.push(notSupported(path, value, allowed))
}

export function checkImmutable(path: string, next: unknown, previous: unknown, errors: Errors, detail = IMMUTABLE): void {
  if (!sameJson(next, previous)) errors.push(invalid(path, next, detail))
}

export function checkFrozen(path: string, next: unknown, previous: unknown, errors: Errors, detail = IMMUTABLE): void {
  if (!sameJson(next, previous)) errors.push(forbidden(path, detail))
}

/** Visits a list with the path of each item. */
export function each<T>(list: readonly T[] | null | undefined, path: string, visit: (item: T, path: string, index: number) => void): void {
  if (list) for (let index = 0; index < list.length; index++) visit(list[index]!, `${path}[${index}]`, index)
}

/** Which of `names` are set in `object`: volume sources, metric members and the like, of which one is allowed. */
export function presentMembers<T extends object, K extends keyof T & string>(object: T, names: readonly K[]): K[] {
  return names.filter((name) => object[name] !== undefined && object[name] !== null)
}
