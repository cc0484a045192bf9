// A patch's text, read. Only JSON and merge patches say what was being read when it failed.
import { isObject } from '#api/clone.ts'
import { isTooDeep, TOO_DEEP } from '#api/depth.ts'
import { surveyJson, syntaxErrorOf } from '#api/codec/json-scanner.ts'
import { parseNumerals } from '#api/schema/numeral.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { goKind } from './json-patch.ts'
import type { PatchBody } from './patch.ts'

export interface PatchText {
  patch?: unknown
  /** See PatchBody. */
  numerals?: true
  /** Why it is refused, in upstream's words. */
  fault?: string
}

export function parsePatchText(bytes: Buffer, type: PatchBody['type']): PatchText {
  const refuse = (why: string) => ({ fault: type === 'strategic' ? why : `error decoding patch: ${why}` })
  const text = bytes.toString('utf8')
  let patch: unknown
  try {
    patch = parseExactly(text)
  } catch (error) {
    return refuse(syntaxErrorOf(bytes) ?? (error as Error).message)
  }
  const fits = patch === null || (type === 'json' ? Array.isArray(patch) : isObject(patch))
  const wanted = type === 'json' ? '[]interface {}' : 'map[string]interface {}'
  if (!fits) return refuse(`json: cannot unmarshal ${goKind(patch)} into Go value of type ${wanted}`)
  if (isTooDeep(patch)) return refuse(TOO_DEEP)
  // What a strategic patch makes is converted without text in between.
  return type === 'strategic' || !surveyJson(bytes).oddNumerals ? { patch } : { patch: parseNumerals(text), numerals: true }
}
