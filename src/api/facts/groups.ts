// The order of the built-in groups and of versions within them, as every server announces them: greater comes first.

interface GroupFacts {
  priority: number
  /** Priority of versions; 15 unless said. */
  versions?: Readonly<Record<string, number>>
}

export const GROUPS: Readonly<Record<string, GroupFacts>> = {
  'apiregistration.k8s.io': { priority: 20000 },
  '': { priority: 18000, versions: { v1: 1 } },
  apps: { priority: 17800 },
  'events.k8s.io': { priority: 17750, versions: { v1: 5 } },
  'authentication.k8s.io': { priority: 17700 },
  'authorization.k8s.io': { priority: 17600 },
  autoscaling: { priority: 17500, versions: { v2: 30, v1: 15 } },
  batch: { priority: 17400 },
  'certificates.k8s.io': { priority: 17300 },
  'networking.k8s.io': { priority: 17200 },
  policy: { priority: 17100 },
  'rbac.authorization.k8s.io': { priority: 17000 },
  'storage.k8s.io': { priority: 16800 },
  'admissionregistration.k8s.io': { priority: 16700 },
  'apiextensions.k8s.io': { priority: 16700 },
  'scheduling.k8s.io': { priority: 16600 },
  'coordination.k8s.io': { priority: 16500 },
  'node.k8s.io': { priority: 16300 },
  'discovery.k8s.io': { priority: 16200 },
  'resource.k8s.io': { priority: 16200 },
  'flowcontrol.apiserver.k8s.io': { priority: 16100, versions: { v1: 21 } },
  'internal.apiserver.k8s.io': { priority: 16000 },
  'storagemigration.k8s.io': { priority: 15800 },
  // As metrics-server registers it.
  'metrics.k8s.io': { priority: 100, versions: { v1beta1: 100 } },
}

/** Groups and versions of custom resources. */
export const CUSTOM_GROUP_PRIORITY = 1000
export const CUSTOM_VERSION_PRIORITY = 100
const VERSION_PRIORITY = 15

export function groupPriority(group: string): number {
  return Object.hasOwn(GROUPS, group) ? GROUPS[group]!.priority : CUSTOM_GROUP_PRIORITY
}

/** Of a built-in version. */
export function versionPriority(group: string, version: string): number {
  const ranks = Object.hasOwn(GROUPS, group) ? GROUPS[group]!.versions : undefined
  return (ranks && Object.hasOwn(ranks, version) ? ranks[version] : undefined) ?? VERSION_PRIORITY
}
