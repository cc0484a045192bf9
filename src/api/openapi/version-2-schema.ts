// What version 2 can say of a custom kind's schema without leading its readers astray: they take a field without a type for anything, but one with
// fields of its own for no more than those, and know of no null.
import type { Schema } from '#api/schema.ts'
import { mapValues } from '#lib/map-values.ts'
import { Pace } from '#lib/paced.ts'
import { subtreesOf } from './subtrees.ts'

/** Some 5 ms. */
const SCHEMAS_PER_TURN = 5000

export async function version2InSlices(schema: Schema): Promise<Schema> {
  const done = new Map<Schema, Schema>()
  const pace = new Pace(SCHEMAS_PER_TURN)
  for (const part of await pace.run(subtreesOf(schema, inlineSchemas, SCHEMAS_PER_TURN))) {
    done.set(part, told(part, done))
    await pace.after(SCHEMAS_PER_TURN)
  }
  return version2Schema(schema, done)
}

export function version2Schema(schema: Schema, done: ReadonlyMap<Schema, Schema> = NOTHING): Schema {
  // All of it may be anything: not even what every object has is told.
  return schema.preserveUnknownFields
    ? { type: 'object', ...(schema.description ? { description: schema.description } : {}) }
    : told(schema, done)
}

const NOTHING: ReadonlyMap<Schema, Schema> = new Map()

/** Those within it that have no definition of their own. */
export function* inlineSchemas({ properties, items, additionalProperties }: Schema): Generator<Schema> {
  if (properties) for (const inner of Object.values(properties)) if (!inner.name) yield inner
  if (items && !items.name) yield items
  if (additionalProperties && !additionalProperties.name) yield additionalProperties
}

function told(schema: Schema, done: ReadonlyMap<Schema, Schema>): Schema {
  if (schema.name) return schema
  const known = done.get(schema)
  if (known) return known
  const { nullable, items, properties, additionalProperties, required, ...rest } = schema
  const closed = !nullable && !schema.preserveUnknownFields
  const anything = nullable || (rest.type === 'array' && !(closed && items)) || (rest.type === 'object' && schema.preserveUnknownFields)
  const wanted = additionalProperties?.nullable ? [] : (required ?? []).filter((field) => !(closed && properties?.[field]?.nullable))
  return {
    ...rest,
    ...(anything ? { type: 'any' } : {}),
    ...(closed && items ? { items: told(items, done) } : {}),
    ...(closed && properties ? { properties: mapped(properties, done) } : {}),
    ...(additionalProperties ? { additionalProperties: told(additionalProperties, done) } : {}),
    ...(wanted.length > 0 ? { required: wanted } : {}),
  }
}

const mapped = (properties: Record<string, Schema>, done: ReadonlyMap<Schema, Schema>): Record<string, Schema> =>
  mapValues(properties, (inner) => told(inner, done))
