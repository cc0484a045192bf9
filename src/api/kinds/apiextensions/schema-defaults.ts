// Defaults in the schema of a definition must themselves be what the schema asks for, with no field it does not know.
import { clone, isObject } from '#api/clone.ts'
import { applySchemaDefaults } from '#api/custom/defaults.ts'
import { checkStructure } from '#api/custom/lists.ts'
import { pruneValue } from '#api/custom/prune.ts'
import { Validator } from '#api/custom/validate.ts'
import { equal } from '#api/equal.ts'
import { invalid } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { DecodeError } from '#api/schema/decode.ts'
import type { Errors } from '#api/validation/checks.ts'

/** Yields once for each level. */
export function* checkSchemaDefaults(
  schema: JSONSchemaProps,
  path: string,
  errors: Errors,
  validator = new Validator(),
): Generator<number> {
  yield 1
  if (schema.default !== undefined) checkDefault(schema, `${path}.default`, { errors, validator })
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* checkSchemaDefaults(property, `${path}.properties[${name}]`, errors, validator)
  for (const field of ['items', 'additionalProperties'] as const) {
    const inner = schema[field]
    if (isObject(inner)) yield* checkSchemaDefaults(inner as JSONSchemaProps, `${path}.${field}`, errors, validator)
  }
}

function checkDefault(schema: JSONSchemaProps, path: string, { errors, validator }: { errors: Errors; validator: Validator }): void {
  const value = clone(schema.default)
  try {
    pruneValue(value, schema)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return void errors.push(invalid(path, schema.default, `must result in valid metadata: ${error.message}`))
  }
  if (!equal(value, schema.default)) errors.push(invalid(path, schema.default, 'must not have unknown fields'))
  applySchemaDefaults(value, schema)
  errors.push(...validator.check(schema, value, { path, previous: undefined }))
  checkStructure(schema, value, { path, previous: undefined, errors })
}
