// Defaults of a custom resource, from its schema. A null where none may be counts as absent. Idempotent; changes in place.
import { clone, getOwn, isObject, setOwn } from '#api/clone.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'

export function applySchemaDefaults(value: unknown, schema: JSONSchemaProps): void {
  if (Array.isArray(value)) {
    if (isObject(schema.items)) for (const item of value) applySchemaDefaults(item, schema.items as JSONSchemaProps)
    return
  }
  if (!isObject(value)) return
  const { properties = {}, additionalProperties } = schema
  for (const [name, property] of Object.entries(properties)) {
    if (getOwn(value, name) === null && !property.nullable && property.type) delete value[name]
    if (getOwn(value, name) === undefined) {
      if (property.default === undefined) continue
      setOwn(value, name, clone(property.default))
    }
    applySchemaDefaults(getOwn(value, name), property)
  }
  if (!isObject(additionalProperties)) return
  const values = additionalProperties as JSONSchemaProps
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue
    if (value[name] === null && !values.nullable && values.type) {
      if (values.default === undefined) delete value[name]
      else setOwn(value, name, clone(values.default))
    }
    applySchemaDefaults(getOwn(value, name), values)
  }
}
