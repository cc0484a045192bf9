// Where an applied configuration names something that can only be replaced whole: merging it would take away what it does not name.
import { formatPath } from '#api/apply/path-element.ts'
import { isNamedField, memberSchema, shapeOf } from '#api/apply/shape.ts'
import { getOwn, isObject } from '#api/clone.ts'
import type { Schema } from '#api/schema.ts'

export function atomicPaths(schema: Schema, value: unknown): string[] {
  const found: string[] = []
  walk(schema, value, { path: [], found })
  return found
}

function walk(schema: Schema | undefined, value: unknown, { path, found }: { path: readonly string[]; found: string[] }): void {
  if (!schema) return
  if (isObject(value)) {
    if (schema.mapType === 'atomic') found.push(formatPath(path))
    // Entries of maps are looked at no further.
    for (const key of Object.keys(value))
      if (isNamedField(schema, key)) walk(memberSchema(schema, key), getOwn(value, key), { path: [...path, `f:${key}`], found })
  } else if (Array.isArray(value) && schema.type === 'array') {
    if (shapeOf(schema, value) === 'leaf') found.push(formatPath(path))
    for (const [index, item] of value.entries()) walk(schema.items, item, { path: [...path, `i:${index}`], found })
  }
}
