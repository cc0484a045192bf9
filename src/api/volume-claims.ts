// What server, binder and scheduler must agree on about claims and the volumes that suit them. Labels, nodes and phases are looked at by each.
import type { PersistentVolume, PersistentVolumeClaim } from './generated/types.ts'
import { type Quantity, quantityOf } from './quantity.ts'
import { STORAGE_CLASS_ANNOTATION } from './well-known.ts'

/** The annotation wins over the field. Undefined: never chosen, so that a default may still come. Empty: none wanted. */
export function storageClassOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string | undefined {
  return metadata?.annotations?.[STORAGE_CLASS_ANNOTATION] ?? spec?.storageClassName
}

export function capacityOf({ spec }: PersistentVolume): Quantity {
  return quantityOf(spec?.capacity?.storage)
}

/** Whether the volume is set aside for this very claim. */
export function isReservedFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const reference = spec?.claimRef
  if (!reference || reference.name !== metadata?.name || reference.namespace !== metadata?.namespace) return false
  return !reference.uid || reference.uid === metadata?.uid
}

/** Whether the volume has what the claim asks for: class, mode, ways of access, size. */
export function fitsClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return mismatchOf(volume, claim) === undefined
}

/** Whether a volume that is set aside for the claim can be its: of what class both are does not matter then. */
export function fitsReserved(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return mismatchOf(volume, claim, { ofAnyClass: true }) === undefined
}

/** Why a volume cannot be the claim's, in upstream's words. */
export function mismatchOf(volume: PersistentVolume, claim: PersistentVolumeClaim, { ofAnyClass = false } = {}): string | undefined {
  const { accessModes = [], resources, volumeMode = 'Filesystem', volumeAttributesClassName = '' } = claim.spec ?? {}
  const offered = volume.spec ?? {}
  if (volume.metadata?.deletionTimestamp) return `the volume is marked for deletion ${JSON.stringify(volume.metadata.name)}`
  if (capacityOf(volume).compare(quantityOf(resources?.requests?.storage)) < 0) return 'requested PV is too small'
  if (!ofAnyClass && (storageClassOf(volume) ?? '') !== (storageClassOf(claim) ?? '')) return 'storageClassName does not match'
  if ((offered.volumeAttributesClassName ?? '') !== volumeAttributesClassName) return 'volumeAttributesClassName does not match'
  if ((offered.volumeMode ?? 'Filesystem') !== volumeMode) return 'incompatible volumeMode'
  return accessModes.every((mode) => offered.accessModes?.includes(mode)) ? undefined : 'incompatible accessMode'
}
