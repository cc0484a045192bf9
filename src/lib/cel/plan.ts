// Turns a checked expression into closures, once. Running them charges every step before it is taken; what fails becomes a value, what costs too much
// ends the run.
import type { Call, Constant, Expr, Fold, List, MapLiteral, Select, Struct } from './ast.ts'
import type { Checked } from './checker.ts'
import { TYPE_NAMES } from './checker.ts'
import { KEY_WORK, noOverload } from './compare.ts'
import { int } from './standard.ts'
import type { Overload, Run } from './functions.ts'
import { ACCUMULATOR } from './macros.ts'
import type { Meter } from './meter.ts'
import type { Type } from './types.ts'
import {
  adapt,
  Entries,
  Failure,
  Items,
  ListValue,
  MapValue,
  NONE,
  ObjectValue,
  Optional,
  TypeValue,
  Uint,
  type Value,
  typeNameOf,
} from './values.ts'

export class Frame implements Run {
  readonly meter: Meter
  readonly locals: Value[] = []
  readonly #variables: Readonly<Record<string, unknown>>
  readonly #globals = new Map<string, Value>()

  constructor(meter: Meter, variables: Readonly<Record<string, unknown>>) {
    this.meter = meter
    this.#variables = variables
  }

  global(name: string, type: Type): Value {
    const known = this.#globals.get(name)
    if (known !== undefined) return known
    const raw = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined
    const value = raw === undefined ? new Failure(`no such attribute(s): ${name}`) : adapt(raw, type)
    this.#globals.set(name, value)
    return value
  }
}

export type Step = (frame: Frame) => Value

const LIST_COST = 10
const MAP_COST = 30
const STRUCT_COST = 40

export interface PlanScope {
  variable(name: string): Type | undefined
  type(name: string): Type | undefined
}

export function plan(expr: Expr, checked: Checked, scope: PlanScope): Step {
  return new Planner(checked, scope).step(expr)
}

class Planner {
  readonly #checked: Checked
  readonly #scope: PlanScope
  readonly #locals: string[] = []

  constructor(checked: Checked, scope: PlanScope) {
    this.#checked = checked
    this.#scope = scope
  }

  step(expr: Expr): Step {
    switch (expr.kind) {
      case 'constant': {
        const { value } = expr
        return () => value
      }
      case 'ident':
        return this.#name(expr.name)
      case 'select': {
        const name = this.#checked.names.get(expr)
        return name === undefined ? this.#select(expr) : this.#name(name)
      }
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

  #name(name: string): Step {
    const slot = this.#locals.lastIndexOf(name)
    if (slot >= 0)
      return (frame) => {
        frame.meter.spend(1)
        return frame.locals[slot]!
      }
    const type = this.#scope.variable(name)
    if (type)
      return (frame) => {
        frame.meter.spend(1)
        return frame.global(name, type)
      }
    const value = new TypeValue((TYPE_NAMES.get(name) ?? this.#scope.type(name))!.name)
    return () => value
  }

  #select({ operand, field, test }: Select): Step {
    const target = this.step(operand)
    if (test) return (frame) => has(target(frame), field)
    return (frame) => {
      const value = target(frame)
      if (value instanceof Failure) return value
      frame.meter.spend(1)
      return select(value, field)
    }
  }

  #call(expr: Call): Step {
    const { name, args } = expr
    switch (name) {
      case '_&&_':
        return logical(this.step(args[0]!), this.step(args[1]!), false)
      case '_||_':
        return logical(this.step(args[0]!), this.step(args[1]!), true)
      case '_?_:_':
        return choice(this.step(args[0]!), this.step(args[1]!), this.step(args[2]!))
      case '@not_strictly_false': {
        const test = this.step(args[0]!)
        return (frame) => {
          const value = test(frame)
          frame.meter.spend(1)
          return value !== false
        }
      }
      case '_?._':
        return optionalSelect(this.step(args[0]!), (args[1] as Constant).value as string)
      case 'or':
      case 'orValue':
        if (expr.target && args.length === 1) return alternative(this.step(expr.target), this.step(args[0]!), name === 'orValue')
    }
    if (name === '_+_' && isAccumulating(args)) return this.#append(args[1] as List)
    const overloads = this.#checked.calls.get(expr) ?? []
    const quick = QUICK.get(name)
    if (quick && args.length === 2) return onInts(quick, [this.step(args[0]!), this.step(args[1]!)], overloads)
    const steps = args.map((arg) => this.step(arg))
    if (expr.target && !this.#checked.plain.has(expr)) steps.unshift(this.step(expr.target))
    return invoke(overloads, steps)
  }

  /** The list a macro collects into is nobody else's: it grows in place. */
  #append({ items }: List): Step {
    const made = this.step(items[0]!.value)
    const slot = this.#locals.lastIndexOf(ACCUMULATOR)
    return (frame) => {
      const accumulated = frame.locals[slot]!
      if (accumulated instanceof Failure) return accumulated
      const value = made(frame)
      if (value instanceof Failure) return value
      frame.meter.spend(LIST_COST + 2)
      ;(accumulated as Items).items.push(value)
      return accumulated
    }
  }

  #list({ items }: List): Step {
    if (items.length > 0 && items.every(({ value, optional }) => value.kind === 'constant' && !optional)) {
      const value = new Items(items.map((item) => (item.value as Constant).value))
      return () => value
    }
    const steps = items.map(({ value, optional }) => ({ step: this.step(value), optional }))
    return (frame) => {
      const values: Value[] = []
      for (const { step, optional } of steps) {
        let value: Value | undefined = step(frame)
        if (value instanceof Failure) return value
        if (optional) value = value instanceof Optional ? value.value : noOverload(value)
        if (value instanceof Failure) return value
        if (value !== undefined) values.push(value)
      }
      frame.meter.spend(LIST_COST)
      return new Items(values)
    }
  }

  #map({ entries }: MapLiteral): Step {
    const steps = entries.map(({ key, value, optional }) => ({ key: this.step(key), value: this.step(value), optional }))
    return (frame) => {
      const map = new Entries()
      for (const { key, value, optional } of steps) {
        const name = key(frame)
        if (name instanceof Failure) return name
        let member: Value | undefined = value(frame)
        if (member instanceof Failure) return member
        if (optional) member = member instanceof Optional ? member.value : noOverload(member)
        if (member instanceof Failure) return member
        if (!isKey(name)) return new Failure(`unsupported key type: ${typeNameOf(name)}`)
        if (member !== undefined && !map.add(name, member)) return new Failure(`Failed with repeated key`)
      }
      frame.meter.spend(MAP_COST)
      return map
    }
  }

  #struct({ name, fields }: Struct): Step {
    const type = this.#scope.type(name)!
    const steps = fields.map(({ name: field, value, optional }) => ({ key: type.field!(field)!.key, step: this.step(value), optional }))
    return (frame) => {
      const members: [string, Value][] = []
      for (const { key, step, optional } of steps) {
        let value: Value | undefined = step(frame)
        if (optional && value instanceof Optional) value = value.value
        if (value instanceof Failure) return value
        if (value !== undefined) members.push([key, value])
      }
      frame.meter.spend(STRUCT_COST)
      return new ObjectValue(Object.fromEntries(members), type)
    }
  }

  #fold(fold: Fold): Step {
    const range = this.step(fold.range)
    const collects = fold.accumulator === ACCUMULATOR && (fold.start.kind === 'list' || fold.start.kind === 'map')
    const start = this.step(fold.start)
    const slot = this.#locals.push(fold.accumulator, fold.variable) - 2
    if (fold.second) this.#locals.push(fold.second)
    const condition = this.step(fold.condition)
    const next = this.step(fold.step)
    this.#locals.length = slot + 1
    const result = this.step(fold.result)
    this.#locals.length = slot
    const never = fold.condition.kind === 'constant' && fold.condition.value === false
    const pair = fold.second !== undefined
    return (frame) => {
      const over = never ? NOTHING : range(frame)
      if (over instanceof Failure) return over
      const { locals, meter } = frame
      if (never) meter.spend(LIST_COST)
      const elements = over instanceof MapValue ? over.keys() : undefined
      if (elements) meter.work(elements.length * KEY_WORK)
      if (!elements && !(over instanceof ListValue)) return new Failure(`got '${typeNameOf(over)}', expected iterable type`)
      const list = over as ListValue
      const size = elements ? elements.length : list.size
      locals[slot] = start(frame)
      for (let at = 0; at < size; at++) {
        if (pair) {
          locals[slot + 1] = elements ? elements[at]! : BigInt(at)
          locals[slot + 2] = elements ? (over as MapValue).get(elements[at]!)! : list.at(at)
        } else locals[slot + 1] = elements ? elements[at]! : list.at(at)
        if (condition(frame) !== true) break
        const value = next(frame)
        locals[slot] = value
        if (collects && value instanceof Failure) return value
      }
      return result(frame)
    }
  }
}

const NOTHING = new Items([])

const isKey = (value: Value): boolean =>
  typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean' || value instanceof Uint

function isAccumulating(args: readonly Expr[]): boolean {
  const [left, right] = args
  return left?.kind === 'ident' && left.name === ACCUMULATOR && right?.kind === 'list'
}

/** Ints are what most expressions compute with. */
const QUICK: ReadonlyMap<string, (left: bigint, right: bigint) => Value> = new Map<string, (left: bigint, right: bigint) => Value>([
  ['_+_', (left, right) => int(left + right)],
  ['_-_', (left, right) => int(left - right)],
  ['_==_', (left, right) => left === right],
  ['_!=_', (left, right) => left !== right],
  ['_<_', (left, right) => left < right],
  ['_<=_', (left, right) => left <= right],
  ['_>_', (left, right) => left > right],
  ['_>=_', (left, right) => left >= right],
])

function onInts(act: (left: bigint, right: bigint) => Value, [first, second]: [Step, Step], overloads: readonly Overload[]): Step {
  const pair: { left: Value; right: Value } = { left: null, right: null }
  const rest = invoke(overloads, [() => pair.left, () => pair.right])
  return (frame) => {
    const left = first(frame)
    if (left instanceof Failure) return left
    const right = second(frame)
    if (typeof left === 'bigint' && typeof right === 'bigint') {
      frame.meter.spend(1)
      return act(left, right)
    }
    pair.left = left
    pair.right = right
    return rest(frame)
  }
}

/** The first function whose arguments these are. */
function invoke(overloads: readonly Overload[], steps: readonly Step[]): Step {
  const [only] = overloads
  const [first, second] = steps
  if (overloads.length === 1 && only && steps.length === 1) {
    const { handler, cost, work } = only
    const [fits] = only.guards
    return (frame) => {
      const value = first!(frame)
      if (!fits!(value)) return noOverload(value)
      frame.meter.spend(cost ? cost(value) : 1)
      if (work) frame.meter.work(work(value))
      return handler(frame, value)
    }
  }
  if (steps.length === 2) {
    return (frame) => {
      const left = first!(frame)
      if (left instanceof Failure) return left
      const right = second!(frame)
      if (right instanceof Failure) return right
      for (const { guards, cost, work, handler } of overloads) {
        if (!guards[0]!(left) || !guards[1]!(right)) continue
        frame.meter.spend(cost ? cost(left, right) : 1)
        if (work) frame.meter.work(work(left, right))
        return handler(frame, left, right)
      }
      return noOverload(left, right)
    }
  }
  return (frame) => {
    const values: Value[] = []
    for (const step of steps) {
      const value = step(frame)
      if (value instanceof Failure) return value
      values.push(value)
    }
    for (const { guards, cost, work, handler } of overloads) {
      if (!guards.every((fits, at) => fits(values[at]!))) continue
      frame.meter.spend(cost ? cost(...values) : 1)
      if (work) frame.meter.work(work(...values))
      return handler(frame, ...values)
    }
    return noOverload(...values)
  }
}

/** `&&` and `||`: what decides, decides, even where the other side fails. */
function logical(left: Step, right: Step, deciding: boolean): Step {
  return (frame) => {
    const one = left(frame)
    if (one === deciding) return deciding
    const other = right(frame)
    if (other === deciding) return deciding
    if (typeof one !== 'boolean') return one instanceof Failure ? one : noOverload(one)
    return typeof other === 'boolean' || other instanceof Failure ? other : noOverload(other)
  }
}

function choice(condition: Step, yes: Step, no: Step): Step {
  return (frame) => {
    const value = condition(frame)
    if (value === true) return yes(frame)
    if (value === false) return no(frame)
    return value instanceof Failure ? value : noOverload(value)
  }
}

/** `a.or(b)` and `a.orValue(b)`: the other is made only where it is needed. */
function alternative(target: Step, other: Step, unwrap: boolean): Step {
  return (frame) => {
    const value = target(frame)
    if (!(value instanceof Optional)) return noOverload(value)
    frame.meter.spend(1)
    if (value.value === undefined) return other(frame)
    return unwrap ? value.value : value
  }
}

function has(value: Value, field: string): Value {
  if (value instanceof Failure) return value
  if (value instanceof Optional) return value.value === undefined ? false : has(value.value, field)
  if (value instanceof ObjectValue) return value.has(field) ?? new Failure(`no such field: ${field}`)
  if (value instanceof MapValue) return value.get(field) !== undefined
  return noOverload(value)
}

function select(value: Value, field: string): Value {
  if (value instanceof MapValue) {
    const member = value.select(field)
    return member === undefined ? new Failure(`no such key: ${field}`) : member
  }
  if (value instanceof Optional) return optionally(value, field)
  return noOverload(value)
}

function optionalSelect(target: Step, field: string): Step {
  return (frame) => {
    const value = target(frame)
    if (value instanceof Failure) return value
    frame.meter.spend(1)
    return optionally(value, field)
  }
}

function optionally(value: Value, field: string): Value {
  if (value instanceof Optional) return value.value === undefined ? NONE : optionally(value.value, field)
  if (!(value instanceof MapValue)) return noOverload(value)
  const member = value.select(field)
  if (member instanceof Failure) return member
  return member === undefined ? NONE : new Optional(member)
}
