// Volumes of in-tree types as the scheduler takes them: for those of the CSI drivers that took over, on nodes that say so.
import type { CSINode } from '#api/kinds/storage/csi-node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { isMigratedOn, pluginOf, translated } from '#api/in-tree-volumes.ts'
import { podClaims } from './pod-claims.ts'

/** Upstream's scheduler never heard that drivers took over from those. */
const FORGOTTEN = new Set(['kubernetes.io/azure-file', 'kubernetes.io/vsphere-volume'])

export function isDriversOn(csiNode: CSINode | undefined, plugin: string): boolean {
  return !FORGOTTEN.has(plugin) && isMigratedOn(csiNode, plugin)
}

/** The same where the node does not leave it to a driver. */
export function asKnownOn(csiNode: CSINode | undefined, volume: PersistentVolume): PersistentVolume {
  const plugin = pluginOf(volume.spec)
  return plugin && isDriversOn(csiNode, plugin) ? translated(volume) : volume
}

/** Whether it may bring volumes that a driver attaches. */
export function mayAttach(pod: Pod): boolean {
  return podClaims(pod).length > 0 || (pod.spec?.volumes ?? []).some((volume) => pluginOf(volume))
}
