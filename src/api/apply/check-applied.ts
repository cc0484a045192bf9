// Whether an applied configuration fits its schema: known fields, right types, named and unique list items. Collects every error.
import type { Schema } from '#api/schema.ts'
import { formatPath } from './fields.ts'
import { itemElement, memberSchema, shapeOf } from './shape.ts'

/** Messages as structured merge words them: `.spec.foo: field not declared in schema`. */
export function checkApplied(schema: Schema, value: unknown): string[] {
  const errors: string[] = []
  check(schema, value, { path: [], errors })
  return errors
}

interface Place {
  path: readonly string[]
  errors: string[]
}

function check(schema: Schema, value: unknown, { path, errors }: Place): void {
  if (value === null || value === undefined) return
  const refuse = (message: string, at = path) => void errors.push(`${formatPath(at)}: ${message}`)
  const expected = expectation(schema, value)
  if (expected) return refuse(`expected ${expected}, got ${goValue(value)}`)
  if (Array.isArray(value)) {
    const shape = shapeOf(schema, value)
    if (shape === 'leaf' || shape === 'map') {
      if (schema.items) for (const [index, item] of value.entries()) check(schema.items, item, { path: [...path, `i:${index}`], errors })
      return
    }
    const seen = new Set<string>()
    for (const [index, item] of value.entries()) {
      const element = itemElement(schema, shape, item)
      if (element === undefined) refuse(`element ${index}: ${unnamed(schema, shape, item)}`)
      else if (seen.has(element)) refuse(`duplicate entries for key ${formatPath([element])}`)
      else if (shape === 'keyed') check(schema.items!, item, { path: [...path, element], errors })
      if (element !== undefined) seen.add(element)
    }
    return
  }
  if (typeof value !== 'object' || schema.type !== 'object') return
  for (const [key, member] of Object.entries(value)) {
    const below = memberSchema(schema, key)
    const at = [...path, `f:${key}`]
    if (!below) {
      if (schema.properties) refuse('field not declared in schema', at)
    } else {
      check(below, member, { path: at, errors })
    }
  }
}

/** What should have been there, if it is not. */
function expectation({ type, format }: Schema, value: unknown): string | undefined {
  if (type === 'any' || format === 'quantity' || format === 'int-or-string' || format === 'date-time' || format === 'micro-time')
    return undefined
  if (type === 'object') return typeof value === 'object' && !Array.isArray(value) ? undefined : 'map'
  if (type === 'array') return Array.isArray(value) ? undefined : 'list'
  if (type === 'boolean') return typeof value === 'boolean' ? undefined : 'boolean'
  if (type === 'string') return typeof value === 'string' ? undefined : 'string'
  return typeof value === 'number' ? undefined : 'numeric (int or float)'
}

function goValue(value: unknown): string {
  if (typeof value === 'string') return 'string'
  return `&value.valueUnstructured{Value:${JSON.stringify(value)}}`
}

function unnamed(schema: Schema, shape: 'keyed' | 'set', item: unknown): string {
  if (shape === 'set') return `don't know how to name ${JSON.stringify(item)} in a set`
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return 'associative list with keys may not have non-map elements'
  const keys = (schema.listMapKeys ?? []).map((key) => JSON.stringify(key)).join(' ')
  return `associative list with keys has an element that omits all key fields [${keys}] (and doesn't have default values for any key fields)`
}
