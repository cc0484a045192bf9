// How server-side apply sees a value: a leaf (scalar or atomic), a map of fields, or a list whose items are known by key or by value.
import type { Schema } from '#api/schema.ts'
import { keyElement, valueElement } from './path-element.ts'

/** Values nothing is known of: maps merge, lists are atomic. */
const DEDUCED: Schema = { type: 'any', preserveUnknownFields: true }

export type Shape = 'leaf' | 'map' | 'keyed' | 'set'

export function shapeOf(schema: Schema | undefined, value: unknown): Shape {
  if (value === null || value === undefined) return shapeOfType(schema)
  if (typeof value !== 'object') return 'leaf'
  if (Array.isArray(value)) return schema?.type === 'array' ? shapeOfType(schema) : 'leaf'
  return !schema || schema.type !== 'array' ? shapeOfMap(schema) : 'leaf'
}

function shapeOfType(schema: Schema | undefined): Shape {
  if (schema?.type === 'array') return schema.listType === 'map' ? 'keyed' : schema.listType === 'set' ? 'set' : 'leaf'
  return schema?.type === 'object' ? shapeOfMap(schema) : 'leaf'
}

function shapeOfMap(schema: Schema | undefined): Shape {
  if (!schema) return 'map'
  if (schema.mapType === 'atomic') return 'leaf'
  return schema.properties || schema.additionalProperties || schema.preserveUnknownFields ? 'map' : 'leaf'
}

/** Schema of a member; undefined where the schema knows of none. */
export function memberSchema(schema: Schema | undefined, key: string): Schema | undefined {
  if (!schema) return DEDUCED
  if (schema.properties && Object.hasOwn(schema.properties, key)) return schema.properties[key]
  return schema.additionalProperties ?? (schema.preserveUnknownFields ? DEDUCED : undefined)
}

export interface Member {
  /** Its path element. */
  element: string
  schema: Schema | undefined
}

/** The fields of each structure that have been asked for: to spell a path element anew costs more than all else about it. */
const known = new WeakMap<Schema, Map<string, Member>>()

export function memberOf(schema: Schema | undefined, key: string): Member {
  if (!schema || !isNamedField(schema, key)) return { element: `f:${key}`, schema: memberSchema(schema, key) }
  let fields = known.get(schema)
  if (!fields) known.set(schema, (fields = new Map()))
  let member = fields.get(key)
  if (!member) fields.set(key, (member = { element: `f:${key}`, schema: schema.properties![key] }))
  return member
}

/** Whether the member is a field of a structure rather than an entry of a map. */
export function isNamedField(schema: Schema | undefined, key: string): boolean {
  return schema?.properties !== undefined && Object.hasOwn(schema.properties, key)
}

/** The path element of a list item; undefined where the item does not say what it is. */
export function itemElement(schema: Schema, shape: 'keyed' | 'set', item: unknown): string | undefined {
  if (shape === 'set') return typeof item === 'object' ? undefined : valueElement(item)
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined
  const keys: Record<string, unknown> = {}
  let known = 0
  for (const key of schema.listMapKeys ?? []) {
    const value = Object.hasOwn(item, key) ? (item as Record<string, unknown>)[key] : undefined
    const named = value ?? keyDefault(schema.items, key)
    if (named === undefined) continue
    keys[key] = named
    known++
  }
  return known ? keyElement(keys) : undefined
}

/** What a key field holds when an item leaves it out. */
function keyDefault(items: Schema | undefined, key: string): unknown {
  const field = items?.properties?.[key]
  if (!field) return undefined
  if (field.default !== undefined) return field.default
  if (!items?.name) return undefined
  if (key === 'protocol') return 'TCP'
  if (!items.required?.includes(key) && items.name !== 'io.k8s.api.core.v1.LocalObjectReference') return undefined
  return field.type === 'string' ? '' : field.type === 'boolean' ? false : 0
}

/** Items by path element, in order; `duplicates` are elements that occur more than once. Items that do not say what they are go by their index. */
export interface Items {
  readonly order: readonly string[]
  readonly byElement: ReadonlyMap<string, unknown>
  readonly duplicates: ReadonlySet<string>
}

const NO_ITEMS: Items = { order: [], byElement: new Map(), duplicates: new Set() }

export function itemsOf(schema: Schema, shape: 'keyed' | 'set', list: unknown): Items {
  if (!Array.isArray(list) || list.length === 0) return NO_ITEMS
  const items = { order: [] as string[], byElement: new Map<string, unknown>(), duplicates: new Set<string>() }
  for (let index = 0; index < list.length; index++) {
    const item: unknown = list[index]
    const element = itemElement(schema, shape, item) ?? `i:${index}`
    if (items.byElement.has(element)) items.duplicates.add(element)
    else items.byElement.set(element, item)
    items.order.push(element)
  }
  return items
}

export function isEmptyContainer(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (Array.isArray(value)) return value.length === 0
  for (const key in value as object) if ((value as Record<string, unknown>)[key] !== undefined) return false
  return true
}
