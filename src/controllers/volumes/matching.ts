// Which PersistentVolume suits a claim. Pure.
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Quantity } from '#api/quantity.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'

/** Undefined: never chosen, so that a default may still come. Empty: none wanted. */
export function classOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string | undefined {
  return metadata?.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName
}

export function isReservedFor({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const reference = spec?.claimRef
  if (!reference || reference.name !== claim.metadata?.name || reference.namespace !== claim.metadata?.namespace) return false
  return !reference.uid || reference.uid === claim.metadata?.uid
}

/** The volume set aside for the claim, else the smallest free one that is large enough. */
export function bestMatch(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { onlyReserved }: { onlyReserved: boolean },
): PersistentVolume | undefined {
  const usable = volumes.filter((volume) => !volume.metadata?.deletionTimestamp)
  const reserved = usable.find((volume) => isReservedFor(volume, claim) && fits(volume, claim))
  if (reserved || onlyReserved) return reserved
  const free = usable.filter(
    (volume) =>
      !volume.spec?.claimRef &&
      volume.status?.phase === 'Available' &&
      fits(volume, claim) &&
      (!claim.spec?.selector || selectorMatches(claim.spec.selector, volume.metadata?.labels)),
  )
  return free.toSorted((a, b) => compare(sizeOf(a), sizeOf(b)) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))[0]
}

function fits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { accessModes = [], resources, volumeMode = 'Filesystem', volumeAttributesClassName } = claim.spec ?? {}
  const offered = volume.spec?.accessModes ?? []
  return (
    (volume.spec?.volumeMode ?? 'Filesystem') === volumeMode &&
    (classOf(volume) ?? '') === (classOf(claim) ?? '') &&
    (volume.spec?.volumeAttributesClassName ?? '') === (volumeAttributesClassName ?? '') &&
    accessModes.every((mode) => offered.includes(mode)) &&
    compare(sizeOf(volume), Quantity.parse(resources?.requests?.['storage'] ?? '0').nanos) >= 0
  )
}

function sizeOf({ spec }: PersistentVolume): bigint {
  return Quantity.parse(spec?.capacity?.['storage'] ?? '0').nanos
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
