// Results of expressions as JSON: numbers as numbers, times and durations as text, bytes in base64.
import { setOwn } from '#api/clone.ts'
import { showKey } from '#lib/cel/standard.ts'
import { showDuration, showTimestamp } from '#lib/cel/time.ts'
import { Duration, ListValue, MapValue, Optional, Timestamp, TypeValue, Uint, type Value } from '#lib/cel/values.ts'

/** More than this no object holds: what an expression blew up is refused. */
const MAX_MEMBERS = 1_000_000

export class ResultTooLarge extends Error {
  override name = 'ResultTooLarge'
}

export function toJson(value: Value): unknown {
  let members = 0
  const count = (more: number) => {
    members += more
    if (members > MAX_MEMBERS) throw new ResultTooLarge('the result of the expression is too large')
  }
  const convert = (one: Value): unknown => {
    if (typeof one === 'bigint') return Number.isSafeInteger(Number(one)) ? Number(one) : one
    if (typeof one !== 'object' || one === null) return one
    if (one instanceof ListValue) {
      count(one.size)
      return Array.from({ length: one.size }, (_, at) => convert(one.at(at)))
    }
    if (one instanceof MapValue) {
      const keys = one.keys()
      count(keys.length)
      const object = {}
      for (const key of keys) setOwn(object, showKey(key), convert(one.get(key)!))
      return object
    }
    if (one instanceof Uint) return Number(one.value)
    if (one instanceof Timestamp) return showTimestamp(one)
    if (one instanceof Duration) return showDuration(one)
    if (one instanceof Uint8Array) return Buffer.from(one).toString('base64')
    if (one instanceof Optional) return one.value === undefined ? null : convert(one.value)
    return one instanceof TypeValue ? one.name : String(one)
  }
  return convert(value)
}
