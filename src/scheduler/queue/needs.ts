// What a pod asks of a cluster, as a text: where one finds no room, all that ask for the same find none until something changes.
import type { PodInfo } from '#scheduler/pod-info.ts'

/** Pods that need something of their own, or were promised a node, are like no other. */
export function needsOf(info: PodInfo): string {
  const { pod, uid, namespace, priority, requests, hostPorts } = info
  const { spec, metadata, status } = pod
  const own = spec?.volumes?.some(
    (one) => one.persistentVolumeClaim ?? one.ephemeral ?? one.gcePersistentDisk ?? one.awsElasticBlockStore ?? one.iscsi ?? one.rbd,
  )
  if (!spec || own || spec.resourceClaims?.length || status?.nominatedNodeName) return uid
  const { milliCpu, memory, ephemeralStorage, scalars } = requests
  const rules = [...spec.containers, ...(spec.initContainers ?? [])].map(({ restartPolicyRules }) => restartPolicyRules)
  return JSON.stringify([
    [namespace, priority, spec.schedulerName, spec.preemptionPolicy, metadata?.labels],
    [milliCpu, memory, ephemeralStorage, scalars && [...scalars], hostPorts],
    [spec.nodeSelector, spec.affinity, spec.tolerations, spec.topologySpreadConstraints],
    [spec.hostNetwork, spec.hostUsers, rules.some(Boolean) && rules],
  ])
}
