// Which labels of its own node a kubelet may not choose: those of Kubernetes' own domains, by which others steer work, but for what it knows best itself.
import { HOSTNAME_LABEL, OLD_REGION_LABEL, OLD_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from '#api/well-known.ts'

const OWN_LABELS = new Set([
  HOSTNAME_LABEL,
  'kubernetes.io/os',
  'kubernetes.io/arch',
  ZONE_LABEL,
  REGION_LABEL,
  OLD_ZONE_LABEL,
  OLD_REGION_LABEL,
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
])

export function isReservedLabel(label: string): boolean {
  const slash = label.indexOf('/')
  if (slash < 0) return false
  const domain = label.slice(0, slash)
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`)
  if (within('node-restriction.kubernetes.io')) return true
  if (!within('kubernetes.io') && !within('k8s.io')) return false
  return !OWN_LABELS.has(label) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io')
}
