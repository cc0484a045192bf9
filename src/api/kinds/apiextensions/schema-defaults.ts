// Defaults in the schema of a definition must themselves be what the schema asks for.
import { clone } from '#api/clone.ts'
import { applySchemaDefaults } from '#api/custom/defaults.ts'
import { Validator } from '#api/custom/validate.ts'
import { forbidden } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Errors } from '#api/validation/checks.ts'

const DEEPEST = 128

export function checkSchemaDefaults(schema: JSONSchemaProps, path: string, errors: Errors, depth = 0): void {
  if (depth > DEEPEST) return
  if (schema.default !== undefined) {
    if (depth === 0) errors.push(forbidden(`${path}.default`, 'must not be set at the root'))
    const value = clone(schema.default)
    applySchemaDefaults(value, schema)
    errors.push(...new Validator().check(schema, value, { path: `${path}.default`, previous: undefined }))
  }
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkSchemaDefaults(property, `${path}.properties[${name}]`, errors, depth + 1)
  for (const field of ['items', 'additionalProperties'] as const) {
    const inner = schema[field]
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner))
      checkSchemaDefaults(inner as JSONSchemaProps, `${path}.${field}`, errors, depth + 1)
  }
}
