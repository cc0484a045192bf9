// A claim that only one pod may use (ReadWriteOncePod) is used by one pod.
import { podClaims } from '#scheduler/volumes/pod-claims.ts'
import type { Plugin } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'] }

export const VolumeRestrictions: Plugin = {
  name: 'VolumeRestrictions',
  filter(pod, cluster) {
    const exclusive = new Set(podClaims(pod.pod).flatMap(({ name }) => (cluster.isExclusiveClaim(pod.namespace, name) ? [name] : [])))
    if (exclusive.size === 0) return undefined
    const users = new Set<string>()
    cluster.eachPod(new Set([pod.namespace]), (other) => {
      if (podClaims(other.pod).some(({ name }) => exclusive.has(name))) users.add(other.uid)
    })
    return {
      // Wherever the user is, the claim is in use; only its own node can free it by preemption.
      check: (node) =>
        users.size === 0 ? undefined : [...users].some((uid) => node.pods.has(uid)) ? REFUSAL : { ...REFUSAL, final: true },
      imagine(_node, other, by) {
        if (!podClaims(other.pod).some(({ name }) => exclusive.has(name))) return
        if (by === 1) users.add(other.uid)
        else users.delete(other.uid)
      },
    }
  },
  helps: (change) => change.type === 'pod gone' || (change.type === 'object' && change.kind === 'PersistentVolumeClaim'),
}
