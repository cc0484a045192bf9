// Carries out one mutation of a policy: what its expression made is merged into the object, or patched over it. The object given stays as it is.
import { CelError } from '#api/cel/environment.ts'
import { checkApplied } from '#api/apply/check-applied.ts'
import { mergeApplied } from '#api/apply/merge.ts'
import { clone } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { jsonPatch } from '#api/patch/json-patch.ts'
import { configurationOf, type PatchOperation, patchOperations } from '#api/policies/mutation-types.ts'
import { equal } from '#api/equal.ts'
import { DecodeError, decodeInto } from '#api/schema/decode.ts'
import { StatusError } from '#api/status.ts'
import { ResultTooLarge } from '#api/cel/to-json.ts'
import type { Value } from '#lib/cel/values.ts'
import { atomicPaths } from './atomic-paths.ts'

/** The mutation cannot be carried out: the policy's failurePolicy decides. */
export class MutationError extends Error {
  override name = 'MutationError'
}

export interface Target {
  object: KubeObject
  /** Of the object: the subresource's own where it has one. */
  kind: Kind
}

/** What a member weighs in each walk over all of an object. */
const MEMBER_WEIGHT = 250
/** More members than this are not counted: any walk over them is a turn of its own. */
const MOST_COUNTED = 4000

/** The object after the mutation, with defaults; undefined where it stays as it is. Says what each step weighed: for `Pace`. Throws MutationError. */
export function* mutated(
  { object, kind }: Target,
  patchType: 'ApplyConfiguration' | 'JSONPatch',
  made: Value,
): Generator<number, KubeObject | undefined> {
  try {
    const weight = membersOf(object, MOST_COUNTED) * MEMBER_WEIGHT
    yield weight
    const next =
      patchType === 'JSONPatch' ? patched(object, patchOperations(made)) : yield* merged({ object, kind }, configurationOf(made), weight)
    if (next === object) return undefined
    yield weight
    const result = settled(kind, next)
    yield weight
    return equal(object, result) ? undefined : result
  } catch (error) {
    if (error instanceof CelError || error instanceof ResultTooLarge) throw new MutationError(error.message)
    throw error
  }
}

function* merged({ object, kind }: Target, configuration: Record<string, unknown>, weight: number): Generator<number, KubeObject> {
  const failed = (why: string) => new MutationError(`error applying patch: ${why}`)
  const patch = { ...configuration, apiVersion: object.apiVersion ?? apiVersionOf(kind), kind: object.kind ?? kind.kind }
  const errors = checkApplied(kind.schema, patch)
  if (errors.length > 0) {
    const text = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`
    throw failed(`failed to convert patch object to typed object: ${text}`)
  }
  const atomics = atomicPaths(kind.schema, patch)
  if (atomics.length > 0) throw failed(`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`)
  const whole = mergeApplied(kind.schema, object, patch)
  yield weight
  return clone(whole) as KubeObject
}

/** An object whose test fails stays as it is: a patch may be meant for some objects only. */
function patched(object: KubeObject, operations: PatchOperation[]): KubeObject {
  try {
    return jsonPatch(object, operations) as KubeObject
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const cause = typeof error.cause === 'string' ? error.cause : error.message
    if (/^testing value .* failed$/s.test(cause)) return object
    throw new MutationError(`JSON Patch: ${cause}`)
  }
}

function settled(kind: Kind, object: KubeObject): KubeObject {
  try {
    const unknown = kind.decode ? kind.decode(object) : decodeInto(object, kind.schema).unknown
    if (unknown.length > 0)
      throw new MutationError(`strict decoding error: ${unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ')}`)
  } catch (error) {
    if (error instanceof DecodeError) throw new MutationError(error.message)
    throw error
  }
  kind.default?.(object)
  return object
}

/** How many there are on all levels, as far as anybody wants to know. */
function membersOf(value: unknown, most: number): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  for (const key in value) {
    count += 1 + membersOf((value as Record<string, unknown>)[key], most - count)
    if (count >= most) break
  }
  return count
}
