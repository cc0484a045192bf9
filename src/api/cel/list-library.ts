// Kubernetes' functions over lists (isSorted, sum, min, max, indexOf, lastIndexOf), those of optionals, and the sets library.
import { compare, equals } from '#lib/cel/compare.ts'
import { declare, type Declaration, type Handler, type Run } from '#lib/cel/functions.ts'
import { int } from '#lib/cel/standard.ts'
import { Duration, Failure, Items, type ListValue, NONE, Optional, Uint, type Value } from '#lib/cel/values.ts'
import { duration } from '#lib/cel/time.ts'

const ORDERED = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes']
/** Texts by their tenths, whatever else by one each. */
function whole(list: ListValue): number {
  const first = list.size > 0 ? list.at(0) : undefined
  if (typeof first !== 'string' && !(first instanceof Uint8Array)) return list.size
  let cost = 0
  for (let at = 0; at < list.size && cost < MOST; at++) {
    const one = list.at(at)
    cost += typeof one === 'string' || one instanceof Uint8Array ? Math.floor(one.length / 10) : 1
  }
  return cost
}

/** More than any expression may cost. */
const MOST = 100_000_000
const each = (list: ListValue): number => list.size
const product = (left: ListValue, right: ListValue): number => 1 + left.size * right.size

function isSorted(list: ListValue): Value {
  for (let at = 1; at < list.size; at++) {
    const order = compare(list.at(at - 1), list.at(at))
    if (order instanceof Failure) return order
    if (order > 0) return false
  }
  return true
}

const extreme =
  (name: string, sign: 1 | -1): Handler =>
  (_, list: ListValue) => {
    if (list.size === 0) return new Failure(`${name} called on empty list`)
    let best = list.at(0)
    for (let at = 1; at < list.size; at++) {
      const one = list.at(at)
      const order = compare(one, best)
      if (order instanceof Failure) return order
      if (order * sign > 0) best = one
    }
    return best
  }

function sum(list: ListValue, zero: Value): Value {
  let total = zero
  for (let at = 0; at < list.size; at++) {
    const one = list.at(at)
    if (typeof one === 'bigint' && typeof total === 'bigint') total = int(total + one)
    else if (typeof one === 'number' && typeof total === 'number') total += one
    else if (one instanceof Uint && total instanceof Uint)
      total = total.value + one.value < 2n ** 64n ? new Uint(total.value + one.value) : new Failure('unsigned integer overflow')
    else if (one instanceof Duration && total instanceof Duration) total = duration(total.nanos + one.nanos)
    else return one instanceof Failure ? one : new Failure('no such overload')
    if (total instanceof Failure) return total
  }
  return total
}

function indexOf({ meter }: Run, list: ListValue, value: Value): Value {
  for (let at = 0; at < list.size; at++) if (equals(list.at(at), value, meter)) return BigInt(at)
  return -1n
}

function lastIndexOf({ meter }: Run, list: ListValue, value: Value): Value {
  for (let at = list.size - 1; at >= 0; at--) if (equals(list.at(at), value, meter)) return BigInt(at)
  return -1n
}

export const listFunctions = (): Declaration[] => [
  ...ORDERED.flatMap((type) => [
    declare(`list<${type}>~isSorted(): bool`, (_, list) => isSorted(list), whole, each),
    declare(`list<${type}>~min(): ${type}`, extreme('min', -1), whole, each),
    declare(`list<${type}>~max(): ${type}`, extreme('max', 1), whole, each),
  ]),
  declare('list<int>~sum(): int', (_, list) => sum(list, zeroLike(list, 0n)), whole),
  declare('list<uint>~sum(): uint', (_, list) => sum(list, zeroLike(list, new Uint(0n))), whole),
  declare('list<double>~sum(): double', (_, list) => sum(list, zeroLike(list, 0)), whole),
  declare('list<duration>~sum(): duration', (_, list) => sum(list, zeroLike(list, new Duration(0n))), whole),
  declare('list<A>~first(): optional<A>', (_, list: ListValue) => (list.size > 0 ? new Optional(list.at(0)) : NONE)),
  declare('list<A>~last(): optional<A>', (_, list: ListValue) => (list.size > 0 ? new Optional(list.at(list.size - 1)) : NONE)),
  declare('optional.unwrap(list<optional<A>>): list<A>', (_, list) => unwrapped(list), undefined, each),
  declare('list<optional<A>>~unwrapOpt(): list<A>', (_, list) => unwrapped(list), undefined, each),
  declare('list<A>~indexOf(A): int', indexOf, whole, each),
  declare('list<A>~lastIndexOf(A): int', lastIndexOf, whole, each),
]

/** What is in those that hold something. */
function unwrapped(list: ListValue): Value {
  const values: Value[] = []
  for (let at = 0; at < list.size; at++) {
    const one = list.at(at)
    if (!(one instanceof Optional)) return new Failure('no such overload')
    if (one.value !== undefined) values.push(one.value)
  }
  return new Items(values)
}

/** Of a list whose type nobody knew, its first element says what is added up. */
function zeroLike(list: ListValue, declared: Value): Value {
  const first = list.size > 0 ? list.at(0) : undefined
  if (typeof first === 'bigint') return 0n
  if (typeof first === 'number') return 0
  if (first instanceof Uint) return new Uint(0n)
  return first instanceof Duration ? new Duration(0n) : declared
}

const contains = (run: Run, list: ListValue, value: Value): boolean => indexOf(run, list, value) !== -1n

function every(list: ListValue, test: (value: Value) => boolean): boolean {
  for (let at = 0; at < list.size; at++) if (!test(list.at(at))) return false
  return true
}

export const setFunctions = (): Declaration[] => [
  declare(
    'sets.contains(list<A>, list<A>): bool',
    (run, set: ListValue, part: ListValue) => every(part, (value) => contains(run, set, value)),
    product,
  ),
  declare(
    'sets.equivalent(list<A>, list<A>): bool',
    (run, one: ListValue, other: ListValue) =>
      every(one, (value) => contains(run, other, value)) && every(other, (value) => contains(run, one, value)),
    (one, other) => 2 * product(one, other) - 1,
  ),
  declare(
    'sets.intersects(list<A>, list<A>): bool',
    (run, one: ListValue, other: ListValue) => !every(one, (value) => !contains(run, other, value)),
    product,
  ),
]
