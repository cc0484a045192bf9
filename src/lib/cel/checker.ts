// Gives every node of an expression its type and every call its functions, or says why not, in the words of CEL's own checker.
import type { Call, Expr, Fold, List, MapLiteral, Select, Struct } from './ast.ts'
import type { FunctionTable, Overload } from './functions.ts'
import type { Issue } from './source.ts'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  ERROR,
  INT,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  STRING,
  TIMESTAMP,
  Type,
  typeOf,
  UINT,
} from './types.ts'
import { renamed, Unifier } from './unify.ts'

export interface Scope {
  /** Undefined for names nobody declared. */
  variable(name: string): Type | undefined
  /** Object types an expression may make or name. */
  type(name: string): Type | undefined
  functions: FunctionTable
}

/** What the checker found out, by node. */
export interface Checked {
  type: Type
  types: ReadonlyMap<Expr, Type>
  calls: ReadonlyMap<Call, readonly Overload[]>
  /** Calls whose target is a namespace, and takes no part. */
  plain: ReadonlySet<Call>
  /** Selections that are names with dots in them. */
  names: ReadonlyMap<Expr, string>
  issues: Issue[]
}

const CONSTANTS = { bool: BOOL, int: INT, uint: UINT, double: DOUBLE, string: STRING, bytes: BYTES, null: NULL } as const
export const TYPE_NAMES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ['bool', BOOL],
  ['int', INT],
  ['uint', UINT],
  ['double', DOUBLE],
  ['string', STRING],
  ['bytes', BYTES],
  ['list', listOf(DYN)],
  ['map', mapOf(DYN, DYN)],
  ['null_type', NULL],
  ['type', typeOf(DYN)],
  ['dyn', DYN],
  ['google.protobuf.Timestamp', TIMESTAMP],
  ['google.protobuf.Duration', DURATION],
  ['optional_type', optionalOf(DYN)],
])

export function check(expr: Expr, scope: Scope): Checked {
  const checker = new Checker(scope)
  const type = checker.check(expr)
  const types = new Map<Expr, Type>()
  for (const [node, found] of checker.types) types.set(node, checker.unifier.resolve(found, 'dyn'))
  const { calls, plain, names, issues } = checker
  return { type: checker.unifier.resolve(type, 'dyn'), types, calls, plain, names, issues }
}

class Checker {
  readonly types = new Map<Expr, Type>()
  readonly calls = new Map<Call, readonly Overload[]>()
  readonly plain = new Set<Call>()
  readonly names = new Map<Expr, string>()
  readonly issues: Issue[] = []
  readonly unifier = new Unifier()
  readonly #scope: Scope
  readonly #locals: [name: string, type: Type][] = []

  constructor(scope: Scope) {
    this.#scope = scope
  }

  check(expr: Expr): Type {
    const type = this.#typeOf(expr)
    this.types.set(expr, type)
    return type
  }

  #typeOf(expr: Expr): Type {
    switch (expr.kind) {
      case 'constant':
        return CONSTANTS[expr.type]
      case 'ident':
        return this.#lookup(expr.name) ?? this.#tell(expr.at, `undeclared reference to '${expr.name}' (in container '')`)
      case 'select':
        return this.#select(expr)
      case 'call':
        return this.#call(expr)
      case 'list':
        return this.#list(expr)
      case 'map':
        return this.#map(expr)
      case 'struct':
        return this.#struct(expr)
      case 'fold':
        return this.#fold(expr)
    }
  }

  #tell(at: number, message: string): Type {
    this.issues.push({ at, message })
    return ERROR
  }

  #local(name: string): Type | undefined {
    return this.#locals.findLast(([local]) => local === name)?.[1]
  }

  #lookup(name: string): Type | undefined {
    const declared = this.#local(name) ?? this.#scope.variable(name)
    if (declared) return declared
    const named = TYPE_NAMES.get(name) ?? this.#scope.type(name)
    return named && typeOf(named)
  }

  #select(expr: Select): Type {
    const name = expr.test ? undefined : qualifiedName(expr)
    if (name !== undefined && this.#local(name.slice(0, name.indexOf('.'))) === undefined) {
      const type = this.#lookup(name)
      if (type) {
        this.names.set(expr, name)
        return type
      }
    }
    const type = this.#member(expr.operand, this.check(expr.operand), { at: expr.at, field: expr.field })
    return expr.test ? BOOL : type
  }

  #member(operand: Expr, found: Type, { at, field, optional = false }: { at: number; field: string; optional?: boolean }): Type {
    let target = this.unifier.resolve(found)
    const wrap = optional || target.kind === 'optional'
    if (target.kind === 'optional') target = this.unifier.resolve(target.params[0]!)
    const made = (type: Type) => (wrap ? optionalOf(type) : type)
    switch (target.kind) {
      case 'dyn':
      case 'error':
        return made(DYN)
      case 'param':
        this.unifier.fit([target], [DYN])
        return made(DYN)
      case 'map':
        return made(target.params[1]!)
      case 'object': {
        const type = target.field?.(field)?.type
        return type ? made(type) : this.#tell(at, `undefined field '${field}'`)
      }
      default:
        return this.#tell(operand.at === at ? at : at, `type '${target}' does not support field selection`)
    }
  }

  #call(expr: Call): Type {
    if (expr.name === '_?._' && expr.args.length === 2 && expr.args[1]!.kind === 'constant') {
      const [operand, field] = expr.args as [Expr, Expr & { kind: 'constant' }]
      this.types.set(field, STRING)
      return this.#member(operand, this.check(operand), { at: expr.at, field: field.value as string, optional: true })
    }
    const given = expr.args.map((arg) => this.check(arg))
    const { functions } = this.#scope
    const space = expr.target && qualifiedName(expr.target)
    if (space !== undefined && this.#local(space.split('.')[0]!) === undefined) {
      const overloads = functions.get(`${space}.${expr.name}`)
      if (overloads) {
        this.plain.add(expr)
        return this.#resolve(expr, `${space}.${expr.name}`, { overloads, given, method: false })
      }
    }
    if (expr.target) given.unshift(this.check(expr.target))
    const overloads = functions.get(expr.name)
    if (!overloads) return this.#tell(expr.at, `undeclared reference to '${expr.name}' (in container '')`)
    return this.#resolve(expr, expr.name, { overloads, given, method: expr.target !== undefined })
  }

  #resolve(
    expr: Call,
    name: string,
    { overloads, given, method }: { overloads: readonly Overload[]; given: readonly Type[]; method: boolean },
  ): Type {
    const fitting: Overload[] = []
    let result: Type | undefined
    for (const overload of overloads) {
      if (overload.method !== method || overload.args.length !== given.length) continue
      const [made, ...args] = overload.generic
        ? renamed([overload.result, ...overload.args], this.unifier)
        : [overload.result, ...overload.args]
      if (!this.unifier.fit(args, given)) continue
      fitting.push(overload)
      const type = this.unifier.resolve(made!)
      result = result === undefined || sameType(result, type) ? type : DYN
    }
    this.calls.set(expr, fitting)
    if (result) return result
    const types = given.map((type) => String(this.unifier.resolve(type, 'dyn')))
    const signature = method ? `${types[0]}.(${types.slice(1).join(', ')})` : `(${types.join(', ')})`
    return this.#tell(expr.at, `found no matching overload for '${name}' applied to '${signature}'`)
  }

  #list({ items }: List): Type {
    let type: Type | undefined
    for (const { value, optional } of items) type = this.#join(type, this.#unwrapped(value, optional), value.at)
    return listOf(type ?? this.unifier.variable(), items.length)
  }

  #map({ entries }: MapLiteral): Type {
    let keys: Type | undefined
    let values: Type | undefined
    for (const { key, value, optional } of entries) {
      keys = this.#join(keys, this.check(key), key.at)
      values = this.#join(values, this.#unwrapped(value, optional), value.at)
    }
    return mapOf(keys ?? this.unifier.variable(), values ?? this.unifier.variable(), entries.length)
  }

  #unwrapped(value: Expr, optional: boolean): Type {
    const type = this.unifier.resolve(this.check(value))
    if (!optional || type.kind === 'dyn' || type.kind === 'error') return type
    if (type.kind === 'optional') return type.params[0]!
    return this.#tell(value.at, `expected type 'optional_type(${type})' but found '${type}'`)
  }

  /** One type for all members of a literal. */
  #join(before: Type | undefined, type: Type, at: number): Type {
    if (before === undefined) return type
    if (this.unifier.fit([before], [type])) {
      const [known, seen] = [this.unifier.resolve(before), this.unifier.resolve(type)]
      return seen.kind === 'dyn' ? seen : known
    }
    this.#tell(at, `expected type '${this.unifier.resolve(before, 'dyn')}' but found '${this.unifier.resolve(type, 'dyn')}'`)
    return before
  }

  #struct({ at, name, fields }: Struct): Type {
    const type = this.#scope.type(name)
    if (!type) {
      for (const { value } of fields) this.check(value)
      if (TYPE_NAMES.has(name)) return this.#tell(at, `'${name}' is not a message type`)
      return this.#tell(at, `undeclared reference to '${name}' (in container '')`)
    }
    for (const { at: place, name: field, value, optional } of fields) {
      const given = this.#unwrapped(value, optional)
      const wanted = type.field?.(field)?.type
      if (!wanted) this.#tell(place, `undefined field '${field}'`)
      else if (!this.unifier.fit([wanted], [given]))
        this.#tell(place, `expected type of field '${field}' is '${wanted}' but provided type is '${this.unifier.resolve(given, 'dyn')}'`)
    }
    return type
  }

  #fold(fold: Fold): Type {
    const range = this.unifier.resolve(this.check(fold.range))
    const start = this.check(fold.start)
    let [first, second] = [DYN, DYN] as [Type, Type]
    if (range.kind === 'list') [first, second] = fold.second ? [INT, range.params[0]!] : [range.params[0]!, DYN]
    else if (range.kind === 'map') [first, second] = [range.params[0]!, range.params[1]!]
    else if (range.kind === 'param') this.unifier.fit([range], [DYN])
    else if (range.kind !== 'dyn' && range.kind !== 'error')
      this.#tell(fold.range.at, `expression of type '${range}' cannot be range of a comprehension (must be list, map, or dynamic)`)
    const outer = this.#locals.length
    this.#locals.push([fold.accumulator, start], [fold.variable, first])
    if (fold.second) this.#locals.push([fold.second, second])
    this.#assert(fold.condition, BOOL)
    this.#assert(fold.step, start)
    this.#locals.length = outer + 1
    const result = this.check(fold.result)
    this.#locals.length = outer
    return this.unifier.resolve(result)
  }

  #assert(expr: Expr, wanted: Type): void {
    const type = this.check(expr)
    if (this.unifier.fit([wanted], [type])) return
    this.#tell(expr.at, `expected type '${this.unifier.resolve(wanted, 'dyn')}' but found '${this.unifier.resolve(type, 'dyn')}'`)
  }
}

/** `a.b.c`, where the expression is nothing but names. */
function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test) return undefined
  const operand = qualifiedName(expr.operand)
  return operand && `${operand}.${expr.field}`
}

function sameType(one: Type, other: Type): boolean {
  return one === other || String(one) === String(other)
}
