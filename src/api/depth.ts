// How deep values may be: whoever walks one calls himself for every level.
import { MAX_DEPTH } from './schema/decode.ts'
import { StatusError } from './status.ts'

export const TOO_DEEP = 'exceeded max depth'

/** Looks no deeper than it has to. */
export function isTooDeep(value: unknown, most = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (most === 0) return true
  if (Array.isArray(value)) return value.some((item) => isTooDeep(item, most - 1))
  for (const key of Object.keys(value)) if (isTooDeep((value as Record<string, unknown>)[key], most - 1)) return true
  return false
}

/** What `work` comes to; refused where its objects become so deep that no call fits any more. */
export function withinDepth<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError && error.message.includes('call stack')) throw new StatusError('BadRequest', TOO_DEEP)
    throw error
  }
}
