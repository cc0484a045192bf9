// What strict validation says of a patch's own text: fields that occur twice, and fields of an operation that no operation has.
import { countKeys, JsonSyntaxError, strictErrors } from '#api/codec/json-scanner.ts'
import { Numeral } from '#api/schema/numeral.ts'
import { planOf } from '#api/schema/plan.ts'
import type { Schema } from '#api/schema.ts'
import type { PatchBody } from './patch.ts'

const OPERATIONS: Schema = {
  type: 'array',
  items: {
    type: 'object',
    properties: { op: { type: 'string' }, from: { type: 'string' }, path: { type: 'string' }, value: { type: 'any' } },
  },
}

/** `duplicate field "data.a"`, or `json patch unknown field "[0].foo"`; nothing for a text without fault, which is seen at a glance. */
export function patchComplaints(bytes: Uint8Array, { type, patch }: PatchBody): string[] {
  const operations = type === 'json' && Array.isArray(patch) ? (patch as unknown[]) : []
  if (countKeys(bytes) === keysOf(patch) && !operations.some(isStrange)) return []
  try {
    if (type !== 'json') return strictErrors(bytes)
    return strictErrors(bytes, planOf(OPERATIONS)).map((error) => `json patch ${error}`)
  } catch (error) {
    // Deeper than anything that is ever accepted: refused for what becomes of it.
    if (error instanceof JsonSyntaxError) return []
    throw error
  }
}

function isStrange(operation: unknown): boolean {
  if (typeof operation !== 'object' || operation === null) return false
  return Object.keys(operation).some((field) => !Object.hasOwn(OPERATIONS.items!.properties!, field))
}

/** How many keys all objects have together, however deep. */
function keysOf(value: unknown): number {
  let keys = 0
  const left: unknown[] = [value]
  while (left.length > 0) {
    const one = left.pop()
    if (typeof one !== 'object' || one === null || one instanceof Numeral) continue
    const members: unknown[] = Object.values(one)
    if (!Array.isArray(one)) keys += members.length
    for (const member of members) if (typeof member === 'object') left.push(member)
  }
  return keys
}
