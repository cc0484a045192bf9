// A claim that only one pod may use (ReadWriteOncePod) is used by one pod; a disk that only one pod may write to is mounted by one.
import type { PodSpec, Volume } from '#api/generated/types.ts'
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
    const disks = disksOf(pod.pod.spec)
    const missing = missingClaim(pod, cluster)
    if (missing !== undefined) return { message: `persistentvolumeclaim ${JSON.stringify(missing)} not found` }
    const exclusive = exclusiveClaims(pod, cluster)
    if (disks.length === 0 && exclusive.size === 0) return undefined
    const uses = (other: PodInfo) => other.namespace === pod.namespace && podClaims(other.pod).some(({ name }) => exclusive.has(name))
    // Wherever its user is, the claim is in use everywhere.
    const users = new Set<string>()
    if (exclusive.size > 0)
      cluster.eachPod(new Set([pod.namespace]), (other) => {
        if (uses(other)) users.add(other.uid)
      })
    return {
      check(node) {
        if (disks.length > 0)
          for (const other of node.pods.values())
            for (const theirs of disksOf(other.pod.spec)) if (disks.some((disk) => conflict(disk, theirs))) return NO_DISK
        return users.size > 0 ? IN_USE : undefined
      },
      imagine(_node, other, by) {
        if (!uses(other)) return
        if (by === 1) users.add(other.uid)
        else users.delete(other.uid)
      },
    }
  },
  local: ({ pod }) => (podClaims(pod).length || disksOf(pod.spec).length ? undefined : ''),
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
  const claims = a.metadata?.namespace === b.metadata?.namespace ? podClaims(b) : []
  if (podClaims(a).some(({ name }) => claims.some((one) => one.name === name))) return true
  return disksOf(a.spec).some((disk) => disksOf(b.spec).some((other) => conflict(disk, other)))
}

function disksOf(spec: PodSpec | undefined): Volume[] {
  return spec?.volumes?.filter((volume) => volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.iscsi ?? volume.rbd) ?? []
}

/** Whether two pods on one node cannot mount both. */
function conflict(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk)
    return a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName && !(a.gcePersistentDisk.readOnly && b.gcePersistentDisk.readOnly)
  if (a.awsElasticBlockStore && b.awsElasticBlockStore) return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID
  if (a.iscsi && b.iscsi) return a.iscsi.iqn === b.iscsi.iqn && !(a.iscsi.readOnly && b.iscsi.readOnly)
  if (!a.rbd || !b.rbd) return false
  const { monitors, pool = 'rbd', image, readOnly } = a.rbd
  const other = b.rbd
  const shared = monitors.some((monitor) => other.monitors.includes(monitor)) && pool === (other.pool ?? 'rbd') && image === other.image
  return shared && !(readOnly && other.readOnly)
}
