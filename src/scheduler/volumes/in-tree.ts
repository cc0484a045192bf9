// Volumes of in-tree types as the scheduler takes them: for those of the CSI drivers that took over. Upstream's scheduler never heard of that for two
// types; volumes of theirs are nobody's, and stay where they say themselves.
import type { Pod } from '#api/kinds/core/pod.ts'
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { Volume } from '#api/generated/types.ts'
import { translated, translatedInline } from '#api/in-tree-volumes.ts'
import { podClaims } from './pod-claims.ts'

export function asDriverKnows(volume: PersistentVolume): PersistentVolume {
  return volume.spec && isForgotten(volume.spec) ? volume : translated(volume)
}

/** Those that the pod names itself. */
export function inlineVolumes({ metadata, spec }: Pod): PersistentVolume[] {
  return (spec?.volumes ?? []).flatMap((volume) => (isForgotten(volume) ? [] : (translatedInline(volume, metadata?.namespace ?? '') ?? [])))
}

/** Whether it may bring volumes that a driver attaches. */
export function mayAttach(pod: Pod): boolean {
  return podClaims(pod).length > 0 || inlineVolumes(pod).length > 0
}

function isForgotten({ azureFile, vsphereVolume }: Pick<Volume, 'azureFile' | 'vsphereVolume'>): boolean {
  return azureFile !== undefined || vsphereVolume !== undefined
}
