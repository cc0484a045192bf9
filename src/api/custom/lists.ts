// What schemas say of whole lists and of objects inside objects: items of a set or map occur once; an embedded object is one.
import { getOwn, isObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { duplicate, type FieldError, required } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { validateObjectMeta } from '#api/meta/object-meta.ts'
import type { ObjectMeta } from '#api/object.ts'

/** What an item of a keyed list is known by, as text. */
export function itemKey(item: unknown, keys: readonly string[]): string {
  return JSON.stringify(keys.map((key) => (isObject(item) ? (getOwn(item, key) ?? null) : null)))
}

interface Place {
  path: string
  previous: unknown
  errors: FieldError[]
}

export function checkStructure(schema: JSONSchemaProps, value: unknown, { path, previous, errors }: Place): void {
  if (previous !== undefined && equal(value, previous)) return
  if (Array.isArray(value)) {
    checkDuplicates(schema, value, path, errors)
    if (!isObject(schema.items)) return
    for (const [index, item] of value.entries())
      checkStructure(schema.items as JSONSchemaProps, item, { path: `${path}[${index}]`, previous: undefined, errors })
    return
  }
  if (!isObject(value)) return
  if (schema['x-kubernetes-embedded-resource']) checkEmbedded(value, path, errors)
  for (const name of Object.keys(value)) {
    const { properties = {}, additionalProperties } = schema
    const property = (getOwn(properties, name) ?? additionalProperties) as JSONSchemaProps | undefined
    if (!isObject(property)) continue
    const before = isObject(previous) ? getOwn(previous, name) : undefined
    checkStructure(property, value[name], { path: path ? `${path}.${name}` : name, previous: before, errors })
  }
}

function checkDuplicates(schema: JSONSchemaProps, list: unknown[], path: string, errors: FieldError[]): void {
  const type = schema['x-kubernetes-list-type']
  if (type !== 'set' && type !== 'map') return
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const seen = new Set<string>()
  for (const [index, item] of list.entries()) {
    const text = type === 'map' ? itemKey(item, keys) : JSON.stringify(item)
    if (seen.has(text)) errors.push(duplicate(`${path}[${index}]`, type === 'map' ? keyed(item, keys) : item))
    seen.add(text)
  }
}

function keyed(item: unknown, keys: readonly string[]): unknown {
  return Object.fromEntries(keys.flatMap((key) => (isObject(item) && getOwn(item, key) !== undefined ? [[key, getOwn(item, key)]] : [])))
}

function checkEmbedded(object: Record<string, unknown>, path: string, errors: FieldError[]): void {
  for (const field of ['apiVersion', 'kind']) if (!getOwn(object, field)) errors.push(required(`${path}.${field}`, 'must not be empty'))
  const meta = getOwn(object, 'metadata') as ObjectMeta | undefined
  if (!meta) return
  const named = meta.name || meta.generateName ? meta : { ...meta, name: 'unnamed' }
  errors.push(...validateObjectMeta({ scope: meta.namespace ? 'Namespaced' : 'Cluster' }, named, `${path}.metadata`))
}
