// Defaults of a kind, from its schema and its own hook. Idempotent: asked again whenever part of an object is replaced.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { emptyOf } from '#api/schema/decode.ts'
import { planOf } from '#api/schema/plan.ts'

/** The status of an object nobody has told anything about yet; undefined where an absent status stays absent. */
export function emptyStatus({ schema }: Kind): unknown {
  const held = planOf(schema).fills.find(([name]) => name === 'status')
  return held && emptyOf(held[1])
}

export function applyDefaults(kind: Kind, object: KubeObject): void {
  kind.default?.(object)
}
