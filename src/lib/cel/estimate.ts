// The most an expression can cost, told from its types alone: upstream's estimate, which decides what rules a definition may have. Unknown sizes are endless.
import type { Call, Expr, Fold } from './ast.ts'
import type { Checked } from './checker.ts'
import { ACCUMULATOR } from './macros.ts'
import type { Type } from './types.ts'
import { sizeOf } from './values.ts'

export interface Size {
  min: number
  max: number
}

/** What a node costs, how large its value can be, and what a list or map holds. */
export interface Estimate {
  cost: number
  size: Size | undefined
  entries?: { key: Size; value: Size } | undefined
}

/** What a function costs beyond its arguments, and how large its result is; undefined where the default says it. */
export type EstimateCall = (call: EstimatedCall) => { cost: number; size?: Size } | undefined

export interface EstimatedCall {
  name: string
  /** The type of the target, of a method. */
  target: Type | undefined
  /** Sizes, target first. */
  sizes: readonly Size[]
  types: readonly Type[]
  /** What lists among the arguments hold. */
  entries: readonly ({ key: Size; value: Size } | undefined)[]
  args: readonly Expr[]
}

export const UNKNOWN: Size = { min: 0, max: Infinity }
const NOTHING: Size = { min: 0, max: 0 }
const ONE: Size = { min: 1, max: 1 }
const SCALARS = new Set(['bool', 'int', 'uint', 'double', 'timestamp', 'duration', 'null'])

/** By a tenth for each character. */
export const traversal = ({ max }: Size, factor = 0.1): number => Math.ceil(max * factor)
/** Never 0 times endless. */
export const times = (one: number, other: number): number => (one === 0 || other === 0 ? 0 : one * other)
export const product = (one: Size, other: Size): Size => ({ min: times(one.min, other.min), max: times(one.max, other.max) })
export const sum = (one: Size, other: Size): Size => ({ min: one.min + other.min, max: one.max + other.max })
const union = (one: Size, other: Size): Size => ({ min: Math.min(one.min, other.min), max: Math.max(one.max, other.max) })

export function estimateCost(expr: Expr, checked: Checked, calls: EstimateCall = () => undefined): number {
  return new Estimator(checked, calls).of(expr).cost
}

class Estimator {
  readonly #checked: Checked
  readonly #calls: EstimateCall
  readonly #locals: [name: string, known: Estimate][] = []

  constructor(checked: Checked, calls: EstimateCall) {
    this.#checked = checked
    this.#calls = calls
  }

  of(expr: Expr): Estimate {
    switch (expr.kind) {
      case 'constant':
        return { cost: 0, size: exactly(sizeOf(expr.value)) }
      case 'ident':
        return this.#named(expr)
      case 'select': {
        if (this.#checked.names.has(expr)) return { cost: 1, ...this.#typed(expr) }
        const { cost } = this.of(expr.operand)
        if (expr.test) return { cost, size: ONE }
        const { kind } = this.#typeOf(expr.operand)
        return { cost: cost + (kind === 'map' || kind === 'object' ? 1 : 0), ...this.#typed(expr) }
      }
      case 'call':
        return this.#call(expr)
      case 'list': {
        const items = expr.items.map(({ value }) => this.of(value))
        const value = items
          .map(({ size }) => size ?? UNKNOWN)
          .reduce<Size | undefined>((all, size) => (all ? union(all, size) : size), undefined)
        const size = { min: expr.items.filter(({ optional }) => !optional).length, max: items.length }
        return { cost: total(items) + 10, size, entries: { key: ONE, value: value ?? { min: 0, max: 0 } } }
      }
      case 'map': {
        const keys = expr.entries.map(({ key }) => this.of(key))
        const values = expr.entries.map(({ value }) => this.of(value))
        const joined = (all: Estimate[]) => all.map(({ size }) => size ?? UNKNOWN).reduce(union, { min: 0, max: 0 })
        return { cost: total(keys) + total(values) + 30, size: exactly(keys.length), entries: { key: joined(keys), value: joined(values) } }
      }
      case 'struct':
        return { cost: total(expr.fields.map(({ value }) => this.of(value))) + 40, size: undefined }
      case 'fold':
        return this.#fold(expr)
    }
  }

  #typeOf(expr: Expr): Type {
    return this.#checked.types.get(expr)!
  }

  #typed(expr: Expr): Omit<Estimate, 'cost'> {
    return sizesOf(this.#typeOf(expr))
  }

  #named(expr: Expr & { kind: 'ident' }): Estimate {
    const local = this.#locals.findLast(([name]) => name === expr.name)?.[1]
    if (!local) return { cost: 1, ...this.#typed(expr) }
    const typed = this.#typed(expr)
    return { cost: 1, size: local.size ?? typed.size, entries: local.entries ?? typed.entries }
  }

  #call(expr: Call): Estimate {
    const { name, args } = expr
    const nodes = expr.target && !this.#checked.plain.has(expr) ? [expr.target, ...args] : args
    const given = nodes.map((node) => this.of(node))
    const before = total(given)
    switch (name) {
      case '_&&_':
      case '_||_':
        return { cost: before, size: ONE }
      case '_?_:_': {
        const [condition, yes, no] = given as [Estimate, Estimate, Estimate]
        const entries = yes.entries &&
          no.entries && { key: union(yes.entries.key, no.entries.key), value: union(yes.entries.value, no.entries.value) }
        return { cost: condition.cost + Math.max(yes.cost, no.cost), size: union(yes.size ?? UNKNOWN, no.size ?? UNKNOWN), entries }
      }
      case 'dyn':
        return { ...given[0]!, cost: before + 1 }
      case '_[_]': {
        const value = given[0]!.entries?.value
        const typed = this.#typed(expr)
        return { cost: before + 1, size: typed.size ?? value, entries: typed.entries }
      }
    }
    const types = nodes.map((node) => this.#typeOf(node))
    const sizes = given.map((one, at) => one.size ?? (SCALARS.has(types[at]!.kind) ? ONE : UNKNOWN))
    const entries = given.map((one) => one.entries)
    const space = this.#checked.plain.has(expr) ? `${spelled(expr.target!)}.` : ''
    const target = expr.target && !space ? types[0] : undefined
    const own = this.#calls({ name: space + name, target, sizes, types, entries, args }) ?? standardCost(name, sizes, types)
    const size = own.size ?? (SCALARS.has(this.#typeOf(expr).kind) ? ONE : undefined)
    const added =
      name === '_+_'
        ? entries[0] && entries[1] && { key: union(entries[0].key, entries[1].key), value: union(entries[0].value, entries[1].value) }
        : undefined
    return { cost: before + own.cost, size, entries: added }
  }

  #fold(fold: Fold): Estimate {
    const range = this.of(fold.range)
    const start = this.of(fold.start)
    const isBind = fold.accumulator !== ACCUMULATOR
    const kind = this.#typeOf(fold.range).kind
    const held = range.entries
    const outer = this.#locals.length
    this.#locals.push([fold.accumulator, start])
    if (isBind) {
      const result = this.of(fold.result)
      this.#locals.length = outer
      return { ...result, cost: range.cost + start.cost + result.cost }
    }
    const variable = (size: Size | undefined): Estimate => ({ cost: 1, size })
    if (fold.second) this.#locals.push([fold.variable, variable(kind === 'list' ? ONE : held?.key)], [fold.second, variable(held?.value)])
    else this.#locals.push([fold.variable, variable(kind === 'list' ? held?.value : held?.key)])
    const condition = this.of(fold.condition)
    const step = this.of(fold.step)
    this.#locals.length = outer + 1
    const result = this.of(fold.result)
    this.#locals.length = outer
    const count = range.size ?? UNKNOWN
    const cost = range.cost + start.cost + result.cost + times(count.max, step.cost + condition.cost)
    const collects = fold.start.kind === 'list' || fold.start.kind === 'map'
    return { cost, size: collects ? { min: 0, max: count.max } : start.size, entries: collects ? step.entries : undefined }
  }
}

const exactly = (size: number): Size => ({ min: size, max: size })
const total = (estimates: readonly Estimate[]): number => estimates.reduce((cost, one) => cost + one.cost, 0)

/** As far as its type says: of declared data the largest that can come in a request. */
function sizesOf(type: Type): Omit<Estimate, 'cost'> {
  if (type.kind === 'optional') return sizesOf(type.params[0]!)
  // As upstream has it: what has no length has none, and costs nothing to compare.
  const size =
    type.kind === 'type' ? NOTHING : type.maxSize === undefined ? (SCALARS.has(type.kind) ? ONE : undefined) : { min: 0, max: type.maxSize }
  const [first, second] = type.params
  const inner = (one: Type | undefined): Size => (one && sizesOf(one).size) ?? UNKNOWN
  if (type.kind === 'list') return { size, entries: { key: ONE, value: inner(first) } }
  if (type.kind === 'map') return { size, entries: { key: inner(first), value: inner(second) } }
  return { size }
}

function spelled(expr: Expr): string {
  return expr.kind === 'select' ? `${spelled(expr.operand)}.${expr.field}` : expr.kind === 'ident' ? expr.name : ''
}

function standardCost(name: string, sizes: readonly Size[], types: readonly Type[]): { cost: number; size?: Size } {
  const [first = ONE, second = ONE] = sizes
  const kind = types[0]?.kind
  const long = kind === 'string' || kind === 'bytes'
  switch (name) {
    case 'startsWith':
    case 'endsWith':
      return { cost: traversal(second) }
    case 'bytes':
      return kind === 'string' ? { cost: traversal(first), size: { min: first.min, max: first.max * 4 } } : { cost: 1 }
    case 'string':
      return kind === 'bytes' ? { cost: traversal(first), size: first } : { cost: 1 }
    case '@in':
      return { cost: types[1]?.kind === 'list' ? second.max : 1 }
    case 'matches':
      return { cost: times(traversal(sum(first, ONE)), traversal(second, 0.25)) }
    case 'contains':
      return { cost: times(traversal(first), traversal(second)) }
    case '_+_':
      if (kind === 'list') return { cost: 1, size: sum(first, second) }
      return long || kind === 'dyn' ? { cost: traversal(sum(first, second)), size: sum(first, second) } : { cost: 1 }
    case '_==_':
    case '_!=_':
      return { cost: Math.ceil(Math.min(first.max, second.max) * 0.1) }
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_':
      return { cost: long ? Math.ceil(Math.min(first.max, second.max) * 0.1) : 1 }
    case 'format':
      return { cost: traversal(first), size: sum(first, second) }
    default:
      return { cost: 1 }
  }
}
