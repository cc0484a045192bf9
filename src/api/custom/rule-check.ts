// Whether a custom resource obeys the rules of its schema. A rule that fails over what an update left alone only warns; all rules together may cost
// so much and no more.
import { BudgetExceeded, type CelProgram, CelError, PER_CALL_LIMIT, RUNTIME_BUDGET } from '#api/cel/environment.ts'
import { ResultTooLarge } from '#api/cel/to-json.ts'
import { getOwn, isObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import { NONE, Optional, type Value, adapt } from '#lib/cel/values.ts'
import { itemKey } from './lists.ts'
import type { CompiledRule } from './rule.ts'
import type { RuleTree } from './rule-tree.ts'

const MAX_MESSAGE_BYTES = 5 * 1024
/** What the cheapest rule weighs, beside its cost, and what reading one does. */
const EACH = 200
const COMPILING = 5000
const OUT_OF_BUDGET = 'validation failed due to running out of cost budget, no further validation rules will be run'
/** Errors of these kinds say the value is not of the shape rules rely on. */
const BLOCKING = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
])

/** In place of the rules, where the schema's own errors make them pointless. */
export function rulesBlocked(errors: readonly FieldError[]): FieldError | undefined {
  if (!errors.some(({ type }) => BLOCKING.has(type))) return undefined
  return invalid(
    '<nil>',
    undefined,
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  )
}

export interface RuleOutcome {
  errors: FieldError[]
  /** What was let through because the update did not touch it. */
  warnings: string[]
}

/** Yields what each step cost. `previous`: the whole value before an update. */
export function* checkRules(
  tree: RuleTree,
  value: unknown,
  { previous, path = '' }: { previous?: unknown; path?: string } = {},
): Generator<number, RuleOutcome> {
  const check = new RuleCheck(RUNTIME_BUDGET)
  const correlation = previous === undefined ? undefined : new Correlation(value, previous, undefined)
  yield* check.visit(tree, { value, previous, path, correlation })
  return { errors: check.errors, warnings: check.warnings }
}

/** What a value was before, and whether it still is; a place that cannot be told is as its parent. */
class Correlation {
  readonly value: unknown
  readonly previous: unknown
  readonly #parent: Correlation | undefined
  #same: boolean | undefined

  constructor(value: unknown, previous: unknown, parent: Correlation | undefined) {
    this.value = value
    this.previous = previous
    this.#parent = parent
  }

  get unchanged(): boolean {
    if (this.previous === undefined) return this.#parent?.unchanged ?? false
    this.#same ??= equal(this.value, this.previous)
    return this.#same
  }
}

interface Place {
  value: unknown
  /** What rules may compare with. */
  previous: unknown
  path: string
  correlation: Correlation | undefined
}

class RuleCheck {
  readonly errors: FieldError[] = []
  readonly warnings: string[] = []
  readonly #budget: { remaining: number }
  #stopped = false

  constructor(remaining: number) {
    this.#budget = { remaining }
  }

  *visit(tree: RuleTree, place: Place): Generator<number> {
    const { value, correlation, path } = place
    if (this.#stopped || value === null || value === undefined) return
    if (!tree.isCompiled) yield tree.rules.length * COMPILING
    for (const rule of tree.rules) {
      const before = this.#budget.remaining
      this.#rule(rule, tree, place)
      yield before - this.#budget.remaining + EACH
      if (this.#stopped) return
    }
    // What is said below allOf is never let through.
    for (const one of tree.allOf) yield* this.visit(one, { ...place, correlation: undefined })
    const previous = place.previous
    if (Array.isArray(value)) {
      if (tree.items) yield* this.#list(tree, tree.items, { ...place, value })
      return
    }
    if (!isObject(value)) return
    const old = isObject(previous) && tree.schema['x-kubernetes-map-type'] !== 'atomic' ? previous : undefined
    const known = isObject(correlation?.previous) ? correlation.previous : undefined
    for (const name of Object.keys(value)) {
      const property = tree.properties.get(name)
      const node = property ?? (tree.properties.size > 0 ? undefined : tree.values)
      if (!node) continue
      const inner = value[name]
      yield* this.visit(node, {
        value: inner,
        previous: old && getOwn(old, name),
        path: property ? (path ? `${path}.${name}` : name) : `${path}[${name}]`,
        correlation: correlation && new Correlation(inner, known && getOwn(known, name), correlation),
      })
    }
  }

  *#list(tree: RuleTree, items: RuleTree, { value, previous, path, correlation }: Place & { value: unknown[] }): Generator<number> {
    const isMap = tree.schema['x-kubernetes-list-type'] === 'map'
    const keys = isMap ? (tree.schema['x-kubernetes-list-map-keys'] ?? []) : []
    const byKey = (list: unknown) => (isMap && Array.isArray(list) ? new Map(list.map((item) => [itemKey(item, keys), item])) : undefined)
    const old = byKey(previous)
    const known = byKey(correlation?.previous)
    for (const [index, item] of value.entries()) {
      const key = isMap ? itemKey(item, keys) : ''
      yield* this.visit(items, {
        value: item,
        previous: old?.get(key),
        path: `${path}[${index}]`,
        correlation: correlation && new Correlation(item, known?.get(key), correlation),
      })
    }
  }

  #rule(compiled: CompiledRule, { schema, type }: RuleTree, { value, previous, path, correlation }: Place): void {
    const told = schema.type ?? ''
    const refuse = (detail: string) => this.errors.push(invalid(path || '<nil>', told, detail))
    const { rule, program, usesOldSelf } = compiled
    if (compiled.error) return void refuse(`rule compile error: ${compiled.error}`)
    if (!program) return
    if (usesOldSelf && previous === undefined && !rule.optionalOldSelf) return
    if (this.#budget.remaining <= 0) return this.#stop(() => refuse(OUT_OF_BUDGET))
    const old = adapt(previous ?? null, type!)
    const oldSelf = rule.optionalOldSelf ? (previous === undefined ? NONE : new Optional(old)) : old
    const variables = { self: value, oldSelf }
    let result: Value
    try {
      result = program.evaluateValue(variables, { budget: this.#budget })
    } catch (error) {
      if (error instanceof BudgetExceeded) {
        if (error.scope === 'budget') return this.#stop(() => refuse(OUT_OF_BUDGET))
        return this.#stop(() =>
          refuse(
            `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${nameOf(compiled)}`,
          ),
        )
      }
      if (!(error instanceof CelError)) throw error
      const overload = error.message.startsWith('no such overload')
      return void refuse(
        overload
          ? `'${error.message}': call arguments did not match a supported operator, function or macro signature for rule: ${nameOf(compiled)}`
          : `${error.message} evaluating rule: ${nameOf(compiled)}`,
      )
    }
    if (result === true) return
    const place = join(path, compiled.fieldPath) || '<nil>'
    const message = compiled.message && this.#message(compiled.message, compiled, variables)
    if (message?.failure !== undefined) return this.#stop(() => this.#tell(compiled, invalid(place, told, message.failure!), correlation))
    const detail = message?.text ?? (rule.message ? rule.message.trim() : `failed rule: ${nameOf(compiled)}`)
    this.#tell(compiled, errorFor(rule.reason, place, { told, detail }), correlation)
  }

  #tell({ usesOldSelf }: CompiledRule, error: FieldError, correlation: Correlation | undefined): void {
    if (!usesOldSelf && correlation?.unchanged) this.warnings.push(`${error.field}: ${error.message}`)
    else this.errors.push(error)
  }

  #stop(tell: () => void): void {
    tell()
    this.#stopped = true
  }

  /** The message it makes; nothing where that is no message; a failure where it costs too much. */
  #message(program: CelProgram, { rule }: CompiledRule, variables: Record<string, unknown>): { text?: string; failure?: string } {
    try {
      const text = program.evaluate(variables, { budget: this.#budget, perCall: PER_CALL_LIMIT })
      const trimmed = typeof text === 'string' ? text.trim() : ''
      const usable = trimmed !== '' && !trimmed.includes('\n') && Buffer.byteLength(trimmed) <= MAX_MESSAGE_BYTES
      return usable ? { text: trimmed } : {}
    } catch (error) {
      if (error instanceof BudgetExceeded) {
        const failure =
          error.scope === 'budget'
            ? 'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run'
            : `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${JSON.stringify(rule.messageExpression)}`
        return { failure }
      }
      if (error instanceof CelError || error instanceof ResultTooLarge) return {}
      throw error
    }
  }
}

const join = (path: string, below: string): string => (!below || below.startsWith('[') || !path ? path + below : `${path}.${below}`)
const nameOf = ({ rule }: CompiledRule): string => (rule.message ? rule.message.trim() : rule.rule.trim())

function errorFor(reason: string | undefined, path: string, { told, detail }: { told: string; detail: string }): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(path, detail)
    case 'FieldValueRequired':
      return required(path, detail)
    case 'FieldValueDuplicate':
      return { type: 'FieldValueDuplicate', field: path, message: `Duplicate value: ${JSON.stringify(told)}` }
    default:
      return invalid(path, told, detail)
  }
}
