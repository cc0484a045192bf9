// Defaults of a kind, from its schema and its own hook. Idempotent: asked again whenever part of an object is replaced.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

export function applyDefaults(kind: Kind, object: KubeObject): void {
  kind.default?.(object)
}
