// Structural schemas: every level of a custom resource says its type, value rules say nothing of structure, extensions fit their place.
import { compilePattern } from '#lib/pattern/pattern.ts'
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Errors } from '#api/validation/checks.ts'

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const UNSUPPORTED = [
  '$ref',
  'definitions',
  'dependencies',
  'patternProperties',
  'additionalItems',
  'id',
  'deprecated',
  'discriminator',
  'readOnly',
  'writeOnly',
  'xml',
] as const
/** Bound for schemas that nest without end. */
const DEEPEST = 128

interface Place {
  path: string
  errors: Errors
  depth: number
}

export function checkStructural(schema: JSONSchemaProps, path: string, errors: Errors): void {
  if (schema.type !== 'object')
    errors.push(
      schema.type
        ? invalid(`${path}.type`, schema.type, 'must be object at the root')
        : required(`${path}.type`, 'must not be empty at the root'),
    )
  if (schema.nullable) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'))
  checkLevel(schema, { path, errors, depth: 0 }, true)
}

function checkLevel(schema: JSONSchemaProps, { path, errors, depth }: Place, root = false): void {
  if (depth > DEEPEST) return void errors.push(invalid(path, '', `schema is nested deeper than ${DEEPEST} levels`))
  for (const field of UNSUPPORTED)
    if (isSet(schema[field as keyof JSONSchemaProps]))
      errors.push(forbidden(`${path}.${field}`, UNSUPPORTED_TEXT[field] ?? `${field} is not supported`))
  if (schema.uniqueItems)
    errors.push(forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'))
  if (schema['x-kubernetes-validations']?.length)
    errors.push(forbidden(`${path}.x-kubernetes-validations`, 'validation rules (CEL) are not supported by this server'))
  const intOrString = schema['x-kubernetes-int-or-string'] === true
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true
  if (!schema.type) {
    if (!intOrString && !open && !root) errors.push(required(`${path}.type`, 'must not be empty for specified object fields'))
  } else if (!TYPES.includes(schema.type)) errors.push(notSupported(`${path}.type`, schema.type, TYPES))
  else if (intOrString) errors.push(invalid(`${path}.type`, schema.type, 'must be empty if x-kubernetes-int-or-string is true'))
  if (open && schema.type && schema.type !== 'object')
    errors.push(
      invalid(`${path}.x-kubernetes-preserve-unknown-fields`, true, 'must be object if x-kubernetes-preserve-unknown-fields is true'),
    )
  if (schema['x-kubernetes-embedded-resource'] && schema.type !== 'object')
    errors.push(invalid(`${path}.type`, schema.type ?? '', 'must be object if x-kubernetes-embedded-resource is true'))
  if (schema.additionalProperties !== undefined && schema.properties)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
  checkLists(schema, path, errors)
  if (schema.pattern !== undefined && !compilePattern(schema.pattern))
    errors.push(invalid(`${path}.pattern`, schema.pattern, 'must be a valid regular expression'))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (root && name === 'metadata') checkMetadata(property, `${path}.properties[metadata]`, errors)
    checkLevel(property, { path: `${path}.properties[${name}]`, errors, depth: depth + 1 })
  }
  if (isObject(schema.items)) checkLevel(schema.items as JSONSchemaProps, { path: `${path}.items`, errors, depth: depth + 1 })
  if (isObject(schema.additionalProperties))
    checkLevel(schema.additionalProperties as JSONSchemaProps, { path: `${path}.additionalProperties`, errors, depth: depth + 1 })
  const junctors = [
    ...(['allOf', 'anyOf', 'oneOf'] as const).flatMap((field) =>
      (schema[field] ?? []).map((one, index) => [one, `${path}.${field}[${index}]`] as const),
    ),
    ...(schema.not ? [[schema.not, `${path}.not`] as const] : []),
  ]
  for (const [one, at] of junctors) checkJunctor(one, { path: at, errors, depth: depth + 1 }, intOrString)
}

const UNSUPPORTED_TEXT: Partial<Record<string, string>> = {
  $ref: '$ref is not supported',
  definitions: 'definitions is not supported',
  dependencies: 'dependencies is not supported',
  patternProperties: 'patternProperties is not supported',
  additionalItems: 'additionalItems is not supported',
  id: 'id is not supported',
}

/** Inside allOf, anyOf, oneOf and not only values are judged. */
function checkJunctor(schema: JSONSchemaProps, { path, errors, depth }: Place, intOrString: boolean): void {
  if (depth > DEEPEST) return
  const forbid = (field: keyof JSONSchemaProps, text = 'must be empty to be structural') => {
    if (isSet(schema[field]) && schema[field] !== false) errors.push(forbidden(`${path}.${field}`, text))
  }
  if (!(intOrString && (schema.type === 'integer' || schema.type === 'string'))) forbid('type')
  for (const field of [
    'description',
    'default',
    'nullable',
    'additionalProperties',
    'x-kubernetes-preserve-unknown-fields',
    'x-kubernetes-embedded-resource',
    'x-kubernetes-int-or-string',
  ] as const)
    forbid(field)
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkJunctor(property, { path: `${path}.properties[${name}]`, errors, depth: depth + 1 }, false)
  if (isObject(schema.items)) checkJunctor(schema.items as JSONSchemaProps, { path: `${path}.items`, errors, depth: depth + 1 }, false)
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [index, one] of (schema[field] ?? []).entries())
      checkJunctor(one, { path: `${path}.${field}[${index}]`, errors, depth: depth + 1 }, intOrString)
}

/** Of metadata only name and generateName may be restricted. */
function checkMetadata(schema: JSONSchemaProps, path: string, errors: Errors): void {
  for (const field of Object.keys(schema))
    if (!['type', 'properties', 'description', 'required'].includes(field))
      errors.push(forbidden(path, 'must not specify anything other than name and generateName, but metadata is implicitly specified'))
  for (const name of Object.keys(schema.properties ?? {}))
    if (name !== 'name' && name !== 'generateName')
      errors.push(
        forbidden(
          `${path}.properties[${name}]`,
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        ),
      )
}

function checkLists(schema: JSONSchemaProps, path: string, errors: Errors): void {
  const { 'x-kubernetes-list-type': listType, 'x-kubernetes-list-map-keys': keys, 'x-kubernetes-map-type': mapType } = schema
  if (schema.type === 'array' && !schema.items) errors.push(required(`${path}.items`, 'must be specified'))
  if (Array.isArray(schema.items)) errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'))
  if (listType !== undefined) {
    if (schema.type !== 'array')
      errors.push(invalid(`${path}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'))
    if (!['atomic', 'map', 'set'].includes(listType))
      errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set']))
    if (listType === 'map' && !keys?.length)
      errors.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'))
  }
  if (keys?.length && listType !== 'map')
    errors.push(invalid(`${path}.x-kubernetes-list-type`, listType ?? '', 'must be map if x-kubernetes-list-map-keys is non-empty'))
  const items = schema.items as JSONSchemaProps | undefined
  for (const key of listType === 'map' && isObject(items) ? (keys ?? []) : []) {
    const property = items?.properties?.[key]
    if (!property) errors.push(invalid(`${path}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties'))
    else if (!items?.required?.includes(key) && property.default === undefined)
      errors.push(
        required(
          `${path}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      )
  }
  if (mapType === undefined) return
  if (schema.type !== 'object')
    errors.push(invalid(`${path}.type`, schema.type ?? '', 'must be object if x-kubernetes-map-type is specified'))
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
}

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
