// The validation rules in a definition's schemas, judged once the schemas themselves are in order. Compiling many takes long: done in slices.
import { checkRules } from '#api/custom/rule-check.ts'
import { RuleTree } from '#api/custom/rule-tree.ts'
import { isObject } from '#api/clone.ts'
import type { FieldError } from '#api/field-error.ts'
import type { CustomResourceDefinition, JSONSchemaProps } from '#api/generated/types.ts'
import type { FurtherContext } from '#api/kind.ts'
import { paced } from '#lib/paced.ts'
import { isOld, schemasOf } from './crd-versions.ts'
import { checkRuleDefinitions } from './rule-definitions.ts'

/** Characters of source to compile, and cost to evaluate, before others have a turn. */
const COMPILE_SLICE = 10_000
const EVALUATE_SLICE = 100_000

export async function validateRules(
  next: CustomResourceDefinition,
  previous: CustomResourceDefinition | undefined,
  { errors, subresource }: FurtherContext,
): Promise<FieldError[]> {
  if (subresource || !next.spec?.versions?.length) return []
  const found: FieldError[] = []
  for (const { schema, path } of schemasOf(next.spec)) {
    if (isOld(schema, previous?.spec) || errors.some(({ field }) => field.startsWith(path))) continue
    const wrong = await paced(checkRuleDefinitions(schema, path), COMPILE_SLICE)
    found.push(...wrong)
    if (wrong.length === 0) found.push(...(await paced(checkDefaults(schema, path), EVALUATE_SLICE)))
  }
  return found
}

/** Defaults must obey the rules about them. */
function* checkDefaults(schema: JSONSchemaProps, path: string): Generator<number, FieldError[]> {
  const found: FieldError[] = []
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
