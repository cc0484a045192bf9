// What is allowed in a service but ignored, or on its way out.
import type { Service } from '#api/generated/types.ts'
import { cidrWarnings, ipWarnings } from '#api/validation/ip.ts'

const HINTS = 'service.kubernetes.io/topology-aware-hints'

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const { type, clusterIP, clusterIPs = [], externalIPs = [], loadBalancerIP, loadBalancerSourceRanges = [] } = spec
  const headless = type === 'ClusterIP' && clusterIP === 'None'
  const external = type === 'ExternalName'
  const warnings: string[] = []
  if (metadata?.annotations && Object.hasOwn(metadata.annotations, HINTS))
    warnings.push(`annotation ${HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead`)
  if (clusterIP && clusterIP !== 'None')
    for (const [index, ip] of clusterIPs.entries()) warnings.push(...ipWarnings(`spec.clusterIPs[${index}]`, ip))
  if (headless) {
    if (loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services')
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services')
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services')
  }
  for (const [index, ip] of externalIPs.entries()) warnings.push(...ipWarnings(`spec.externalIPs[${index}]`, ip))
  if (loadBalancerIP) warnings.push(...ipWarnings('spec.loadBalancerIP', loadBalancerIP))
  for (const [index, range] of loadBalancerSourceRanges.entries())
    warnings.push(...cidrWarnings(`spec.loadBalancerSourceRanges[${index}]`, range.trim()))
  if (external && externalIPs.length > 0) warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  if (!external && spec.externalName) warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  if (spec.trafficDistribution === 'PreferClose')
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  if (externalIPs.length > 0 && !external && !headless)
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  return warnings
}
