// The fields an applied configuration names: its leaves, list items, and entries of maps that hold nothing.
import type { Schema } from '#api/schema.ts'
import { type Fields, LEAF, NO_FIELDS, node } from './fields.ts'
import { isNamedField, itemsOf, memberSchema, shapeOf } from './shape.ts'

type Children = Record<string, Fields>

export function fieldSetOf(schema: Schema, value: unknown): Fields {
  return shapeOf(schema, value) === 'leaf' ? NO_FIELDS : (childFields(schema, value) ?? NO_FIELDS)
}

function childFields(schema: Schema | undefined, value: unknown): Children | undefined {
  const shape = shapeOf(schema, value)
  if (shape === 'leaf' || value === null || value === undefined) return undefined
  const children: Children = {}
  if (shape === 'map') {
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue
      const below = memberSchema(schema, key)
      const leaf = shapeOf(below, member) === 'leaf'
      const nothing = member === null || (typeof member === 'object' && !Array.isArray(member) && isEmptyObject(member))
      const found = node(leaf || nothing || !isNamedField(schema, key), leaf ? undefined : childFields(below, member))
      if (found) children[`f:${key}`] = found
    }
    return children
  }
  const items = itemsOf(schema!, shape, value)
  for (const [element, item] of items.byElement) {
    const single = shape === 'keyed' && !items.duplicates.has(element)
    children[element] = node(true, single ? childFields(schema!.items, item) : undefined) ?? LEAF
  }
  return children
}

function isEmptyObject(value: object): boolean {
  for (const _ in value) return false
  return true
}

/** Adds the structures (not map entries, not items) that a set reaches into, so that emptied ones can be told from untouched ones. */
export function withNamedFields(schema: Schema | undefined, fields: Fields): Fields {
  const result: Children = {}
  for (const [element, below] of Object.entries(fields)) {
    if (element === '.') {
      result[element] = below
      continue
    }
    const named = element.startsWith('f:') && isNamedField(schema, element.slice(2))
    const inner = withNamedFields(elementSchema(schema, element), below)
    const { '.': self, ...children } = inner
    const leaf = Object.keys(below).length === 0
    result[element] = node(leaf || self !== undefined || named, children) ?? LEAF
  }
  return result
}

/** Schema of what a path element leads to. */
function elementSchema(schema: Schema | undefined, element: string): Schema | undefined {
  return element.startsWith('f:') ? memberSchema(schema, element.slice(2)) : schema?.items
}
