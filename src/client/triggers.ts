// The four ways a change of one object names keys to reconcile.
import { equal } from '#api/equal.ts'
import type { LabelSelector } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, keyOf, type KubeObject, type ObjectKey } from '#api/object.ts'
import { isEmptySelector, selectorMatches } from '#api/validation/label-selector.ts'
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

/** Whatever `toKeys` makes of it; of changes that do not matter it is not asked. */
export function mapped<T extends KubeObject>(
  kind: Kind<T>,
  toKeys: (object: T, informers: Informers) => Iterable<ObjectKey>,
  matters?: NonNullable<Trigger<T>['matters']>,
): Trigger<T> {
  return { kind, keys: toKeys, ...(matters ? { matters } : {}) }
}

/** The keys of all that may adopt an object which nobody controls, or no one any more: whose selector takes it in. */
export function adoptersOf<T extends KubeObject, O extends KubeObject>(
  kind: Kind<T>,
  owner: Kind<O>,
  selectorOf: (one: O) => LabelSelector | undefined,
): Trigger<T> {
  return {
    kind,
    matters: ({ object, previous }) =>
      object !== undefined && !isControlled(object) && (!previous || isControlled(previous) || !sameLabels(object, previous)),
    keys({ metadata }, informers) {
      if (!metadata?.labels) return []
      const adopts = (one: O) => {
        const selector = selectorOf(one)
        return !isEmptySelector(selector) && selectorMatches(selector, metadata.labels)
      }
      return informers
        .of(owner)
        .list(metadata.namespace)
        .filter(adopts)
        .map((one) => keyOf(one))
    },
  }
}

const isControlled = ({ metadata }: KubeObject): boolean => metadata?.ownerReferences?.some(({ controller }) => controller) ?? false

const sameLabels = ({ metadata: after }: KubeObject, { metadata: before }: KubeObject): boolean => equal(after?.labels, before?.labels)
