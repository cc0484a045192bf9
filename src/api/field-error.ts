// One thing wrong with one field. Validation collects all of them, then refuses once with an Invalid status.
import { goJson, goQuoted } from '#lib/go-text.ts'

export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooShort'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError'

export interface FieldError {
  type: FieldErrorType
  /** Path as clients print it: `spec.containers[0].name`. */
  field: string
  /** The whole text behind the path: `Invalid value: "x": must be ...`. */
  message: string
}

export const required = (field: string, detail = ''): FieldError => ({
  type: 'FieldValueRequired',
  field,
  message: detail ? `Required value: ${detail}` : 'Required value',
})
export const invalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${show(value)}: ${detail}`,
})
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError => ({
  ...invalid(field, value, detail),
  type: 'FieldValueTypeInvalid',
})
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${show(value)}: supported values: ${supported.map((one) => goQuoted(one)).join(', ')}`,
})
export const duplicate = (field: string, value: unknown, detail = ''): FieldError => ({
  type: 'FieldValueDuplicate',
  field,
  message: `Duplicate value: ${show(value)}${detail ? `: ${detail}` : ''}`,
})
export const forbidden = (field: string, detail: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${detail}`,
})
export const notFound = (field: string, value: unknown, detail = ''): FieldError => ({
  type: 'FieldValueNotFound',
  field,
  message: `Not found: ${show(value)}${detail ? `: ${detail}` : ''}`,
})
/** Where the value is too large to show. */
export const invalidUnshown = (field: string, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${detail}`,
})
export const tooLong = (field: string, maximum: number): FieldError => ({
  type: 'FieldValueTooLong',
  field,
  message: `Too long: may not be more than ${maximum} bytes`,
})
export const tooShort = (field: string, minimum: number): FieldError => ({
  type: 'FieldValueTooShort',
  field,
  message: `Too short: must be at least ${minimum} ${minimum === 1 ? 'character' : 'characters'}`,
})
export const tooMany = (field: string, actual: number, maximum: number): FieldError => ({
  type: 'FieldValueTooMany',
  field,
  message: `Too many: ${actual}: must have at most ${maximum} ${maximum === 1 ? 'item' : 'items'}`,
})

function show(value: unknown): string {
  return typeof value === 'string' ? goQuoted(value) : goJson(value)
}
