// A JSON number as it is spelled, where the spelling matters: Go reads neither `1.0` nor `1e3` nor 2^63 into a field of whole numbers.
import { setOwn } from '#api/clone.ts'
import { longInteger, rawJson } from '#lib/exact-json.ts'

export class Numeral {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  toJSON(): unknown {
    return rawJson(this.source)
  }
}

const INTEGER = /^-?\d+$/

/** The value of a JSON text, with a Numeral for every number that is spelled in another way than it would be written, or as no integer of 64 bits. */
export function parseNumerals(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, { source = '' }: { source?: string } = {}) =>
    typeof value === 'number' ? numberOf(value, source) : value,
  )
}

/** `value` as it is told by `source`. */
export function numberOf(value: number, source: string): number | bigint | Numeral {
  return exactOf(value, source) ?? new Numeral(source)
}

function exactOf(value: number, source: string): number | bigint | undefined {
  if (!INTEGER.test(source)) return String(value) === source ? value : undefined
  return Number.isSafeInteger(value) ? value : source.length <= 20 ? longInteger(source) : undefined
}

/** Numbers in place of Numerals, in place. */
export function withPlainNumbers(value: unknown): unknown {
  if (value instanceof Numeral) return Number(value.source)
  if (typeof value !== 'object' || value === null) return value
  const members = value as Record<string, unknown>
  for (const key of Object.keys(members)) {
    const member = members[key]
    // The key is the object's own, so even `__proto__` is a plain member here.
    if (typeof member === 'object' && member !== null) members[key] = withPlainNumbers(member)
  }
  return value
}

/** As `clone`, for values that may have Numerals in them. */
export function cloneSpelled<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Numeral) return value
  if (Array.isArray(value)) return value.map((item) => cloneSpelled(item)) as T
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) if (member !== undefined) setOwn(copy, key, cloneSpelled(member))
  return copy as T
}
