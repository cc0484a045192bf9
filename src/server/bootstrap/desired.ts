// One object that must be there when the server answers, and how a present one is brought up to it.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

export interface Desired<T extends KubeObject = any> {
  kind: Kind<T>
  object: T
  /** Mutates `present`, its own copy, to hold what `object` asks for, leaving the rest alone. Absent: only its presence matters. */
  reconcile?(present: T, object: T): void
  /** What differs cannot be changed: the present object makes way for `object`. */
  isReplaced?(present: T, object: T): boolean
  /** Set once after creation, where a status is part of what clients rely on. */
  status?(object: T, now: number): void
}

/** Adds labels and annotations that are missing or differ. */
export function reconcileMeta(present: KubeObject, object: KubeObject): void {
  const meta = (present.metadata ??= {})
  for (const field of ['labels', 'annotations'] as const) {
    const wanted = object.metadata?.[field]
    if (wanted) meta[field] = { ...meta[field], ...wanted }
  }
}
