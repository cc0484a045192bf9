// Which unbound volume suits a claim on a node: class, modes, size, labels, and reachable from there.
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { capacityOf, fitsClaim, fitsReserved, isReservedFor } from '#api/volume-claims.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'

export function isReachable(volume: PersistentVolume, node: NodeInfo): boolean {
  const required = volume.spec?.nodeAffinity?.required
  return !required || matchesNodeSelector(required, node)
}

/** The smallest that suits; where one is reserved for this very claim, that one or none. */
export function suitableVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { node, taken }: { node: NodeInfo; taken(name: string): boolean },
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined
  for (const volume of volumes) {
    if (!suits(claim, volume)) continue
    if (volume.spec?.claimRef) return isReachable(volume, node) ? volume : undefined
    if (!isReachable(volume, node) || taken(volume.metadata?.name ?? '')) continue
    if (!best || capacityOf(volume).compare(capacityOf(best)) < 0) best = volume
  }
  return best
}

function suits(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  if (volume.spec?.claimRef) return isReservedFor(volume, claim) && fitsReserved(volume, claim)
  if ((volume.status?.phase ?? 'Available') !== 'Available') return false
  const selector = claim.spec?.selector
  return fitsClaim(volume, claim) && (!selector || matchesLabels(selectorOf(selector), volume.metadata?.labels))
}
