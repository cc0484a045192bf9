// The schemas of a definition, and the validation rules in them once they are in order themselves. Large ones take long: done in slices.
import { checkRules } from '#api/custom/rule-check.ts'
import { RuleTree } from '#api/custom/rule-tree.ts'
import { isObject } from '#api/clone.ts'
import type { FieldError } from '#api/field-error.ts'
import type { CustomResourceDefinition, JSONSchemaProps } from '#api/generated/types.ts'
import type { FurtherContext } from '#api/kind.ts'
import { nextTurn, paced } from '#lib/paced.ts'
import { isOld, schemaErrors, schemasOf } from './crd-versions.ts'
import { checkRuleDefinitions } from './rule-definitions.ts'

/** Levels of schema to check, characters of source to compile, and cost to evaluate, before others have a turn. */
const LEVELS_SLICE = 2000
const COMPILE_SLICE = 4000
const EVALUATE_SLICE = 100_000
/** What a level weighs that has nothing to evaluate. */
const EVALUATE_LEVEL = 200

export async function validateSchemas(
  next: CustomResourceDefinition,
  previous: CustomResourceDefinition | undefined,
  { subresource }: FurtherContext,
): Promise<FieldError[]> {
  if (subresource || !next.spec?.versions?.length) return []
  // What comes before and after is long enough by itself.
  await nextTurn()
  const found: FieldError[] = []
  for (const { schema, path, status } of schemasOf(next.spec)) {
    if (isOld(schema, previous?.spec)) continue
    const errors = await paced(schemaErrors(schema, path, status), LEVELS_SLICE)
    for (const error of errors) found.push(error)
    if (errors.length > 0) continue
    const wrong = await paced(checkRuleDefinitions(schema, path), COMPILE_SLICE)
    for (const error of wrong) found.push(error)
    if (wrong.length === 0) for (const error of await paced(checkDefaults(schema, path), EVALUATE_SLICE)) found.push(error)
  }
  await nextTurn()
  return found
}

/** Defaults must obey the rules about them. */
function* checkDefaults(schema: JSONSchemaProps, path: string): Generator<number, FieldError[]> {
  const found: FieldError[] = []
  yield EVALUATE_LEVEL
  if (schema.default !== undefined) {
    const tree = RuleTree.of(schema, { root: false })
    if (tree) found.push(...(yield* checkRules(tree, schema.default, { previous: schema.default, path: `${path}.default` })).errors)
  }
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    found.push(...(yield* checkDefaults(property, `${path}.properties[${name}]`)))
  for (const field of ['items', 'additionalProperties'] as const)
    if (isObject(schema[field])) found.push(...(yield* checkDefaults(schema[field] as JSONSchemaProps, `${path}.${field}`)))
  return found
}
