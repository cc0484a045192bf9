// A claim that only one pod may use (ReadWriteOncePod) is used by one pod; a disk that only one pod may write to is mounted by one.
import type { Pod } from '#api/kinds/core/pod.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import type { Plugin } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { mayConcern, podClaims } from '#scheduler/volumes/pod-claims.ts'

const IN_USE = { reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'] }
const NO_DISK = { reasons: ['node(s) had no available disk'] }

export const VolumeRestrictions: Plugin = {
  name: 'VolumeRestrictions',
  filter(pod, cluster) {
    const disks = disksOf(pod.pod)
    const missing = missingClaim(pod, cluster)
    if (missing !== undefined) return { message: `persistentvolumeclaim ${JSON.stringify(missing)} not found` }
    const exclusive = exclusiveClaims(pod, cluster)
    if (disks.size === 0 && exclusive.size === 0) return undefined
    const uses = (other: PodInfo) => other.namespace === pod.namespace && podClaims(other.pod).some(({ name }) => exclusive.has(name))
    // Wherever its user is, the claim is in use everywhere.
    const users = new Set<string>()
    if (exclusive.size > 0)
      cluster.eachPod(new Set([pod.namespace]), (other) => {
        if (uses(other)) users.add(other.uid)
      })
    return {
      check(node) {
        if (disks.size > 0) for (const other of node.pods.values()) if (conflict(disks, disksOf(other.pod))) return NO_DISK
        return users.size > 0 ? IN_USE : undefined
      },
      imagine(_node, other, by) {
        if (!uses(other)) return
        if (by === 1) users.add(other.uid)
        else users.delete(other.uid)
      },
    }
  },
  local: ({ pod }) => (podClaims(pod).length || disksOf(pod).size ? undefined : ''),
  helps(change, pod) {
    if (change.type === 'node') return !change.previous
    if (change.type === 'object') return change.kind === 'PersistentVolumeClaim' && mayConcern(change, pod.pod)
    return change.type === 'pod gone' && shareVolumes(pod.pod, change.pod)
  },
}

/** Those made for the pod alone come when they come. */
function missingClaim({ pod, namespace }: PodInfo, { objects }: Cluster): string | undefined {
  return podClaims(pod).find(({ name, ephemeral }) => !ephemeral && !objects.get(PersistentVolumeClaim, { namespace, name }))?.name
}

function exclusiveClaims({ pod, namespace }: PodInfo, { objects }: Cluster): ReadonlySet<string> {
  const isExclusive = (name: string) =>
    objects.get(PersistentVolumeClaim, { namespace, name })?.spec?.accessModes?.includes('ReadWriteOncePod') ?? false
  return new Set(podClaims(pod).flatMap(({ name }) => (isExclusive(name) ? [name] : [])))
}

/** Whether the one could not have a claim or a disk for the other. */
function shareVolumes(a: Pod, b: Pod): boolean {
  const claims = new Set(a.metadata?.namespace === b.metadata?.namespace ? podClaims(b).map(({ name }) => name) : [])
  return podClaims(a).some(({ name }) => claims.has(name)) || conflict(disksOf(a), disksOf(b))
}

/** What only one pod of a node may have, or several that all read only: by what it is known by, whether it is also written. */
type Disks = ReadonlyMap<string, boolean>

function disksOf({ spec }: Pod): Disks {
  const disks = new Map<string, boolean>()
  const add = (name: readonly string[], readOnly = false) => {
    const key = JSON.stringify(name)
    disks.set(key, disks.get(key) || !readOnly)
  }
  for (const { gcePersistentDisk: gce, awsElasticBlockStore: aws, iscsi, rbd } of spec?.volumes ?? []) {
    if (gce) add(['gce', gce.pdName], gce.readOnly)
    if (aws) add(['aws', aws.volumeID])
    if (iscsi) add(['iscsi', iscsi.iqn], iscsi.readOnly)
    if (rbd) for (const monitor of rbd.monitors) add(['rbd', monitor, rbd.pool ?? 'rbd', rbd.image], rbd.readOnly)
  }
  return disks
}

/** Whether two pods on one node cannot mount what both have. */
function conflict(one: Disks, other: Disks): boolean {
  for (const [disk, written] of other) if (one.has(disk) && (written || one.get(disk))) return true
  return false
}
