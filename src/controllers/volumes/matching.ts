// Which PersistentVolume suits a claim. Pure.
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { capacityOf, fitsClaim, fitsReserved, isReservedFor } from '#api/volume-claims.ts'

/** The volume set aside for the claim, else the smallest free one that is large enough. */
export function bestMatch(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { onlyReserved }: { onlyReserved: boolean },
): PersistentVolume | undefined {
  const reserved = volumes.find((volume) => isReservedFor(volume, claim) && fitsReserved(volume, claim))
  if (reserved || onlyReserved) return reserved
  const free = volumes.filter(
    (volume) =>
      !volume.spec?.claimRef &&
      volume.status?.phase === 'Available' &&
      fitsClaim(volume, claim) &&
      (!claim.spec?.selector || selectorMatches(claim.spec.selector, volume.metadata?.labels)),
  )
  return free.toSorted((a, b) => capacityOf(a).compare(capacityOf(b)) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))[0]
}
