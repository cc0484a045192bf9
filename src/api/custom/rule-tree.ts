// The rules of a custom resource's schema, by place: only branches that hold rules. Compiled when a value first comes by, once.
import { isObject } from '#api/clone.ts'
import { customType } from '#api/cel/object-types.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import type { Type } from '#lib/cel/types.ts'
import { type CompiledRule, compileRule } from './rule.ts'

const DEEPEST = 500

export class RuleTree {
  /** Where structure and types come from. */
  readonly schema: JSONSchemaProps
  readonly items: RuleTree | undefined
  readonly values: RuleTree | undefined
  readonly properties: ReadonlyMap<string, RuleTree>
  readonly allOf: readonly RuleTree[]
  readonly #said: JSONSchemaProps
  readonly #root: boolean
  #rules: readonly CompiledRule[] | undefined
  #type: Type | undefined

  private constructor({ said, schema, root }: Place, inner: Pick<RuleTree, 'items' | 'values' | 'properties' | 'allOf'>) {
    this.#said = said
    this.schema = schema
    this.#root = root
    this.items = inner.items
    this.values = inner.values
    this.properties = inner.properties
    this.allOf = inner.allOf
  }

  /** Undefined where no rule is. */
  static of(schema: JSONSchemaProps, { root = true } = {}): RuleTree | undefined {
    return RuleTree.#build({ said: schema, schema, root: root || schema['x-kubernetes-embedded-resource'] === true, depth: 0 })
  }

  /** What is `said` about values of `schema`: the same, but below allOf. */
  static #build(place: Place): RuleTree | undefined {
    const { said, schema, depth } = place
    if (depth > DEEPEST) return undefined
    const at = (inner: unknown, of: unknown) =>
      isObject(inner) && isObject(of)
        ? RuleTree.#build({ said: inner, schema: of, root: of['x-kubernetes-embedded-resource'] === true, depth: depth + 1 })
        : undefined
    const properties = new Map<string, RuleTree>()
    for (const [name, property] of Object.entries(said.properties ?? {})) {
      const node = schema.properties && Object.hasOwn(schema.properties, name) ? at(property, schema.properties[name]) : undefined
      if (node) properties.set(name, node)
    }
    const items = at(said.items, schema.items)
    const values = at(said.additionalProperties, schema.additionalProperties)
    const allOf = (said.allOf ?? []).flatMap((one) => RuleTree.#build({ ...place, said: one, depth: depth + 1 }) ?? [])
    const empty = properties.size === 0 && !items && !values && allOf.length === 0
    if (empty && !said['x-kubernetes-validations']?.length) return undefined
    return new RuleTree(place, { properties, items, values, allOf })
  }

  /** Whether its rules were read already. */
  get isCompiled(): boolean {
    return this.#rules !== undefined
  }

  get rules(): readonly CompiledRule[] {
    if (this.#rules) return this.#rules
    const rules = this.#said['x-kubernetes-validations'] ?? []
    const { type } = this
    this.#rules = type ? rules.map((rule) => compileRule(rule, type, this.schema)) : []
    return this.#rules
  }

  /** What the rules here take as `self`; undefined where none can be. */
  get type(): Type | undefined {
    this.#type ??= customType(this.schema, { root: this.#root })
    return this.#type
  }
}

interface Place {
  said: JSONSchemaProps
  schema: JSONSchemaProps
  root: boolean
  depth: number
}

/** Whether there is a rule anywhere. */
export function hasRules(schema: JSONSchemaProps): boolean {
  if (schema['x-kubernetes-validations']?.length) return true
  const inner = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties, ...(schema.allOf ?? [])]
  return inner.some((one) => isObject(one) && hasRules(one as JSONSchemaProps))
}
