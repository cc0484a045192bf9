// What an update of a service keeps of what the server once allocated, and what a change of its type lets go.
import type * as types from '#api/generated/types.ts'
import { sameJson } from '#api/validation/same-json.ts'

type Service = types.Service
type Spec = types.ServiceSpec

/** Reached from outside by a port of every node. */
export const isExternal = ({ type }: Spec) => type === 'NodePort' || type === 'LoadBalancer'
const reachesNodes = (spec: Spec) =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
export const needsClusterIP = ({ type }: Spec) => type !== 'ExternalName'
export const needsHealthPort = ({ type, externalTrafficPolicy }: Spec) => type === 'LoadBalancer' && externalTrafficPolicy === 'Local'

/** Fields the caller left out come back, as long as the type still has use for them. */
export function carryOver({ spec }: Service, { spec: old }: Service): void {
  if (!spec || !old) return
  if (needsClusterIP(spec) && needsClusterIP(old)) {
    if (!spec.clusterIP && !spec.clusterIPs?.length) {
      if (old.clusterIP) spec.clusterIP = old.clusterIP
      if (old.clusterIPs) spec.clusterIPs = [...old.clusterIPs]
    } else if (spec.clusterIP && !spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs)
      spec.clusterIPs = [...old.clusterIPs]
    else if (!spec.clusterIP && spec.clusterIPs?.length) spec.clusterIP = spec.clusterIPs[0]!
    if (!spec.ipFamilies?.length && old.ipFamilies && !spec.ipFamilyPolicy) spec.ipFamilies = [...old.ipFamilies]
    else if (!spec.ipFamilies?.length && old.ipFamilies && spec.ipFamilyPolicy === old.ipFamilyPolicy) spec.ipFamilies = [...old.ipFamilies]
    if (!spec.ipFamilyPolicy && old.ipFamilyPolicy) spec.ipFamilyPolicy = old.ipFamilyPolicy
  }
  if (reachesNodes(spec) && reachesNodes(old)) {
    const used = new Set((spec.ports ?? []).map((port) => `${port.protocol}/${port.nodePort}`))
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue
      const before = (old.ports ?? []).find(
        ({ name, port: number, protocol }) =>
          (port.name ?? '') === (name ?? '') && (port.name ? true : number === port.port && protocol === port.protocol),
      )
      if (before?.nodePort && !used.has(`${port.protocol}/${before.nodePort}`)) {
        port.nodePort = before.nodePort
        used.add(`${port.protocol}/${before.nodePort}`)
      }
    }
  }
  if (needsHealthPort(spec) && needsHealthPort(old) && !spec.healthCheckNodePort && old.healthCheckNodePort)
    spec.healthCheckNodePort = old.healthCheckNodePort
}

/** A caller who only changes the type need not clear what belonged to the old one. */
export function dropTypeDependent({ spec }: Service, { spec: old }: Service): void {
  if (!spec || !old || spec.type === old.type) return
  const unchanged = (field: keyof Spec) => sameJson(spec[field], old[field])
  if (needsClusterIP(old) && !needsClusterIP(spec)) {
    if (unchanged('clusterIP') && unchanged('clusterIPs')) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
    if (unchanged('ipFamilies')) delete spec.ipFamilies
    if (unchanged('ipFamilyPolicy')) delete spec.ipFamilyPolicy
  }
  if (isExternal(old) && !isExternal(spec)) {
    const ports = (service: Spec) => (service.ports ?? []).map(({ port, protocol, nodePort }) => [port, protocol, nodePort])
    if (sameJson(ports(spec), ports(old))) for (const port of spec.ports ?? []) delete port.nodePort
    if (unchanged('externalTrafficPolicy') && !spec.externalIPs?.length) delete spec.externalTrafficPolicy
  }
  if (needsHealthPort(old) && !needsHealthPort(spec) && unchanged('healthCheckNodePort')) delete spec.healthCheckNodePort
  if (old.type === 'LoadBalancer') {
    if (unchanged('allocateLoadBalancerNodePorts')) delete spec.allocateLoadBalancerNodePorts
    if (unchanged('loadBalancerClass')) delete spec.loadBalancerClass
  }
  if (spec.type === 'ExternalName' && unchanged('internalTrafficPolicy')) delete spec.internalTrafficPolicy
}
