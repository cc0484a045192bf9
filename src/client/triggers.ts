// The three ways a change of one object names keys to reconcile.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, keyOf, type KubeObject, type ObjectKey } from '#api/object.ts'
import type { Trigger } from './controller.ts'
import type { Informers } from './informer.ts'

/** The object's own key. */
export function itself<T extends KubeObject>(kind: Kind<T>): Trigger<T> {
  return { kind, keys: (object) => [keyOf(object)], same: () => true }
}

/** The key of the `owner` that controls the object. */
export function ownersOf<T extends KubeObject>(kind: Kind<T>, owner: Kind<any>): Trigger<T> {
  const group = `${owner.group}/`
  return {
    kind,
    same: ({ metadata: after }, { metadata: before }) => after?.ownerReferences === before?.ownerReferences,
    keys({ metadata }) {
      const reference = metadata?.ownerReferences?.find((one) => one.controller)
      if (!reference || reference.kind !== owner.kind) return []
      // Any version of the group will do, as long as the group is the same.
      const sameGroup = owner.group ? reference.apiVersion.startsWith(group) : reference.apiVersion === apiVersionOf(owner)
      if (!sameGroup) return []
      return [
        owner.scope === 'Namespaced' && metadata?.namespace
          ? { namespace: metadata.namespace, name: reference.name }
          : { name: reference.name },
      ]
    },
  }
}

/** Whatever `toKeys` makes of it. */
export function mapped<T extends KubeObject>(kind: Kind<T>, toKeys: (object: T, informers: Informers) => Iterable<ObjectKey>): Trigger<T> {
  return { kind, keys: toKeys }
}
