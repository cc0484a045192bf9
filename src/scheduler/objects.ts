// Objects beside nodes and pods that plugins ask about, as informers have them.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'

export interface Objects {
  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): T | undefined
  /** All, or those of one namespace. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): readonly T[]
}

export function objectsOf(informers: Informers): Objects {
  return {
    get: (kind, key) => informers.of(kind).get(key),
    list: (kind, namespace) => informers.of(kind).list(namespace),
  }
}

export const NO_OBJECTS: Objects = { get: () => undefined, list: () => [] }
