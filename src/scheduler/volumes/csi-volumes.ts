// Volumes of a pod as CSI drivers count them: driver and handle name one volume, however many pods mount it.
import { driverOf } from '#api/in-tree-volumes.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import type { Objects } from '#scheduler/objects.ts'
import { asDriverKnows, inlineVolumes } from './in-tree.ts'
import { podClaims } from './pod-claims.ts'

/** Unique name of a volume -> its driver. */
export type CsiVolumes = ReadonlyMap<string, string>

export function csiVolumesOf(pod: Pod, objects: Objects): CsiVolumes {
  const volumes = new Map<string, string>()
  const namespace = pod.metadata?.namespace ?? ''
  for (const { name } of podClaims(pod)) {
    const claim = objects.get(PersistentVolumeClaim, { namespace, name })
    if (!claim) continue
    const { volumeName } = claim.spec ?? {}
    const volume = volumeName ? csiVolume(volumeName, objects) : unprovisioned(claim, objects)
    if (volume) volumes.set(volume.name, volume.driver)
  }
  for (const volume of inlineVolumes(pod)) {
    const { name, driver } = named(volume)!
    volumes.set(name, driver)
  }
  return volumes
}

interface CsiVolume {
  name: string
  driver: string
}

export function csiVolume(name: string, objects: Objects): CsiVolume | undefined {
  const volume = objects.get(PersistentVolume, { name })
  return volume && named(asDriverKnows(volume))
}

function named({ spec }: PersistentVolume): CsiVolume | undefined {
  return spec?.csi && { name: `${spec.csi.driver}/${spec.csi.volumeHandle}`, driver: spec.csi.driver }
}

/** A volume yet to be made counts with the driver that will make it. */
function unprovisioned(claim: PersistentVolumeClaim, objects: Objects): CsiVolume | undefined {
  const provisioner = objects.get(StorageClass, { name: storageClassOf(claim) ?? '' })?.provisioner
  const driver = provisioner && (driverOf(provisioner) ?? provisioner)
  return driver ? { name: `${driver}/claim ${claim.metadata?.namespace}/${claim.metadata?.name}`, driver } : undefined
}
