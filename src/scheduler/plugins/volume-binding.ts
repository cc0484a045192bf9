// Volumes the pod claims must be reachable from the node, or be there for it to have.
import { equal } from '#api/equal.ts'
import type { Plugin } from '#scheduler/plugin.ts'
import { mayConcern, podClaims } from '#scheduler/volumes/pod-claims.ts'

const KINDS = new Set(['PersistentVolumeClaim', 'PersistentVolume', 'StorageClass', 'CSINode', 'CSIDriver', 'CSIStorageCapacity'])

export function volumeBinding({ bindTimeoutMs = 600_000 }: { bindTimeoutMs?: number } = {}): Plugin {
  return {
    name: 'VolumeBinding',
    filter(pod, cluster) {
      const binder = cluster.volumeBinder
      const state = binder?.stateOf(pod)
      if (!binder || !state) return undefined
      return 'message' in state ? state : { check: (node) => binder.refusalOf(state, node, pod) }
    },
    local: ({ pod }) => (podClaims(pod).length ? undefined : ''),
    reserve(pod, node, cluster) {
      const binder = cluster.volumeBinder
      if (!binder?.reserve(pod, node)) return undefined
      return { bind: (signal) => binder.bind(pod, node.name, { timeoutMs: bindTimeoutMs, signal }), release: () => binder.release(pod) }
    },
    helps(change, { pod }) {
      if (change.type === 'node') return !change.previous || !equal(change.node.metadata?.labels, change.previous.metadata?.labels)
      return change.type === 'object' && KINDS.has(change.kind) && mayConcern(change, pod)
    },
  }
}
