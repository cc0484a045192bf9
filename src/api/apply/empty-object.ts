// What an object of a built-in kind is before anything was said of it: the structures and lists that upstream's types always hold.
// Nobody owns those for having created the object.
import type { JsonObject } from '#api/clone.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'

/** Fields that hold a structure, not a pointer to one, wherever they occur on the way down from a kind. */
const ALWAYS_THERE = ['metadata', 'spec', 'status', 'template', 'strategy', 'updateStrategy', 'jobTemplate']

export function emptyObject(schema: Schema): JsonObject {
  const object: JsonObject = {}
  if (!schema.name) return object
  for (const name of ALWAYS_THERE) {
    const field = schema.properties?.[name]
    if (field?.type === 'object' && field.properties) object[name] = emptyObject(field)
  }
  for (const name of schema.required ?? []) if (schema.properties?.[name]?.type === 'array') object[name] = null
  return object
}

/** The object with the empty status that its type holds even where JSON does not show it. */
export function withEmptyStatus(schema: Schema, object: KubeObject): KubeObject {
  if (!schema.name || !schema.properties?.status || (object as { status?: unknown }).status !== undefined) return object
  return { ...object, status: {} } as KubeObject
}
