// A JSON text in which fields occur more than once, as Go reads it into the structs of a plan: each occurrence is read into what came of those before
// it. Structs and maps get the members of both, items the members of the item in their place, of anything else the last counts. The slow path: bodies
// without fault never come here.
import { getOwn, isObject, setOwn } from '#api/clone.ts'
import { numberOf, Numeral } from '#api/schema/numeral.ts'
import type { Plan } from '#api/schema/plan.ts'

/** `text` is well-formed. Numbers are as `parseNumerals` has them. What is of a wrong type stays as it occurred first: it is what Go complains of. */
export function readRepeated(text: string, plan: Plan): unknown {
  return new Reader(text).value(plan, undefined)
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Without a plan every value is new. `before` is changed, if it stays. */
  value(plan: Plan | undefined, before: unknown): unknown {
    const first = this.#next()
    const wrong = before !== undefined && plan !== undefined && !fits(plan, before)
    const into = wrong ? undefined : before
    const value = first === '{' ? this.#object(plan, into) : first === '[' ? this.#array(plan, into) : this.#scalar(first)
    return wrong ? before : value
  }

  #object(plan: Plan | undefined, before: unknown): unknown {
    const mixed = plan !== undefined && UNIONS.has(plan.shape)
    const struct = plan?.shape === 'struct' ? plan : mixed ? plan.items : undefined
    const map = plan?.shape === 'map' ? plan : undefined
    const object = (struct || map) && !mixed && isObject(before) ? before : {}
    this.#at++
    while (this.#next() !== '}') {
      const name = this.#string()
      this.#next(':')
      const field = struct?.fields.get(name)
      const had = field && Object.hasOwn(object, name) ? getOwn(object, name) : undefined
      const read = this.value(field ?? map?.items, had)
      const stays = read === null && had !== undefined && had !== null && struct !== undefined && keepsItself(struct, name)
      setOwn(object, name, stays ? had : read)
      this.#next(',')
    }
    this.#at++
    return object
  }

  #array(plan: Plan | undefined, before: unknown): unknown {
    const mixed = plan !== undefined && UNIONS.has(plan.shape)
    const items = plan?.shape === 'list' || mixed ? plan.items : undefined
    const list: unknown[] = plan?.shape === 'list' && Array.isArray(before) ? before : []
    let length = 0
    this.#at++
    while (this.#next() !== ']') {
      const had = length < list.length ? list[length] : undefined
      const read = this.value(items, had ?? undefined)
      list[length] = read === null && had !== undefined && items !== undefined && BY_VALUE.has(items.shape) ? had : read
      length++
      this.#next(',')
    }
    this.#at++
    list.length = length
    return list
  }

  #scalar(first: string): unknown {
    if (first === '"') return this.#string()
    const start = this.#at
    while (this.#at < this.#text.length && !ENDS.has(this.#text[this.#at]!)) this.#at++
    const word = this.#text.slice(start, this.#at)
    return first === 't' ? true : first === 'f' ? false : first === 'n' ? null : numberOf(Number(word), word)
  }

  #string(): string {
    const start = this.#at++
    let plain = true
    for (let one = this.#text[this.#at]; one !== '"'; one = this.#text[this.#at]) {
      plain &&= one !== '\\'
      this.#at += one === '\\' ? 2 : 1
    }
    this.#at++
    return plain ? this.#text.slice(start + 1, this.#at - 1) : (JSON.parse(this.#text.slice(start, this.#at)) as string)
  }

  /** The character that comes next, behind spaces, and behind `skip` where that is it. */
  #next(skip?: string): string {
    while (SPACES.has(this.#text[this.#at]!)) this.#at++
    const next = this.#text[this.#at]!
    if (next === skip) this.#at++
    return next
  }
}

const SPACES = new Set([' ', '\t', '\n', '\r'])
const ENDS = new Set([...SPACES, ',', '}', ']'])
/** Upstream reads these by themselves, each time from nothing. */
const UNIONS: ReadonlySet<Plan['shape']> = new Set(['schema-or-bool', 'schema-or-array', 'schema-or-strings'])
/** What null says nothing of. */
const BY_VALUE: ReadonlySet<Plan['shape']> = new Set(['string', 'boolean', 'int32', 'int64', 'double', 'struct'])

/** Whether null leaves a field as it is: one that is no pointer. */
function keepsItself({ fields, keeps, fills }: Plan, name: string): boolean {
  const { shape } = fields.get(name)!
  if (!BY_VALUE.has(shape)) return false
  const always = fills.some(([one]) => one === name)
  return shape === 'struct' ? always || name === 'metadata' : always || keeps?.has(name) !== true
}

function fits({ shape }: Plan, value: unknown): boolean {
  if (value === null) return true
  switch (shape) {
    case 'struct':
    case 'map':
      return isObject(value) && !(value instanceof Numeral)
    case 'list':
      return Array.isArray(value)
    case 'string':
    case 'bytes':
    case 'time':
    case 'micro-time':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'int32':
      return Number.isInteger(value) && Math.abs((value as number) + 0.5) <= 2147483647.5
    case 'int64':
      return typeof value === 'bigint' || Number.isSafeInteger(value)
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint' || value instanceof Numeral
    default:
      return true
  }
}
