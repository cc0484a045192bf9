// Whether an applied configuration fits its schema: known fields, right types, named and unique list items. Collects every error.
import type { Schema } from '#api/schema.ts'
import { goText, goType, goValue } from '#lib/go-text.ts'
import { formatPath } from './path-element.ts'
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
  const refuse = (message: string, at = path) => void errors.push(at.length ? `${formatPath(at)}: ${message}` : message)
  const wrong = expectation(schema, value)
  if (wrong) return refuse(wrong)
  if (Array.isArray(value)) {
    const shape = shapeOf(schema, value)
    if (shape === 'leaf' || shape === 'map') {
      if (schema.items) for (const [index, item] of value.entries()) check(schema.items, item, { path: [...path, `i:${index}`], errors })
      return
    }
    const seen = new Set<string>()
    for (const [index, item] of value.entries()) {
      const element = itemElement(schema, shape, item)
      // What cannot be named hides all that comes after it.
      if (element === undefined) return refuse(`element ${index}: ${unnamed(schema, shape, item)}`)
      if (seen.has(element)) refuse(`duplicate entries for key ${formatPath([element])}`)
      seen.add(element)
      check(schema.items!, item, { path: [...path, element], errors })
    }
    return
  }
  if (typeof value !== 'object' || schema.type !== 'object') return
  const known = (key: string) => memberSchema(schema, key)
  for (const [key, member] of Object.entries(value)) {
    const below = known(key)
    if (below) check(below, member, { path: [...path, `f:${key}`], errors })
  }
  // One is enough: upstream looks no further either.
  const unknown = schema.properties && Object.keys(value).find((key) => !known(key))
  if (unknown !== undefined) refuse('field not declared in schema', [...path, `f:${unknown}`])
}

/** What should have been there, if it is not. */
function expectation(schema: Schema, value: unknown): string | undefined {
  const { type, format } = schema
  const shown = `got &{${goText(value)}}`
  if (format === 'quantity' || format === 'int-or-string') return typeof value === 'object' ? `expected any scalar, ${shown}` : undefined
  if (type === 'any') return undefined
  if (type === 'object') return typeof value === 'object' && !Array.isArray(value) ? undefined : `expected map, ${shown}`
  if (type === 'array') return Array.isArray(value) ? undefined : `expected list, ${shown}`
  if (type === 'boolean') return typeof value === 'boolean' ? undefined : `expected boolean, ${shown}`
  if (type === 'string')
    return typeof value === 'string' ? undefined : `expected string, got &value.valueUnstructured{Value:${goValue(value)}}`
  return typeof value === 'number' || typeof value === 'bigint' ? undefined : `expected numeric (int or float), got ${goType(value)}`
}

function unnamed(schema: Schema, shape: 'keyed' | 'set', item: unknown): string {
  if (shape === 'set') {
    if (item === null) return "associative list without keys has an element that's an explicit null"
    if (Array.isArray(item)) return 'not supported: associative list with lists as elements'
    return "associative list without keys has an element that's a map type"
  }
  if (item === null) return 'associative list with keys may not have a null element'
  if (typeof item !== 'object' || Array.isArray(item)) return 'associative list with keys may not have non-map elements'
  const keys = (schema.listMapKeys ?? []).map((key) => JSON.stringify(key)).join(' ')
  return `associative list with keys has an element that omits all key fields [${keys}] (and doesn't have default values for any key fields)`
}
