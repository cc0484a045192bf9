// The claims of a stateful set's pods: made before the pod, and owned as the set's retention policy wants it.
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type OwnerReference } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { controllerReference } from '#controllers/owners.ts'
import { textOf } from '#controllers/pod-control.ts'
import { equal } from '#api/equal.ts'
import { claimsOf, startOf } from './identity.ts'

/** Throws where a claim is missing afterwards, or is not there to stay: without it the pod is not made. */
export async function ensureClaims(set: StatefulSet, ordinal: number, { client, informers, events }: ControllerContext): Promise<void> {
  const pod = `${set.metadata?.name}-${ordinal}`
  const failures: string[] = []
  for (const claim of claimsOf(set, ordinal)) {
    const { name } = claim.metadata!
    const present = informers.of(PersistentVolumeClaim).get(keyOf(claim))
    if (present?.metadata?.deletionTimestamp) failures.push(`pvc ${name} is being deleted`)
    if (present) continue
    try {
      const owned = withOwners(claim, ownersFor(set, { ordinal, pod: undefined }))
      await client.create(PersistentVolumeClaim, owned)
      events.event(set, 'Normal', 'SuccessfulCreate', `create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata?.name} success`)
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) continue
      failures.push(`failed to create PVC ${name}: ${textOf(error)}`)
      const what = `create Claim ${name} for Pod ${pod} in StatefulSet ${set.metadata?.name}`
      events.event(set, 'Warning', 'FailedCreate', `${what} failed error: ${textOf(error)}`)
    }
  }
  if (failures.length > 0) throw new Error(failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`)
}

/** A claim is still that of a pod by the same name that is gone, and will go with it. */
export function hasStaleClaim(set: StatefulSet, ordinal: number, { informers }: ControllerContext): boolean {
  const name = `${set.metadata?.name}-${ordinal}`
  return claimsOf(set, ordinal).some((claim) =>
    informers
      .of(PersistentVolumeClaim)
      .get(keyOf(claim))
      ?.metadata?.ownerReferences?.some((one) => one.kind === 'Pod' && one.apiVersion === 'v1' && one.name === name),
  )
}

/** Sets and removes the owner references through which deletion and scaling down take claims along. */
export async function syncClaimOwners(
  set: StatefulSet,
  ordinal: number,
  { pod, context }: { pod: Pod | undefined; context: ControllerContext },
): Promise<void> {
  const { client, informers } = context
  for (const claim of claimsOf(set, ordinal)) {
    const current = informers.of(PersistentVolumeClaim).get(keyOf(claim))
    if (!current || current.metadata?.deletionTimestamp) continue
    const references = current.metadata?.ownerReferences ?? []
    const named = references.filter((reference) => isOurs(reference, set, ordinal))
    // Those of an earlier set or pod by this name are the collector's affair.
    if (named.some(({ uid }) => uid !== set.metadata?.uid && uid !== pod?.metadata?.uid)) continue
    const foreign = references.filter((reference) => !named.includes(reference))
    // With another controller in charge, the policy is not ours to carry out.
    const taken = !keepsAll(set) && foreign.some(({ controller }) => controller)
    const wanted = taken ? foreign : [...foreign, ...ownersFor(set, { ordinal, pod })]
    if (equal(wanted, references)) continue
    await client.update(PersistentVolumeClaim, withOwners(current, wanted))
  }
}

function keepsAll({ spec }: StatefulSet): boolean {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = spec?.persistentVolumeClaimRetentionPolicy ?? {}
  return whenDeleted === 'Retain' && whenScaled === 'Retain'
}

function ownersFor(set: StatefulSet, { ordinal, pod }: { ordinal: number; pod: Pod | undefined }): OwnerReference[] {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {}
  const surplus = ordinal < startOf(set) || ordinal >= startOf(set) + (set.spec?.replicas ?? 1)
  if (whenScaled === 'Delete' && surplus) return pod ? [controllerReference(Pod, pod)] : []
  return whenDeleted === 'Delete' ? [controllerReference(StatefulSet, set)] : []
}

function isOurs({ apiVersion, kind, name }: OwnerReference, set: StatefulSet, ordinal: number): boolean {
  if (kind === 'StatefulSet' && apiVersion === 'apps/v1') return name === set.metadata?.name
  return kind === 'Pod' && apiVersion === 'v1' && name === `${set.metadata?.name}-${ordinal}`
}

function withOwners(claim: PersistentVolumeClaim, ownerReferences: OwnerReference[]): PersistentVolumeClaim {
  return { ...claim, metadata: { ...claim.metadata, ownerReferences } }
}
