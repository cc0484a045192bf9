// What upstream calls the changes that wake pods, in its metrics.
import { equal } from '#api/equal.ts'
import type { ClusterChange } from '#scheduler/plugin.ts'

const GROUPS: Readonly<Record<string, string>> = {
  CSINode: 'storage.k8s.io',
  CSIDriver: 'storage.k8s.io',
  CSIStorageCapacity: 'storage.k8s.io',
  StorageClass: 'storage.k8s.io',
  VolumeAttachment: 'storage.k8s.io',
  ResourceClaim: 'resource.k8s.io',
  ResourceSlice: 'resource.k8s.io',
  DeviceClass: 'resource.k8s.io',
}

export function changeName(change: ClusterChange): string {
  switch (change.type) {
    case 'pod assigned':
      return 'AssignedPodAdd'
    case 'pod changed':
      return 'AssignedPodUpdate'
    case 'own':
      return 'UnscheduledPodUpdate'
    case 'pod gone':
      return 'AssignedPodDelete'
    case 'object': {
      const group = GROUPS[change.kind]
      return `${group ? `${group}/` : ''}${change.kind}${change.action ?? 'Update'}`
    }
    case 'node gone':
      return 'NodeDelete'
    case 'node':
      return change.previous ? nodeChange(change.node, change.previous) : 'NodeAdd'
  }
}

type NodeOf = Extract<ClusterChange, { type: 'node' }>['node']

function nodeChange({ metadata, spec, status }: NodeOf, previous: NodeOf): string {
  if (spec?.unschedulable !== previous.spec?.unschedulable || !equal(spec?.taints, previous.spec?.taints)) return 'NodeUpdateNodeTaint'
  if (!equal(status?.allocatable, previous.status?.allocatable)) return 'NodeUpdateNodeAllocatable'
  if (!equal(metadata?.labels, previous.metadata?.labels)) return 'NodeUpdateNodeLabel'
  if (!equal(status?.declaredFeatures, previous.status?.declaredFeatures)) return 'NodeUpdateNodeDeclaredFeature'
  return 'NodeUpdateNodeCondition'
}
