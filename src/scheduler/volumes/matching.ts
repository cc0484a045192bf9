// Which unbound volume suits a claim on a node: class, modes, size, labels, and reachable from there.
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { quantityOf } from '#api/quantity.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'

export function classOf({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string {
  return metadata?.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? ''
}

export function isReachable(volume: PersistentVolume, node: NodeInfo): boolean {
  const required = volume.spec?.nodeAffinity?.required
  return !required || matchesNodeSelector(required, node)
}

/** The smallest that suits; one reserved for this very claim before all others. */
export function suitableVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { node, taken }: { node: NodeInfo; taken(name: string): boolean },
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined
  for (const volume of volumes) {
    if (!isReachable(volume, node) || !suits(claim, volume)) continue
    if (volume.spec?.claimRef) return volume
    if (taken(volume.metadata?.name ?? '')) continue
    if (!best || sizeOf(volume).compare(sizeOf(best)) < 0) best = volume
  }
  return best
}

function suits(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const { claimRef, accessModes = [], volumeMode = 'Filesystem' } = volume.spec ?? {}
  if (claimRef) {
    const same = claimRef.namespace === claim.metadata?.namespace && claimRef.name === claim.metadata?.name
    if (!same || (claimRef.uid && claimRef.uid !== claim.metadata?.uid)) return false
  } else if (volume.metadata?.deletionTimestamp || (volume.status?.phase ?? 'Available') !== 'Available') return false
  const wanted = claim.spec
  return (
    classOf(volume) === classOf(claim) &&
    volumeMode === (wanted?.volumeMode ?? 'Filesystem') &&
    (wanted?.accessModes ?? []).every((mode) => accessModes.includes(mode)) &&
    sizeOf(volume).compare(quantityOf(wanted?.resources?.requests?.storage)) >= 0 &&
    (!wanted?.selector || matchesLabels(selectorOf(wanted.selector), volume.metadata?.labels)) &&
    (volume.spec?.volumeAttributesClassName ?? '') === (wanted?.volumeAttributesClassName ?? '')
  )
}

const sizeOf = ({ spec }: PersistentVolume) => quantityOf(spec?.capacity?.storage)
