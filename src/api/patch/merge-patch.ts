// JSON merge patch (RFC 7386): objects merge, null removes, everything else replaces. Nothing given is changed.
import { getOwn, isObject, type JsonObject, setOwn } from '#api/clone.ts'

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result: JsonObject = {}
  if (isObject(target)) for (const key of Object.keys(target)) if (getOwn(patch, key) !== null) setOwn(result, key, getOwn(target, key))
  for (const key of Object.keys(patch)) {
    const value = getOwn(patch, key)
    if (value !== null && value !== undefined) setOwn(result, key, mergePatch(getOwn(result, key), value))
  }
  return result
}
