// Configuration in files that look like API objects: read strictly, told of in one error that names every field.
import { parseGoDuration } from '#lib/duration.ts'
import { isObject } from './clone.ts'
import { parseYaml, YamlError } from './codec/yaml.ts'
import type { FieldError } from './field-error.ts'

export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

const API_SERVER_GROUP = 'apiserver.config.k8s.io'

/** The document, which must be of that kind in one of those versions. */
export function parseConfiguration(
  text: string,
  { kind, group = API_SERVER_GROUP, versions = ['v1', 'v1beta1', 'v1alpha1'] }: { kind: string; group?: string; versions?: string[] },
): Record<string, unknown> {
  let value: unknown
  try {
    const document = parseYaml(text)
    if (document.duplicates) throw new ConfigurationError(`strict decoding error: ${document.duplicates}`)
    value = document.value
  } catch (error) {
    throw error instanceof YamlError ? new ConfigurationError(error.message) : error
  }
  if (!isObject(value)) throw new ConfigurationError(`not a ${kind}: the file holds no object`)
  const { apiVersion = '', kind: given = '' } = value as { apiVersion?: string; kind?: string }
  if (given !== kind || !versions.some((version) => apiVersion === `${group}/${version}`))
    throw new ConfigurationError(
      `no kind ${JSON.stringify(given)} is registered for version ${JSON.stringify(apiVersion)}: say kind ${kind}, apiVersion ${group}/${versions[0]}`,
    )
  return withoutNulls(value) as Record<string, unknown>
}

/** Fields that are null are not there; items of lists are what they are. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).flatMap(([field, part]) => (part === null ? [] : [[field, withoutNulls(part)]])))
}

/** What an object may hold: nothing further, or fields with shapes of their own; a list's shape is that of its items. */
export type Shape = 'text' | 'flag' | 'number' | 'integer' | 'duration' | 'anything' | { [field: string]: Shape } | [Shape]

/** Collects what does not fit, in the words of upstream's strict decoder. */
export function misfits(value: unknown, shape: Shape, path = ''): string[] {
  if (value === undefined || value === null || shape === 'anything') return []
  if (shape === 'text' || shape === 'duration') {
    if (typeof value !== 'string') return [`${path}: must be a string`]
    return shape === 'text' || parseGoDuration(value) !== undefined ? [] : [`${path}: time: invalid duration ${JSON.stringify(value)}`]
  }
  if (shape === 'flag') return typeof value === 'boolean' ? [] : [`${path}: must be true or false`]
  if (shape === 'integer') return Number.isInteger(value) ? [] : [`${path}: must be a whole number`]
  if (shape === 'number') return typeof value === 'number' ? [] : [`${path}: must be a number`]
  if (Array.isArray(shape))
    return Array.isArray(value)
      ? value.flatMap((item, index) =>
          item === null ? [`${path}[${index}]: must not be null`] : misfits(item, shape[0], `${path}[${index}]`),
        )
      : [`${path}: must be a list`]
  if (!isObject(value)) return [`${path}: must be an object`]
  return Object.entries(value).flatMap(([field, part]) => {
    const at = path ? `${path}.${field}` : field
    return Object.hasOwn(shape, field) ? misfits(part, shape[field]!, at) : [`unknown field ${JSON.stringify(at)}`]
  })
}

export function assertShape(value: unknown, shape: Shape): void {
  const found = misfits(value, shape)
  if (found.length > 0) throw new ConfigurationError(`strict decoding error: ${found.join(', ')}`)
}

export function refuseAll(errors: readonly FieldError[]): void {
  if (errors.length === 0) return
  const texts = errors.map(({ field, message }) => `${field}: ${message}`)
  throw new ConfigurationError(texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`)
}

/** Go's durations (`1m30s`) that are not negative, in milliseconds. */
export function parseDuration(text: string): number | undefined {
  const ms = parseGoDuration(text)
  return ms !== undefined && ms >= 0 ? ms : undefined
}
