// Sets of fields that many objects share, each with its JSON: what controllers and nodes own of one object they mostly own of the next.
// Equal sets become one, so that they are told to be the same at a glance and written without being looked at. What is remembered is bounded.
import { LruMap } from '#lib/lru-map.ts'
import type { Fields } from './fields.ts'

const MOST_SETS = 500
/** Larger sets are rarely alike. */
const MOST_ELEMENTS = 250

const known = new LruMap<string, Fields>(MOST_SETS)
const texts = new WeakMap<object, string>()

/** The JSON of fields that many objects share; undefined: these are one object's own. */
export function sharedText(fields: object): string | undefined {
  return texts.get(fields)
}

/** From now on `text` is known to be the JSON of `fields`. */
export function rememberText(fields: Fields, text: string): void {
  texts.set(fields, text)
}

/** The set that is equal to `fields`, which are in the order they are stored. */
export function sharedFields(fields: Fields): Fields {
  if (texts.has(fields) || elementsIn(fields) > MOST_ELEMENTS) return fields
  const text = JSON.stringify(fields)
  const equal = known.get(text)
  if (equal) return equal
  known.set(text, fields)
  texts.set(fields, text)
  return fields
}

/** As far as it matters. */
function elementsIn(fields: Fields): number {
  let count = 0
  for (const element in fields) if ((count += 1 + elementsIn(fields[element]!)) > MOST_ELEMENTS) break
  return count
}
