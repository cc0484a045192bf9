// What a definition's schema may say at all, level by level: keywords that are not supported, extensions that do not fit, rules that are not written out.
import { isObject } from '#api/clone.ts'
import { FieldPathError, fieldPathOf } from '#api/custom/field-path.ts'
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { JSONSchemaProps, ValidationRule } from '#api/generated/types.ts'
import type { Errors } from '#api/validation/checks.ts'

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']
const UNSUPPORTED = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const
const META = new Set(['metadata', 'kind', 'apiVersion'])
/** Bound for schemas that nest without end: no later walk need worry. */
const DEEPEST = 128

export interface PropsPlace {
  path: string
  errors: Errors
  root?: boolean
  depth?: number
  /** Why no default may be set here. */
  noDefault?: string | undefined
  insideMeta?: boolean
}

/** Yields once for each level. */
export function* checkSchemaProps(schema: JSONSchemaProps, place: PropsPlace): Generator<number> {
  yield 1
  const { path, errors, root = false, depth = 0, noDefault = root ? 'at the root' : undefined, insideMeta = false } = place
  if (depth > DEEPEST) return void errors.push(invalid(path, '', `schema is nested deeper than ${DEEPEST} levels`))
  const below = { errors, depth: depth + 1, noDefault: root ? undefined : noDefault, insideMeta }
  if (schema.type && !TYPES.includes(schema.type)) errors.push(notSupported(`${path}.type`, schema.type, TYPES))
  if (schema.default !== undefined && noDefault !== undefined) errors.push(forbidden(`${path}.default`, `must not be set ${noDefault}`))
  for (const field of UNSUPPORTED) if (isSet(schema[field])) errors.push(forbidden(`${path}.${field}`, `${field} is not supported`))
  if (schema.type === 'null') errors.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'))
  if (Array.isArray(schema.items)) errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'))
  if (insideMeta && schema['x-kubernetes-embedded-resource'])
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'))
  if (schema.uniqueItems)
    errors.push(forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'))
  if (schema.additionalProperties !== undefined) {
    if (Object.keys(schema.properties ?? {}).length > 0 && schema.additionalProperties !== true)
      errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
    const inMeta = insideMeta ? 'inside additionalProperties applying to object metadata' : below.noDefault
    if (isObject(schema.additionalProperties))
      yield* checkSchemaProps(schema.additionalProperties as JSONSchemaProps, {
        ...below,
        path: `${path}.additionalProperties`,
        noDefault: inMeta,
      })
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const meta = META.has(name) && (root || schema['x-kubernetes-embedded-resource'] === true)
    yield* checkSchemaProps(property, {
      ...below,
      path: `${path}.properties[${name}]`,
      insideMeta: insideMeta || meta,
      noDefault: meta && root ? `in top-level ${name}` : below.noDefault,
    })
  }
  if (isObject(schema.items)) yield* checkSchemaProps(schema.items as JSONSchemaProps, { ...below, path: `${path}.items` })
  if (schema.not) yield* checkSchemaProps(schema.not, { ...below, path: `${path}.not` })
  for (const field of ['allOf', 'oneOf', 'anyOf'] as const)
    for (const [at, one] of (schema[field] ?? []).entries()) yield* checkSchemaProps(one, { ...below, path: `${path}.${field}[${at}]` })
  checkExtensions(schema, path, errors)
  for (const [at, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
    checkRuleText(rule, schema, { path: `${path}.x-kubernetes-validations[${at}]`, errors })
}

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

function checkExtensions(schema: JSONSchemaProps, path: string, errors: Errors): void {
  const { type, 'x-kubernetes-map-type': mapType, 'x-kubernetes-list-type': listType, 'x-kubernetes-list-map-keys': keys = [] } = schema
  const mustBe = (wanted: string, detail: string) => {
    if (type === wanted) return
    errors.push(type ? invalid(`${path}.type`, type, detail) : required(`${path}.type`, detail))
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  if (mapType !== undefined) {
    mustBe('object', 'must be object if x-kubernetes-map-type is specified')
    if (mapType !== 'atomic' && mapType !== 'granular')
      errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
  }
  if (listType !== undefined) {
    mustBe('array', 'must be array if x-kubernetes-list-type is specified')
    if (type === 'array' && listType === 'set' && isObject(schema.items)) checkSetItems(schema.items as JSONSchemaProps, path, errors)
    if (!['atomic', 'set', 'map'].includes(listType))
      errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set']))
  }
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty'
    errors.push(listType ? invalid(`${path}.x-kubernetes-list-type`, listType, detail) : required(`${path}.x-kubernetes-list-type`, detail))
  }
  if (listType === 'map') checkListMap(schema, path, errors)
  if ((listType === 'set' || listType === 'map') && isObject(schema.items) && (schema.items as JSONSchemaProps).nullable)
    errors.push(forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`))
}

/** Items of a set are compared whole. */
function checkSetItems(items: JSONSchemaProps, path: string, errors: Errors): void {
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const listType = items['x-kubernetes-list-type']
  const mapType = items['x-kubernetes-map-type']
  if (items.type === 'array' && listType !== undefined && listType !== 'atomic')
    errors.push(invalid(`${path}.items.x-kubernetes-list-type`, listType, detail))
  if (items.type === 'object' && mapType !== 'atomic') errors.push(invalid(`${path}.items.x-kubernetes-map-type`, listType, detail))
}

function checkListMap({ items, 'x-kubernetes-list-map-keys': keys = [] }: JSONSchemaProps, path: string, errors: Errors): void {
  const at = `${path}.x-kubernetes-list-map-keys`
  if (keys.length === 0) errors.push(required(at, 'must not be empty if x-kubernetes-list-type is map'))
  if (items === undefined) return void errors.push(required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'))
  if (!isObject(items))
    return void errors.push(invalid(`${path}.items`, items, 'must only have a single schema if x-kubernetes-list-type is map'))
  const item = items as JSONSchemaProps
  if (item.type !== 'object')
    return void errors.push(
      invalid(`${path}.items.type`, item.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"),
    )
  const seen = new Set<string>()
  for (const key of keys) {
    const property = item.properties && Object.hasOwn(item.properties, key) ? item.properties[key] : undefined
    const where = `${path}.items.properties[${key}]`
    if (!property) errors.push(invalid(at, keys, 'entries must all be names of item properties'))
    else {
      if (property.type === 'array' || property.type === 'object')
        errors.push(invalid(`${where}.type`, item.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"))
      if (!item.required?.includes(key) && property.default === undefined)
        errors.push(
          required(
            `${where}.default`,
            'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
          ),
        )
      if (property.nullable)
        errors.push(forbidden(`${where}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'))
    }
    if (seen.has(key)) errors.push(invalid(at, keys, 'must not contain duplicate entries'))
    seen.add(key)
  }
}

const hasNewlines = (text: string): boolean => /[\n\r]/.test(text)

function checkRuleText(
  { rule = '', message = '', messageExpression = '', reason, fieldPath = '' }: ValidationRule,
  schema: JSONSchemaProps,
  { path, errors }: { path: string; errors: Errors },
): void {
  const [text, told] = [rule.trim(), message.trim()]
  if (text === '') errors.push(required(`${path}.rule`, 'rule is not specified'))
  else if (message !== '' && told === '') errors.push(invalid(`${path}.message`, message, 'message must be non-empty if specified'))
  else if (hasNewlines(told)) errors.push(invalid(`${path}.message`, message, 'message must not contain line breaks'))
  else if (hasNewlines(text) && told === '')
    errors.push(required(`${path}.message`, 'message must be specified if rule contains line breaks'))
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'))
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS))
  if (fieldPath === '') return
  if (fieldPath.trim() === '') errors.push(invalid(`${path}.fieldPath`, fieldPath, 'fieldPath must be non-empty if specified'))
  if (hasNewlines(fieldPath)) errors.push(invalid(`${path}.fieldPath`, fieldPath, 'fieldPath must not contain line breaks'))
  if (!isFieldPath(fieldPath, schema)) errors.push(invalid(`${path}.fieldPath`, fieldPath, 'fieldPath must be a valid path'))
}

function isFieldPath(text: string, schema: JSONSchemaProps): boolean {
  try {
    return fieldPathOf(text, schema) !== ''
  } catch (error) {
    if (error instanceof FieldPathError) return false
    throw error
  }
}
