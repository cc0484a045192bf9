// A node takes no more volumes of a CSI driver than the driver said it can (CSINode).
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { Plugin } from '#scheduler/plugin.ts'
import { csiVolume, csiVolumesOf, type CsiVolume, type CsiVolumes } from '#scheduler/volumes/csi-volumes.ts'
import { isDriversOn, mayAttach } from '#scheduler/volumes/in-tree.ts'
import { mayConcern } from '#scheduler/volumes/pod-claims.ts'

const REFUSAL = { reasons: ['node(s) exceed max volume count'] }
const KINDS = new Set(['CSINode', 'PersistentVolumeClaim'])

export const NodeVolumeLimits: Plugin = {
  name: 'NodeVolumeLimits',
  filter({ pod }, cluster) {
    const wanted = csiVolumesOf(pod, cluster.objects)
    if (wanted.size === 0) return undefined
    return {
      check(node) {
        const csiNode = cluster.objects.get(CSINode, { name: node.name })
        const limits = limitsOf(csiNode)
        if (limits.size === 0) return undefined
        const attached = attachedTo(node, cluster)
        const counts = new Map<string, number>()
        for (const [name, { driver, plugin }] of [...attached, ...[...wanted].filter(([one]) => !attached.has(one))]) {
          if (plugin && !isDriversOn(csiNode, plugin)) continue
          const count = (counts.get(driver) ?? 0) + 1
          counts.set(driver, count)
          if (!attached.has(name) && count > (limits.get(driver) ?? Infinity)) return REFUSAL
        }
        return undefined
      },
    }
  },
  local: ({ pod }) => (mayAttach(pod) ? undefined : ''),
  helps(change, { pod }) {
    if (change.type === 'pod gone') return mayAttach(change.pod)
    if (change.type !== 'object') return false
    if (change.kind === 'VolumeAttachment') return change.action === 'Delete'
    return KINDS.has(change.kind) && mayConcern(change, pod)
  },
}

function limitsOf(csiNode: CSINode | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>()
  for (const { name: driver, allocatable } of csiNode?.spec?.drivers ?? [])
    if (allocatable?.count !== undefined) limits.set(driver, allocatable.count)
  return limits
}

/** By the pods there, and by attachments that outlived their pods. */
function attachedTo(node: NodeInfo, { objects }: Cluster): CsiVolumes {
  const attached = new Map<string, CsiVolume>()
  for (const { pod } of node.pods.values()) for (const [name, volume] of csiVolumesOf(pod, objects)) attached.set(name, volume)
  for (const { spec } of objects.list(VolumeAttachment)) {
    if (spec?.nodeName !== node.name || !spec.source.persistentVolumeName) continue
    const volume = csiVolume(spec.source.persistentVolumeName, objects)
    if (volume) attached.set(...volume)
  }
  return attached
}
