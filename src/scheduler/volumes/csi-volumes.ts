// Volumes of a pod as CSI drivers count them: driver and handle name one volume, however many pods mount it.
import { driverOf, pluginOf, translated, translatedInline } from '#api/in-tree-volumes.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import type { Objects } from '#scheduler/objects.ts'
import { podClaims } from './pod-claims.ts'

export interface CsiVolume {
  driver: string
  /** Of an in-tree plugin: the driver's only where a node leaves it to the driver. */
  plugin?: string
}

/** By unique name. */
export type CsiVolumes = ReadonlyMap<string, CsiVolume>

export function csiVolumesOf(pod: Pod, objects: Objects): CsiVolumes {
  const volumes: (Named | undefined)[] = []
  const namespace = pod.metadata?.namespace ?? ''
  for (const { name } of podClaims(pod)) {
    const claim = objects.get(PersistentVolumeClaim, { namespace, name })
    if (!claim) continue
    const { volumeName } = claim.spec ?? {}
    volumes.push(volumeName ? csiVolume(volumeName, objects) : unprovisioned(claim, objects))
  }
  for (const volume of pod.spec?.volumes ?? []) {
    const plugin = pluginOf(volume)
    if (plugin) volumes.push(named(translatedInline(volume, namespace), plugin))
  }
  return new Map(volumes.filter((volume) => volume !== undefined))
}

type Named = [name: string, CsiVolume]

export function csiVolume(name: string, objects: Objects): Named | undefined {
  const volume = objects.get(PersistentVolume, { name })
  return volume && named(translated(volume), pluginOf(volume.spec))
}

function named(volume: PersistentVolume | undefined, plugin: string | undefined): Named | undefined {
  const csi = volume?.spec?.csi
  return csi && [`${csi.driver}/${csi.volumeHandle}`, { driver: csi.driver, ...(plugin ? { plugin } : {}) }]
}

/** A volume yet to be made counts with the driver that will make it. */
function unprovisioned(claim: PersistentVolumeClaim, objects: Objects): Named | undefined {
  const provisioner = objects.get(StorageClass, { name: storageClassOf(claim) ?? '' })?.provisioner
  if (!provisioner) return undefined
  const successor = driverOf(provisioner)
  const driver = successor ?? provisioner
  const name = `${driver}/claim ${claim.metadata?.namespace}/${claim.metadata?.name}`
  return [name, { driver, ...(successor ? { plugin: provisioner } : {}) }]
}
