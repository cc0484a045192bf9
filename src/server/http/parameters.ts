// Query parameters of the verbs, checked: a parameter with a bad value is refused, never ignored.
import { type FieldError, notSupported } from '#api/field-error.ts'
import { goQuoted } from '#lib/go-text.ts'
import { validateFieldManager } from '#api/meta/object-meta.ts'
import { invalidError, StatusError } from '#api/status.ts'
import type { FieldValidation } from '#server/engine/decode.ts'
import type { Call } from './call.ts'
import { isSet } from './request-info.ts'

export interface WriteParameters {
  dryRun: boolean
  fieldManager: string
  fieldValidation: FieldValidation
}

export function writeParameters(call: Call, optionsKind: string): WriteParameters {
  const { url } = call.exchange
  const fallback = managerOf(call)
  // Most writes have none: spare them the parsing.
  if (!url.includes('?')) return { dryRun: false, fieldManager: fallback, fieldValidation: 'Warn' }
  const { query } = call.exchange
  const errors: FieldError[] = []
  const dryRun = dryRunOf(query.getAll('dryRun'), errors)
  const fieldValidation = query.get('fieldValidation') || 'Warn'
  if (!['Ignore', 'Warn', 'Strict'].includes(fieldValidation))
    errors.push(notSupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']))
  const fieldManager = query.get('fieldManager') ?? ''
  errors.push(...validateFieldManager(fieldManager, 'fieldManager'))
  if (errors.length > 0) throw invalidError({ group: 'meta.k8s.io', kind: optionsKind }, '', errors)
  return { dryRun, fieldManager: fieldManager || fallback, fieldValidation: fieldValidation as FieldValidation }
}

/** As admission sees them. */
export function optionsOf(kind: string, { dryRun, fieldManager, fieldValidation }: WriteParameters): Record<string, unknown> {
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun ? { dryRun: ['All'] } : {}),
    ...(fieldManager ? { fieldManager } : {}),
    fieldValidation,
  }
}

export function dryRunOf(values: readonly string[], errors: FieldError[]): boolean {
  if (values.some((value) => value !== 'All')) errors.push(notSupported('dryRun', values, ['All']))
  return values.length > 0
}

/** The client program's name, up to its version. */
function managerOf(call: Call): string {
  return (call.exchange.headers['user-agent'] ?? '').split('/', 1)[0]!.slice(0, 128) || 'unknown'
}

export function integer(query: URLSearchParams, name: string): number | undefined {
  const number = parseInt64(query.get(name))
  return number === undefined ? undefined : Number(number)
}

const INT64_MAX = 2n ** 63n - 1n

/** As Go reads it: an empty parameter is a bad number, not an absent one. */
export function parseInt64(text: string | null): bigint | undefined {
  if (text === null) return undefined
  const refuse = (why: string) => new StatusError('BadRequest', `strconv.ParseInt: parsing ${goQuoted(text)}: ${why}`)
  if (!/^[-+]?\d+$/.test(text)) throw refuse('invalid syntax')
  // As many digits as matter: reading millions of them takes long.
  const number = BigInt(text.replace(/^[-+]?0*/, '').slice(0, 20) || '0')
  const signed = text.startsWith('-') ? -number : number
  if (signed > INT64_MAX || signed < -INT64_MAX - 1n) throw refuse('value out of range')
  return signed
}

export function flag(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name)
  return text === null ? undefined : isSet(text)
}
