// The claims of a stateful set's pods: made before the pod, and owned as the set's retention policy wants it.
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type OwnerReference } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { textOf } from '#controllers/pod-control.ts'
import { equal } from '#api/equal.ts'
import { claimsOf, ordinalOf, startOf } from './identity.ts'

export async function ensureClaims(set: StatefulSet, ordinal: number, { client, informers, events }: ControllerContext): Promise<void> {
  const pod = `${set.metadata?.name}-${ordinal}`
  for (const claim of claimsOf(set, ordinal)) {
    if (informers.of(PersistentVolumeClaim).get(keyOf(claim))) continue
    const what = `create Claim ${claim.metadata?.name} Pod ${pod} in StatefulSet ${set.metadata?.name}`
    try {
      const owned = withOwners(claim, ownersFor(set, { ordinal, pod: undefined }))
      await client.create(PersistentVolumeClaim, owned)
      events.event(set, 'Normal', 'SuccessfulCreate', `${what} success`)
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) continue
      events.event(set, 'Warning', 'FailedCreate', `${what} failed error: ${textOf(error)}`)
      throw error
    }
  }
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
    const foreign = (current.metadata?.ownerReferences ?? []).filter((reference) => !isOurs(reference, set, ordinal))
    // With another controller in charge, the policy is not ours to carry out.
    if (foreign.some(({ controller }) => controller)) continue
    const wanted = [...foreign, ...ownersFor(set, { ordinal, pod })]
    if (equal(wanted, current.metadata?.ownerReferences ?? [])) continue
    await client.update(PersistentVolumeClaim, withOwners(current, wanted))
  }
}

function ownersFor(set: StatefulSet, { ordinal, pod }: { ordinal: number; pod: Pod | undefined }): OwnerReference[] {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {}
  const surplus = ordinal < startOf(set) || ordinal >= startOf(set) + (set.spec?.replicas ?? 1)
  if (whenScaled === 'Delete' && surplus) return pod ? [reference('v1', 'Pod', pod)] : []
  return whenDeleted === 'Delete' ? [reference('apps/v1', 'StatefulSet', set)] : []
}

function reference(apiVersion: string, kind: string, { metadata }: Pod | StatefulSet): OwnerReference {
  return { apiVersion, kind, name: metadata!.name!, uid: metadata!.uid! }
}

function isOurs({ kind, uid, name }: OwnerReference, set: StatefulSet, ordinal: number): boolean {
  return (kind === 'StatefulSet' && uid === set.metadata?.uid) || (kind === 'Pod' && ordinalOf({ metadata: { name } }) === ordinal)
}

function withOwners(claim: PersistentVolumeClaim, ownerReferences: OwnerReference[]): PersistentVolumeClaim {
  return { ...claim, metadata: { ...claim.metadata, ownerReferences } }
}
