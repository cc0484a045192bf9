// Structural schemas: every level of a custom resource says its type, value rules say nothing of structure and nothing the structure does not have.
import { isObject } from '#api/clone.ts'
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Errors } from '#api/validation/checks.ts'
import { patternProblem } from '#lib/pattern/pattern.ts'

type Level = 'root' | 'item' | 'field'
interface Place {
  path: string
  errors: Errors
  /** Known to be in order. */
  patterns: Set<string>
}

const EMPTY: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
}
const ONLY_NAMES = 'must not specify anything other than name and generateName, but metadata is implicitly specified'

/** Sorted, as upstream tells them. Schemas are bounded in depth before. */
export function* structuralErrors(schema: JSONSchemaProps, path: string): Generator<number, FieldError[]> {
  const errors: Errors = []
  const patterns = new Set<string>()
  yield* checkLevel(schema, 'root', { path, errors, patterns })
  yield* checkComplete(schema, { path, errors, patterns })
  const told = (error: FieldError) => `${error.field}: ${error.message}`
  return errors.sort((a, b) => (told(a) < told(b) ? -1 : 1))
}

function* checkLevel(schema: JSONSchemaProps, level: Level, { path, errors, patterns }: Place): Generator<number> {
  yield 1
  const { type, properties = {} } = schema
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true
  const intOrString = schema['x-kubernetes-int-or-string'] === true
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  if (type === 'array' && schema.items === undefined) errors.push(required(`${path}.items`, 'must be specified'))
  if (isObject(schema.items)) yield* checkLevel(schema.items as JSONSchemaProps, 'item', { path: `${path}.items`, errors, patterns })
  for (const [name, property] of Object.entries(properties))
    yield* checkLevel(property, 'field', { path: `${path}.properties[${name}]`, errors, patterns })
  if (schema.additionalProperties !== undefined) {
    if (level === 'root') errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'))
    if (isObject(schema.additionalProperties))
      yield* checkLevel(schema.additionalProperties as JSONSchemaProps, 'field', { path: `${path}.additionalProperties`, errors, patterns })
  }
  if (intOrString) checkIntOrString(schema, { path, errors, patterns })
  checkValues(schema, { path, errors, intOrString, patterns })
  if (embedded && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true'
    errors.push(type ? invalid(`${path}.type`, type, detail) : required(`${path}.type`, detail))
  } else if (!type && !intOrString && !open) errors.push(required(`${path}.type`, EMPTY[level]))
  if (embedded && schema.additionalProperties !== undefined)
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'))
  if (level === 'root' && type && type !== 'object') errors.push(invalid(`${path}.type`, type, 'must be object at the root'))
  if (level === 'root' || embedded) checkTypeMeta(properties, { path, errors, patterns })
  if (level === 'root' && Object.hasOwn(properties, 'metadata')) checkMetadata(properties.metadata!, `${path}.properties[metadata]`, errors)
  if (embedded && !open && Object.keys(properties).length === 0)
    errors.push(
      required(
        `${path}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    )
}

function checkIntOrString(schema: JSONSchemaProps, { path, errors }: Place): void {
  const both = ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const
  for (const field of both)
    if (schema[field]) errors.push(invalid(`${path}.${field}`, true, 'must be false if x-kubernetes-int-or-string is true'))
  if (schema.type) errors.push(invalid(`${path}.type`, schema.type, 'must be empty if x-kubernetes-int-or-string is true'))
}

function checkTypeMeta(properties: Record<string, JSONSchemaProps>, { path, errors }: Place): void {
  for (const [name, type] of [
    ['kind', 'string'],
    ['apiVersion', 'string'],
    ['metadata', 'object'],
  ] as const) {
    const given = Object.hasOwn(properties, name) ? (properties[name]!.type ?? '') : type
    if (given !== type) errors.push(invalid(`${path}.properties[${name}].type`, given, `must be ${type}`))
  }
}

/** Of metadata only name and generateName may be restricted. */
function checkMetadata({ type: _type, default: _default, properties = {}, ...rest }: JSONSchemaProps, path: string, errors: Errors): void {
  const names = Object.keys(properties)
  const structural = ['items', 'additionalProperties', 'title', 'description', 'nullable'] as const
  const extended = Object.keys(rest).some((field) => field.startsWith('x-kubernetes-'))
  if (extended || names.some((name) => name !== 'name' && name !== 'generateName') || structural.some((field) => rest[field] !== undefined))
    errors.push(forbidden(path, ONLY_NAMES))
}

/** `anyOf: [integer, string]`, which says again what x-kubernetes-int-or-string says. */
function isIntOrString(schemas: readonly JSONSchemaProps[] | undefined): boolean {
  const types = schemas?.map((one) => (Object.keys(one).length === 1 ? one.type : undefined)) ?? []
  return types.length === 2 && types[0] === 'integer' && types[1] === 'string'
}

interface Values extends Place {
  intOrString?: boolean
}

function checkValues(schema: JSONSchemaProps, { path, errors, intOrString = false, patterns }: Values): void {
  if (!(intOrString && isIntOrString(schema.anyOf)))
    for (const [at, one] of (schema.anyOf ?? []).entries()) checkNested(one, { path: `${path}.anyOf[${at}]`, errors, patterns })
  for (const [at, one] of (schema.allOf ?? []).entries())
    checkNested(one, { path: `${path}.allOf[${at}]`, errors, intOrString: intOrString && at === 0, rules: true, patterns })
  for (const [at, one] of (schema.oneOf ?? []).entries()) checkNested(one, { path: `${path}.oneOf[${at}]`, errors, patterns })
  if (schema.not) checkNested(schema.not, { path: `${path}.not`, errors, patterns })
  if (!schema.pattern || patterns.has(schema.pattern)) return
  const problem = patternProblem(schema.pattern)
  if (problem === undefined) patterns.add(schema.pattern)
  else
    errors.push(
      invalid(
        `${path}.pattern`,
        schema.pattern,
        `must be a valid regular expression, but isn't: error parsing regexp: ${problem}: \`${schema.pattern}\``,
      ),
    )
}

const NESTED: readonly [field: keyof JSONSchemaProps, text: string][] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
]

/** Inside allOf, anyOf, oneOf and not only values are judged; rules only below allOf. */
function checkNested(
  schema: JSONSchemaProps,
  { path, errors, intOrString = false, rules = false, patterns }: Values & { rules?: boolean },
): void {
  checkValues(schema, { path, errors, intOrString, patterns })
  if (isObject(schema.items)) checkNested(schema.items as JSONSchemaProps, { path: `${path}.items`, errors, rules, patterns })
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkNested(property, { path: `${path}.properties[${name}]`, errors, rules, patterns })
  for (const [field, text] of NESTED) {
    const value = schema[field]
    const empty = value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0)
    if (!empty) errors.push(forbidden(`${path}.${field}`, text))
  }
  if (!rules && schema['x-kubernetes-validations']?.length)
    errors.push(forbidden(`${path}.x-kubernetes-validations`, 'must be empty to be structural'))
  if (schema.properties && Object.hasOwn(schema.properties, 'metadata'))
    errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'))
}

/** What value rules speak of must be there. */
function* checkComplete(schema: JSONSchemaProps, { path, errors, patterns }: Place): Generator<number> {
  yield 1
  checkSpine(schema, schema, { path, errors, where: path, patterns })
  if (isObject(schema.items)) yield* checkComplete(schema.items as JSONSchemaProps, { path: `${path}.items`, errors, patterns })
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* checkComplete(property, { path: `${path}.properties[${name}]`, errors, patterns })
  if (isObject(schema.additionalProperties))
    yield* checkComplete(schema.additionalProperties as JSONSchemaProps, { path: `${path}.additionalProperties`, errors, patterns })
}

function checkSpine(said: JSONSchemaProps, schema: JSONSchemaProps, { path, errors, where, patterns }: Place & { where: string }): void {
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [at, one] of (said[field] ?? []).entries())
      checkBranch(one, schema, { path, errors, patterns, where: `${where}.${field}[${at}]` })
  if (said.not) checkBranch(said.not, schema, { path, errors, patterns, where: `${where}.not` })
}

function checkBranch(said: JSONSchemaProps, schema: JSONSchemaProps, { path, errors, where, patterns }: Place & { where: string }): void {
  checkSpine(said, schema, { path, errors, where, patterns })
  const missing = (at: string, by: string) => errors.push(required(at, `because it is defined in ${by}`))
  if (isObject(said.items)) {
    const [at, by] = [`${path}.items`, `${where}.items`]
    if (isObject(schema.items))
      checkBranch(said.items as JSONSchemaProps, schema.items as JSONSchemaProps, { path: at, errors, patterns, where: by })
    else missing(at, by)
  }
  for (const [name, property] of Object.entries(said.properties ?? {})) {
    const [at, by] = [`${path}.properties[${name}]`, `${where}.properties[${name}]`]
    const known = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    const other = isObject(schema.additionalProperties) ? (schema.additionalProperties as JSONSchemaProps) : undefined
    if (known) checkBranch(property, known, { path: at, errors, patterns, where: by })
    else if (other) checkBranch(property, other, { path: `${path}.additionalProperties`, errors, patterns, where: by })
    else missing(at, by)
  }
}
