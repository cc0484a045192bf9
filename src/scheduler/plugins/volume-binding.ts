// Volumes the pod claims must be reachable from the node, or be there for it to have.
import type { Plugin } from '#scheduler/plugin.ts'
import { podClaims } from '#scheduler/volumes/pod-claims.ts'

const KINDS = new Set(['PersistentVolumeClaim', 'PersistentVolume', 'StorageClass'])

export const VolumeBinding: Plugin = {
  name: 'VolumeBinding',
  filter(pod, cluster) {
    const binder = cluster.volumeBinder
    const state = binder?.stateOf(pod)
    if (!binder || !state) return undefined
    return 'message' in state ? state : { check: (node) => binder.refusalOf(state, node, pod) }
  },
  local: ({ pod }) => (podClaims(pod).length ? undefined : ''),
  helps: (change) => change.type === 'node' || (change.type === 'object' && KINDS.has(change.kind)),
}
