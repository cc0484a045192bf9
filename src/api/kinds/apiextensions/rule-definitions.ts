// The rules of a definition: each must compile, cost no more than it may wherever values can occur, and compare only what can be told again after an update.
import { isObject } from '#api/clone.ts'
import { customType, MAX_REQUEST_BYTES, minSizeOf } from '#api/cel/object-types.ts'
import { type CompiledRule, compileRule } from '#api/custom/rule.ts'
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type { JSONSchemaProps, ValidationRule } from '#api/generated/types.ts'

const COST_LIMIT = 10_000_000
const TOTAL_COST_LIMIT = 100_000_000
/** Expressions are named as expensive from a hundredth of the whole, four at most. */
const MOST_NAMED = 4

interface Place {
  path: string
  root?: boolean
  /** How often the value can occur in one object; undefined where nothing bounds it. */
  count: number | undefined
  /** The first place above whose values cannot be told again. */
  uncorrelated: string | undefined
  /** Of what the rules are about; below allOf the structure outside. */
  schema: JSONSchemaProps
}

/** Yields the length of each source compiled. `total` as soon as all is known, the sum is judged too. */
export function* checkRuleDefinitions(root: JSONSchemaProps, path: string): Generator<number, FieldError[]> {
  const check = new DefinitionCheck()
  yield* check.visit(root, { path, root: true, count: 1, uncorrelated: undefined, schema: root })
  check.total(path)
  return check.errors
}

/** What a level weighs that has no rules, in characters of source. */
const LEVEL = 10

class DefinitionCheck {
  readonly errors: FieldError[] = []
  #total = 0
  readonly #expensive: { path: string; cost: number }[] = []

  total(path: string): void {
    if (this.#total <= TOTAL_COST_LIMIT) return
    for (const expensive of this.#expensive)
      this.errors.push(
        forbidden(expensive.path, 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'),
      )
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema'
    this.errors.push(forbidden(path, exceeds(what, this.#total, TOTAL_COST_LIMIT)))
  }

  *visit(said: JSONSchemaProps, place: Place): Generator<number> {
    const { path, count, schema } = place
    const rules = said['x-kubernetes-validations'] ?? []
    yield LEVEL
    if (rules.length > 0) yield* this.#rules(rules, place)
    const correlated = schema['x-kubernetes-map-type'] !== 'atomic'
    for (const [name, property] of Object.entries(said.properties ?? {})) {
      const structure = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
      if (!structure) continue
      const uncorrelated = correlated ? place.uncorrelated : (place.uncorrelated ?? path)
      yield* this.visit(property, { path: `${path}.properties[${name}]`, count, uncorrelated, schema: structure })
    }
    if (isObject(said.additionalProperties) && isObject(schema.additionalProperties))
      yield* this.visit(said.additionalProperties as JSONSchemaProps, {
        path: `${path}.additionalProperties`,
        count: times(count, schema.maxProperties),
        uncorrelated: place.uncorrelated,
        schema: schema.additionalProperties as JSONSchemaProps,
      })
    if (isObject(said.items) && isObject(schema.items))
      yield* this.visit(said.items as JSONSchemaProps, {
        path: `${path}.items`,
        count: times(count, schema.maxItems),
        uncorrelated: schema['x-kubernetes-list-type'] === 'map' ? place.uncorrelated : (place.uncorrelated ?? path),
        schema: schema.items as JSONSchemaProps,
      })
    for (const [at, one] of (said.allOf ?? []).entries()) yield* this.visit(one, { ...place, path: `${path}.allOf[${at}]` })
  }

  *#rules(rules: readonly ValidationRule[], place: Place): Generator<number> {
    const { path, root, schema } = place
    const type = customType(schema, { root: root ?? schema['x-kubernetes-embedded-resource'] === true })
    const at = `${path}.x-kubernetes-validations`
    if (!type) {
      const open = schema['x-kubernetes-preserve-unknown-fields'] === true
      const detail = `rule declared on schema that does not support validation rules type: '${schema.type ?? ''}' x-kubernetes-preserve-unknown-fields: '${open}'`
      this.errors.push({ type: 'InternalError', field: at, message: `Internal error: ${detail}` })
      return
    }
    for (const [index, rule] of rules.entries()) {
      this.#rule(compileRule(rule, type, schema), `${at}[${index}]`, place)
      yield rule.rule.length + (rule.messageExpression?.length ?? 0) + 100
    }
  }

  #rule(compiled: CompiledRule, path: string, { count, uncorrelated, schema }: Place): void {
    const { rule, error, messageError } = compiled
    const often = count ?? Math.floor(MAX_REQUEST_BYTES / (minSizeOf(schema) + 1))
    this.#observe('estimated rule cost', `${path}.rule`, compiled.cost === 0 ? 0 : compiled.cost * often)
    if (error !== undefined) this.errors.push(invalidRule(`${path}.rule`, rule, error))
    if (messageError !== undefined) this.errors.push(invalidRule(`${path}.messageExpression`, rule, messageError))
    else if (compiled.message) this.#observe('estimated messageExpression cost', `${path}.messageExpression`, compiled.messageCost)
    if (compiled.usesOldSelf && uncorrelated !== undefined)
      this.errors.push(
        invalid(`${path}.rule`, rule.rule, `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`),
      )
    else if (!compiled.usesOldSelf && rule.optionalOldSelf !== undefined)
      this.errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'))
  }

  #observe(what: string, path: string, cost: number): void {
    if (cost > COST_LIMIT) this.errors.push(forbidden(path, exceeds(what, cost, COST_LIMIT)))
    this.#total += cost
    if (cost < TOTAL_COST_LIMIT / 100) return
    this.#expensive.push({ path, cost })
    this.#expensive.sort((a, b) => b.cost - a.cost)
    this.#expensive.length = Math.min(this.#expensive.length, MOST_NAMED)
  }
}

const times = (count: number | undefined, most: number | undefined): number | undefined =>
  count === undefined || most === undefined ? undefined : count * most

function exceeds(what: string, cost: number, limit: number): string {
  const ratio = cost / limit
  const factor = ratio > 100 ? 'more than 100x' : ratio < 1.5 ? `${ratio.toFixed(6)}x` : `${ratio.toFixed(1)}x`
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}

/** The rule as Go prints it. */
function invalidRule(path: string, rule: ValidationRule, detail: string): FieldError {
  const text = (value: string | undefined) => JSON.stringify(value ?? '')
  const reason =
    rule.reason === undefined ? '(*apiextensions.FieldValueErrorReason)(nil)' : '(*apiextensions.FieldValueErrorReason)(0xc000000000)'
  const optional = rule.optionalOldSelf === undefined ? '(*bool)(nil)' : '(*bool)(0xc000000000)'
  const fields = `Rule:${text(rule.rule)}, Message:${text(rule.message)}, MessageExpression:${text(rule.messageExpression)}`
  const shown = `apiextensions.ValidationRule{${fields}, Reason:${reason}, FieldPath:${text(rule.fieldPath)}, OptionalOldSelf:${optional}}`
  return { type: 'FieldValueInvalid', field: path, message: `Invalid value: ${shown}: ${detail}` }
}
