// The types of Kubernetes objects in expressions: from the schemas of built-in kinds and from those of custom resources. Made once for each schema,
// as its fields are asked for.
import { isObject } from '#api/clone.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Schema } from '#api/schema.ts'
import { durationOf, timestampOf } from '#lib/cel/time.ts'
import { BOOL, DOUBLE, DYN, type Field, INT, listOf, mapOf, STRING, stringOf, Type } from '#lib/cel/types.ts'
import { adapt, Failure } from '#lib/cel/values.ts'
import { escapeName } from './escape.ts'

/** What a request may hold: no value in it can be larger. */
export const MAX_REQUEST_BYTES = 3 * 1024 * 1024
const MIN_KEY = 5

const timeType = (maxSize: number, minSize: number): Type =>
  new Type('timestamp', 'timestamp', {
    maxSize,
    minSize,
    adapt: (raw) => (typeof raw === 'string' ? timestampOf(raw.length === 10 ? `${raw}T00:00:00Z` : raw) : adapt(raw, DYN)),
  })
const DATE_TIME = timeType(36, 22)
const DATE = timeType(12, 12)
const durationType = new Type('duration', 'duration', {
  maxSize: MAX_REQUEST_BYTES - 2,
  minSize: 2,
  adapt: (raw) => (typeof raw === 'string' ? durationOf(raw) : adapt(raw, DYN)),
})
const bytesType = (maxSize: number): Type =>
  new Type('bytes', 'bytes', {
    maxSize,
    minSize: 2,
    adapt: (raw) => (typeof raw === 'string' ? bytesOf(raw) : adapt(raw, DYN)),
  })

function bytesOf(text: string) {
  return /^[A-Za-z0-9+/=\s]*$/.test(text) ? new Uint8Array(Buffer.from(text, 'base64')) : new Failure('illegal base64 data')
}

const INT_OR_STRING = new Type('dyn', 'dyn', { maxSize: MAX_REQUEST_BYTES - 2, minSize: 1 })

/** Fields by the names expressions know them by, found when one is asked for. */
function objectType(name: string, fields: () => Iterable<readonly [key: string, type: Type | undefined]>, minSize = 2): Type {
  let found: Map<string, Field> | undefined
  const all = () => {
    if (found) return found
    found = new Map()
    for (const [key, type] of fields()) {
      const spelled = type && escapeName(key)
      if (spelled !== undefined) found.set(spelled, { type: type!, key })
    }
    return found
  }
  return new Type('object', name, { field: (field) => all().get(field), fieldNames: () => all().keys(), minSize, maxSize: 0 })
}

/** Fields are called what they are called, `namespace` too: only an identifier could not be. */
export function structType(name: string, fields: Record<string, Type>): Type {
  const known = new Map(Object.entries(fields).map(([key, type]) => [key, { type, key }]))
  return new Type('object', name, { field: (field) => known.get(field), fieldNames: () => known.keys() })
}

const builtIn = new WeakMap<Schema, Type>()

/** The type of what a built-in kind's schema describes. */
export function schemaType(schema: Schema): Type {
  const known = builtIn.get(schema)
  if (known) return known
  const type = builtInType(schema)
  builtIn.set(schema, type)
  return type
}

function builtInType({ type, format, name, properties, items, additionalProperties }: Schema): Type {
  switch (type) {
    case 'boolean':
      return BOOL
    case 'integer':
      return INT
    case 'number':
      return DOUBLE
    case 'array':
      return listOf(items ? schemaType(items) : DYN)
    case 'string':
      if (format === 'date-time' || format === 'micro-time') return DATE_TIME
      if (format === 'byte') return bytesType(MAX_REQUEST_BYTES)
      return format === 'quantity' ? DYN : STRING
    case 'object':
      if (properties) return objectType(name ?? 'object', () => Object.entries(properties).map(([key, field]) => [key, schemaType(field)]))
      return additionalProperties ? mapOf(STRING, schemaType(additionalProperties)) : DYN
    default:
      return DYN
  }
}

/** The type of a custom resource's value; undefined where its schema says too little for expressions to look inside. `root`: a whole resource. */
export function customType(
  schema: JSONSchemaProps,
  { root = false, name = 'object' }: { root?: boolean; name?: string } = {},
): Type | undefined {
  if (schema['x-kubernetes-int-or-string']) return INT_OR_STRING
  switch (schema.type) {
    case 'boolean':
      return sizedBool
    case 'integer':
      return sizedInt
    case 'number':
      return sizedDouble
    case 'string':
      return textType(schema)
    case 'array': {
      const items = isObject(schema.items)
        ? customType(schema.items as JSONSchemaProps, { name: `${name}.@idx`, root: isEmbedded(schema.items as JSONSchemaProps) })
        : undefined
      return (
        items && listOf(items, schema.maxItems ?? Math.floor((MAX_REQUEST_BYTES - 2) / (minSizeOf(schema.items as JSONSchemaProps) + 1)))
      )
    }
    case 'object':
      return mapOrObject(schema, { root: root || isEmbedded(schema), name })
    default:
      return root ? mapOrObject(schema, { root, name }) : undefined
  }
}

const isEmbedded = (schema: JSONSchemaProps): boolean => schema['x-kubernetes-embedded-resource'] === true
const sizedBool = new Type('bool', 'bool', { minSize: 4, maxSize: 0 })
const sizedInt = new Type('int', 'int', { minSize: 1, maxSize: 0 })
const sizedDouble = new Type('double', 'double', { minSize: 1, maxSize: 0 })

function textType({ format, maxLength, enum: values }: JSONSchemaProps): Type {
  if (format === 'byte') return bytesType(maxLength ?? MAX_REQUEST_BYTES - 2)
  if (format === 'duration') return durationType
  if (format === 'date') return DATE
  if (format === 'date-time' || format === 'datetime') return DATE_TIME
  if (maxLength !== undefined) return stringOf(Math.max(0, maxLength))
  if (values?.length) return stringOf(Math.max(...values.map((value) => (typeof value === 'string' ? value.length : 0))))
  return stringOf(MAX_REQUEST_BYTES - 2)
}

const META = () => [['name', STRING_OF_REQUEST] as const, ['generateName', STRING_OF_REQUEST] as const]
const STRING_OF_REQUEST = stringOf(MAX_REQUEST_BYTES - 2)
const metaType = objectType('ObjectMeta', META)

function mapOrObject(schema: JSONSchemaProps, { root, name }: { root: boolean; name: string }): Type | undefined {
  const { properties = {}, additionalProperties } = schema
  if (isObject(additionalProperties)) {
    const values = additionalProperties as JSONSchemaProps
    const type = customType(values, { name: `${name}.@elem`, root: isEmbedded(values) })
    const most = Math.floor((MAX_REQUEST_BYTES - 2) / (minSizeOf(values) + MIN_KEY))
    return type && mapOf(STRING_OF_REQUEST, type, schema.maxProperties ?? most)
  }
  const fields = function* (): Iterable<readonly [string, Type | undefined]> {
    if (root) yield* [['apiVersion', STRING_OF_REQUEST] as const, ['kind', STRING_OF_REQUEST] as const, ['metadata', metaType] as const]
    for (const [key, field] of Object.entries(properties))
      if (!root || (key !== 'apiVersion' && key !== 'kind' && key !== 'metadata'))
        yield [key, customType(field, { name: `${name}.${key}` })]
  }
  return objectType(name, fields, minSizeOf(schema))
}

/** The fewest bytes a value of the schema takes in JSON. */
export function minSizeOf(schema: JSONSchemaProps, depth = 0): number {
  if (schema['x-kubernetes-int-or-string'] || depth > 50) return 1
  switch (schema.type) {
    case 'boolean':
      return 4
    case 'string':
      return schema.format === 'date' ? 12 : schema.format === 'date-time' ? 22 : 2
    case 'array':
      return 2
    case 'object': {
      let size = 2
      for (const name of schema.required ?? []) {
        const field = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
        if (field && field.default === undefined) size += name.length + 4 + minSizeOf(field, depth + 1)
      }
      return size
    }
    default:
      return 1
  }
}
