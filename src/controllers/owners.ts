// Who controls what: references from dependents to their controller, and adopting or releasing by selector.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, keyOf, type KubeObject, type OwnerReference } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller)
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata?.uid
}

/** The reference that makes `owner` the controller of what carries it. */
export function controllerReference(kind: Kind<any>, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

export interface ClaimOptions<O extends KubeObject, D extends KubeObject> {
  client: Client
  ownerKind: Kind<O>
  owner: O
  dependentKind: Kind<D>
  matches(dependent: D): boolean
  /** Dependents carry it as long as they are the owner's. */
  finalizer?: string
}

/** Those of `candidates` that belong to `owner` after adopting matching orphans and releasing what no longer matches. */
export async function claim<O extends KubeObject, D extends KubeObject>(
  candidates: readonly D[],
  options: ClaimOptions<O, D>,
): Promise<D[]> {
  const { client, ownerKind, owner, matches } = options
  let fresh: Promise<boolean> | undefined
  // Adopting for an owner that is gone or going would bind its dependents to the collector: ask the API itself, once.
  const mayAdopt = () =>
    (fresh ??= client.get(ownerKind, keyOf(owner)).then(
      ({ metadata }) => metadata?.uid === owner.metadata?.uid && !metadata?.deletionTimestamp,
      (error: unknown) => {
        if (hasReason(error, 'NotFound')) return false
        throw error
      },
    ))
  const claimed: D[] = []
  for (const candidate of candidates) {
    const controller = controllerOf(candidate)
    if (controller) {
      if (controller.uid !== owner.metadata?.uid) continue
      if (matches(candidate)) claimed.push(candidate)
      else if (!owner.metadata?.deletionTimestamp) await release(candidate, options)
    } else if (!owner.metadata?.deletionTimestamp && !candidate.metadata?.deletionTimestamp && matches(candidate)) {
      if (!(await mayAdopt())) continue
      const adopted = await adopt(candidate, options)
      if (adopted) claimed.push(adopted)
    }
  }
  return claimed
}

async function adopt<O extends KubeObject, D extends KubeObject>(
  dependent: D,
  { client, ownerKind, owner, dependentKind, finalizer }: ClaimOptions<O, D>,
): Promise<D | undefined> {
  const finalizers = finalizer ? { finalizers: [finalizer] } : {}
  const ownerReferences = [controllerReference(ownerKind, owner)]
  const patch = { metadata: { ownerReferences, ...finalizers, uid: dependent.metadata?.uid } }
  try {
    return await client.patch(dependentKind, keyOf(dependent), { type: 'strategic', patch })
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined
    throw error
  }
}

async function release<O extends KubeObject, D extends KubeObject>(
  dependent: D,
  { client, owner, dependentKind, finalizer }: ClaimOptions<O, D>,
): Promise<void> {
  const finalizers = finalizer ? { '$deleteFromPrimitiveList/finalizers': [finalizer] } : {}
  const ownerReferences = [{ $patch: 'delete', uid: owner.metadata?.uid }]
  const patch = { metadata: { ownerReferences, ...finalizers, uid: dependent.metadata?.uid } }
  try {
    await client.patch(dependentKind, keyOf(dependent), { type: 'strategic', patch })
  } catch (error) {
    // Gone, or its owner reference was changed by someone else: no longer ours either way.
    if (!hasReason(error, 'NotFound', 'Invalid')) throw error
  }
}
