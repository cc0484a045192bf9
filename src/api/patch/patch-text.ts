// A patch's text, read. Only JSON and merge patches say what was being read when it failed.
import { isObject } from '#api/clone.ts'
import { syntaxErrorOf } from '#api/codec/json-scanner.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { goKind } from './json-patch.ts'
import type { PatchBody } from './patch.ts'

/** `fault` is why it is refused, in upstream's words. */
export function parsePatchText(bytes: Buffer, type: PatchBody['type']): { patch?: unknown; fault?: string } {
  const refuse = (why: string) => ({ fault: type === 'strategic' ? why : `error decoding patch: ${why}` })
  let patch: unknown
  try {
    patch = parseExactly(bytes.toString('utf8'))
  } catch (error) {
    return refuse(syntaxErrorOf(bytes) ?? (error as Error).message)
  }
  const fits = patch === null || (type === 'json' ? Array.isArray(patch) : isObject(patch))
  const wanted = type === 'json' ? '[]interface {}' : 'map[string]interface {}'
  return fits ? { patch } : refuse(`json: cannot unmarshal ${goKind(patch)} into Go value of type ${wanted}`)
}
