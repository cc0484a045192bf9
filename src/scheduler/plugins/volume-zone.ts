// Bound volumes that say by labels in which zone or region they are keep their pods there.
import { equal } from '#api/equal.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { OLD_REGION_LABEL, OLD_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import type { Plugin, PodRefusal } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { mayConcern, podClaims } from '#scheduler/volumes/pod-claims.ts'

const REFUSAL = { reasons: ['node(s) had no available volume zone'], final: true }
/** Each by its name and by the one it had before. */
const KEYS: Readonly<Record<string, string>> = {
  [ZONE_LABEL]: OLD_ZONE_LABEL,
  [REGION_LABEL]: OLD_REGION_LABEL,
  [OLD_ZONE_LABEL]: ZONE_LABEL,
  [OLD_REGION_LABEL]: REGION_LABEL,
}
const KINDS = new Set(['PersistentVolumeClaim', 'PersistentVolume', 'StorageClass'])

export const VolumeZone: Plugin = {
  name: 'VolumeZone',
  filter(pod, cluster) {
    const places = placesOf(pod, cluster)
    if ('message' in places) return places
    if (places.length === 0) return undefined
    return {
      check({ labels }) {
        if (!Object.keys(KEYS).some((key) => Object.hasOwn(labels, key))) return undefined
        const isThere = ({ key, values }: Place) => values.includes(labels[key] ?? labels[KEYS[key]!] ?? '')
        return places.every(isThere) ? undefined : REFUSAL
      },
    }
  },
  local: ({ pod }) => (podClaims(pod).length ? undefined : ''),
  helps(change, { pod }) {
    if (change.type === 'node') return !change.previous || !equal(change.node.metadata?.labels, change.previous.metadata?.labels)
    return change.type === 'object' && KINDS.has(change.kind) && mayConcern(change, pod)
  },
}

interface Place {
  key: string
  values: readonly string[]
}

/** Claims that are bound to nothing yet are left to those who bind them. */
function placesOf({ pod, namespace }: PodInfo, { objects }: Cluster): Place[] | PodRefusal {
  const places: Place[] = []
  for (const { name } of podClaims(pod)) {
    const volumeName = objects.get(PersistentVolumeClaim, { namespace, name })?.spec?.volumeName
    if (!volumeName) continue
    const volume = objects.get(PersistentVolume, { name: volumeName })
    if (!volume) return { message: `persistentvolume ${JSON.stringify(volumeName)} not found` }
    const labels = volume.metadata?.labels ?? {}
    for (const key of Object.keys(KEYS)) if (Object.hasOwn(labels, key)) places.push({ key, values: labels[key]!.split('__') })
  }
  return places
}
