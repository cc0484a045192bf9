// What version 2 can say of a custom kind's schema without leading its readers astray: they take a field without a type for anything, but one with
// fields of its own for no more than those, and know of no null.
import type { Schema } from '#api/schema.ts'

export function version2Schema(schema: Schema): Schema {
  // All of it may be anything: not even what every object has is told.
  return schema.preserveUnknownFields
    ? { type: 'object', ...(schema.description ? { description: schema.description } : {}) }
    : told(schema)
}

function told(schema: Schema): Schema {
  if (schema.name) return schema
  const { nullable, items, properties, additionalProperties, required, ...rest } = schema
  const closed = !nullable && !schema.preserveUnknownFields
  const anything = nullable || (rest.type === 'array' && !(closed && items)) || (rest.type === 'object' && schema.preserveUnknownFields)
  const wanted = additionalProperties?.nullable ? [] : (required ?? []).filter((field) => !(closed && properties?.[field]?.nullable))
  return {
    ...rest,
    ...(anything ? { type: 'any' } : {}),
    ...(closed && items ? { items: told(items) } : {}),
    ...(closed && properties ? { properties: mapped(properties) } : {}),
    ...(additionalProperties ? { additionalProperties: told(additionalProperties) } : {}),
    ...(wanted.length > 0 ? { required: wanted } : {}),
  }
}

const mapped = (properties: Record<string, Schema>): Record<string, Schema> =>
  Object.fromEntries(Object.entries(properties).map(([field, inner]) => [field, told(inner)]))
