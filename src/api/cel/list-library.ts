// Kubernetes' functions over lists (isSorted, sum, min, max, indexOf, lastIndexOf) and the sets library.
import { compare, equals } from '#lib/cel/compare.ts'
import { declare, type Declaration, type Handler, type Run } from '#lib/cel/functions.ts'
import { int } from '#lib/cel/standard.ts'
import { Duration, Failure, type ListValue, Uint, type Value } from '#lib/cel/values.ts'
import { duration } from '#lib/cel/time.ts'

const ORDERED = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes']
const whole = (list: ListValue): number => list.size
const product = (left: ListValue, right: ListValue): number => left.size * right.size

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
    declare(`list<${type}>~isSorted(): bool`, (_, list) => isSorted(list), whole),
    declare(`list<${type}>~min(): ${type}`, extreme('min', -1), whole),
    declare(`list<${type}>~max(): ${type}`, extreme('max', 1), whole),
  ]),
  declare('list<int>~sum(): int', (_, list) => sum(list, zeroLike(list, 0n)), whole),
  declare('list<uint>~sum(): uint', (_, list) => sum(list, zeroLike(list, new Uint(0n))), whole),
  declare('list<double>~sum(): double', (_, list) => sum(list, zeroLike(list, 0)), whole),
  declare('list<duration>~sum(): duration', (_, list) => sum(list, zeroLike(list, new Duration(0n))), whole),
  declare('list<A>~indexOf(A): int', indexOf, whole),
  declare('list<A>~lastIndexOf(A): int', lastIndexOf, whole),
]

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
    (one, other) => 2 * product(one, other),
  ),
  declare(
    'sets.intersects(list<A>, list<A>): bool',
    (run, one: ListValue, other: ListValue) => !every(one, (value) => !contains(run, other, value)),
    product,
  ),
]
