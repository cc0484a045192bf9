// A JSON number as it is spelled, where the spelling matters: Go reads neither `1.0` nor `1e3` nor 2^63 into a field of whole numbers.

import { longInteger } from '#lib/exact-json.ts'

export class Numeral {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

const INTEGER = /^-?\d+$/

/** The value of a JSON text, with a Numeral for every number that is not spelled as a plain integer of 64 bits. */
export function parseNumerals(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, { source = '' }: { source?: string } = {}) =>
    typeof value === 'number' ? (exactOf(value, source) ?? new Numeral(source)) : value,
  )
}

function exactOf(value: number, source: string): number | bigint | undefined {
  if (!INTEGER.test(source)) return undefined
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
