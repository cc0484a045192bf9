// One entry to the three kinds of patch. The object given is never changed; the result may share parts with it and with the patch.
import { clone, isObject, type JsonObject } from '#api/clone.ts'
import { isTooDeep, TOO_DEEP, withinDepth } from '#api/depth.ts'
import type { Schema } from '#api/schema.ts'
import { cloneSpelled } from '#api/schema/numeral.ts'
import { StatusError } from '#api/status.ts'
import { goKind, jsonPatch } from './json-patch.ts'
import { mergePatch } from './merge-patch.ts'
import { strategicMergePatch } from './strategic-merge-patch.ts'

export interface PatchBody {
  type: 'json' | 'merge' | 'strategic'
  patch: unknown
  /** Some of its numbers may be Numerals. */
  numerals?: true
  /** What strict validation found in its text. */
  complaints?: readonly string[]
}

/** Applies a decoded patch. `schema` drives strategic merge; other patches ignore it. Refusals are those of upstream, code by code. */
export function patchObject<T extends object>(object: T, { type, patch }: PatchBody, schema: Schema): T {
  const result = type === 'json' ? operated(object, patch) : type === 'merge' ? merged(object, patch) : strategic(object, patch, schema)
  if (isObject(result)) return result as T
  throw invalidResult(result)
}

/** What came of a patch, to be changed at will. */
export function ownOutcome<T>(patched: T, { numerals }: PatchBody): T {
  return numerals ? cloneSpelled(patched) : clone(patched)
}

/** Only operations make something deeper than what they are given. */
function operated(object: object, patch: unknown): unknown {
  const result = withinDepth(() => jsonPatch(object, patch))
  if (isTooDeep(result)) throw new StatusError('BadRequest', TOO_DEEP)
  return result
}

function merged(object: object, patch: unknown): unknown {
  if (patch === null || (typeof patch !== 'object' && patch !== undefined) || patch === undefined) {
    throw new StatusError('BadRequest', 'Invalid JSON Patch')
  }
  return mergePatch(object, patch)
}

function strategic(object: object, patch: unknown, schema: Schema): unknown {
  if (!isObject(patch))
    throw new StatusError('BadRequest', `json: cannot unmarshal ${goKind(patch)} into Go value of type map[string]interface {}`)
  return strategicMergePatch(object as JsonObject, clone(patch), schema)
}

/** The refusal of a patch whose outcome is no object at all. */
function invalidResult(result: unknown): StatusError {
  const text = JSON.stringify(result)
  const message = `Invalid value: ${JSON.stringify(text.length > 1024 ? `${text.slice(0, 1024)}...` : text)}: json: cannot unmarshal ${goKind(result)} into Go value`
  return new StatusError('Invalid', ` "" is invalid: patch: ${message}`, {
    details: { causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }] },
  })
}
