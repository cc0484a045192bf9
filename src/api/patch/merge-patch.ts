// JSON merge patch (RFC 7386): objects merge, null removes, everything else replaces. Nothing given is changed. As upstream's library has it, the
// nulls of objects within a new list go too, but not where the list takes the place of an object.
import { getOwn, isObject, type JsonObject, setOwn } from '#api/clone.ts'
import { Numeral } from '#api/schema/numeral.ts'

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(target)) return withoutNulls(patch)
  if (!isMap(patch)) return patch
  const result: JsonObject = {}
  for (const key of Object.keys(target)) if (getOwn(patch, key) !== null) setOwn(result, key, getOwn(target, key))
  for (const key of Object.keys(patch)) {
    const value = getOwn(patch, key)
    if (value !== null && value !== undefined) setOwn(result, key, mergePatch(getOwn(result, key), value))
  }
  return result
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isMap(value)) return value
  const kept: JsonObject = {}
  for (const key of Object.keys(value)) {
    const member = getOwn(value, key)
    if (member !== null && member !== undefined) setOwn(kept, key, withoutNulls(member))
  }
  return kept
}

const isMap = (value: unknown): value is JsonObject => isObject(value) && !(value instanceof Numeral)
