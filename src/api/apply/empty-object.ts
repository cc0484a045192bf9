// What an object of a built-in kind is before anything was said of it: the structures, zeros and nulls that upstream's types always hold.
// Nobody owns those for having created the object.
import type { JsonObject } from '#api/clone.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { emptyOf } from '#api/schema/decode.ts'
import { planOf } from '#api/schema/plan.ts'

export function emptyObject(schema: Schema): JsonObject {
  return schema.name ? { metadata: {}, ...(emptyOf(planOf(schema)) as JsonObject) } : {}
}

/** The object with the empty status that its type holds even where JSON does not show it. */
export function withEmptyStatus(schema: Schema, object: KubeObject): KubeObject {
  if (!schema.name || !schema.properties?.status || (object as { status?: unknown }).status !== undefined) return object
  return { ...object, status: {} } as KubeObject
}
