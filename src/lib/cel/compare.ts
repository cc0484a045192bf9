// Equality and order of values. Numbers compare by what they are worth, whatever their types; what cannot be compared is not equal.
import type { Meter } from './meter.ts'
import { Duration, Failure, Foreign, ListValue, MapValue, Optional, Timestamp, TypeValue, Uint, type Value, typeNameOf } from './values.ts'

/** What looking at one more member takes: nobody charges for those beyond the first level. */
const ITEM_WORK = 3
const MEMBER_WORK = 8
/** What listing one key of a map takes. */
export const KEY_WORK = 4

export function equals(left: Value, right: Value, meter: Meter): boolean {
  if (typeof left === 'string' || typeof left === 'boolean' || left === null) return left === right
  if (isNumber(left)) return isNumber(right) && compareNumbers(left, right) === 0
  if (left instanceof ListValue) return right instanceof ListValue && listsEqual(left, right, meter)
  if (left instanceof MapValue) return right instanceof MapValue && mapsEqual(left, right, meter)
  if (left instanceof Timestamp) return right instanceof Timestamp && left.nanos === right.nanos
  if (left instanceof Duration) return right instanceof Duration && left.nanos === right.nanos
  if (left instanceof Uint8Array) return right instanceof Uint8Array && left.length === right.length && compareBytes(left, right) === 0
  if (left instanceof TypeValue) return right instanceof TypeValue && left.name === right.name
  if (left instanceof Foreign) return right instanceof Foreign && left.typeName === right.typeName && left.equals(right)
  if (left instanceof Optional && right instanceof Optional) {
    if (left.value === undefined || right.value === undefined) return left.value === right.value
    return equals(left.value, right.value, meter)
  }
  return false
}

function listsEqual(left: ListValue, right: ListValue, meter: Meter): boolean {
  if (left === right) return true
  if (left.size !== right.size) return false
  for (let at = 0; at < left.size; at++) {
    meter.work(ITEM_WORK)
    if (!equals(left.at(at), right.at(at), meter)) return false
  }
  return true
}

function mapsEqual(left: MapValue, right: MapValue, meter: Meter): boolean {
  if (left === right) return true
  const keys = left.keys()
  meter.work(keys.length * KEY_WORK)
  if (keys.length !== right.size) return false
  for (const key of keys) {
    meter.work(MEMBER_WORK)
    const other = right.get(key)
    if (other === undefined || !equals(left.get(key)!, other, meter)) return false
  }
  return true
}

export const isNumber = (value: Value): value is bigint | number | Uint =>
  typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint

/** NaN where either is. */
export function compareNumbers(left: bigint | number | Uint, right: bigint | number | Uint): number {
  const a = left instanceof Uint ? left.value : left
  const b = right instanceof Uint ? right.value : right
  return a === b ? 0 : a < b ? -1 : a > b ? 1 : a == b ? 0 : Number.NaN
}

/** Less than zero, zero, more than zero; NaN for numbers that have no order. */
export function compare(left: Value, right: Value): number | Failure {
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right)
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right)
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right)
  if (left instanceof Timestamp && right instanceof Timestamp) return compareNumbers(left.nanos, right.nanos)
  if (left instanceof Duration && right instanceof Duration) return compareNumbers(left.nanos, right.nanos)
  if (left instanceof Uint8Array && right instanceof Uint8Array) return compareBytes(left, right)
  return noOverload(left, right)
}

/** By code points, which UTF-16 does not sort by. */
function compareText(left: string, right: string): number {
  if (left === right) return 0
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at)
    const b = right.charCodeAt(at)
    if (a === b) continue
    const surrogates = Number(a >= 0xd800 && a < 0xe000) - Number(b >= 0xd800 && b < 0xe000)
    return surrogates === 0 ? a - b : surrogates
  }
  return left.length - right.length
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return left[at]! - right[at]!
  return left.length - right.length
}

export function noOverload(...args: Value[]): Failure {
  for (const arg of args) if (arg instanceof Failure) return arg
  return args.length === 0 ? new Failure('no such overload') : new Failure(`no such overload: ${args.map(typeNameOf).join(', ')}`)
}
