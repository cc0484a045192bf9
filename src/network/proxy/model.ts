// What the service proxy has to do, computed from Services and EndpointSlices alone: one entry per service port with the endpoints that
// take its traffic. Knows nothing of nftables.
import { isIPv4 } from 'node:net'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import type { Service } from '#api/kinds/core/service.ts'
import { HEADLESS_LABEL } from '#api/well-known.ts'

export interface Endpoint {
  ip: string
  port: number
  local: boolean
}

export interface ProxiedPort {
  /** `namespace/name/protocol/port`: unique, and made of characters a rule set may use in names. */
  id: string
  protocol: 'tcp' | 'udp' | 'sctp'
  port: number
  clusterIps: string[]
  nodePort?: number
  /** externalIPs and load-balancer addresses (mode VIP). */
  externalIps: string[]
  sourceRanges: string[]
  /** For traffic from inside the cluster. */
  endpoints: Endpoint[]
  /** For traffic from outside: all, or this node's alone under externalTrafficPolicy Local. */
  externalEndpoints: Endpoint[]
  externalLocal: boolean
  affinitySeconds?: number
}

type SlicePort = NonNullable<EndpointSlice['ports']>[number]
type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number]

export function proxiedPorts(service: Service, slices: readonly EndpointSlice[], nodeName: string): ProxiedPort[] {
  const { spec, metadata } = service
  if (!spec || spec.type === 'ExternalName' || spec.clusterIP === 'None' || !spec.clusterIP) return []
  if (metadata?.labels?.['service.kubernetes.io/service-proxy-name']) return []
  const own = slices.filter((slice) => slice.addressType === 'IPv4' && !(HEADLESS_LABEL in (slice.metadata?.labels ?? {})))
  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP]).filter(isIPv4)
  const balancers = (service.status?.loadBalancer?.ingress ?? [])
    .filter(({ ipMode }) => ipMode !== 'Proxy')
    .flatMap(({ ip }) => (ip ? [ip] : []))
  const externalLocal = spec.externalTrafficPolicy === 'Local'
  const affinitySeconds = spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : undefined
  return (spec.ports ?? []).map((port) => {
    const all = endpointsOf(own, port.name ?? '', nodeName)
    const local = all.filter((endpoint) => endpoint.local)
    const protocol = (port.protocol ?? 'TCP').toLowerCase() as ProxiedPort['protocol']
    return {
      id: `${metadata?.namespace}/${metadata?.name}/${protocol}/${port.name || port.port}`,
      protocol,
      port: port.port,
      clusterIps,
      ...(port.nodePort ? { nodePort: port.nodePort } : {}),
      externalIps: [...(spec.externalIPs ?? []), ...balancers].filter(isIPv4),
      sourceRanges: (spec.loadBalancerSourceRanges ?? []).filter((range) => isIPv4(range.split('/')[0]!)),
      endpoints: usable(spec.internalTrafficPolicy === 'Local' ? local : all),
      externalEndpoints: usable(externalLocal ? local : all),
      externalLocal,
      ...(affinitySeconds === undefined ? {} : { affinitySeconds }),
    }
  })
}

interface Candidate extends Endpoint {
  ready: boolean
  serving: boolean
  terminating: boolean
}

/** Ready endpoints; where there are none, those that still serve while they terminate. */
function usable(candidates: readonly Candidate[]): Endpoint[] {
  const ready = candidates.filter((one) => one.ready)
  const chosen = ready.length > 0 ? ready : candidates.filter((one) => one.serving && one.terminating)
  return chosen.map(({ ip, port, local }) => ({ ip, port, local })).toSorted(byAddress)
}

/** The union over all slices; where one address stands in several, the endpoint that is not terminating wins. */
function endpointsOf(slices: readonly EndpointSlice[], portName: string, nodeName: string): Candidate[] {
  const found = new Map<string, Candidate>()
  for (const slice of slices) {
    const port = slice.ports?.find((one: SlicePort) => (one.name ?? '') === portName)?.port
    if (port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      for (const ip of endpoint.addresses) {
        const candidate = candidateOf(endpoint, { ip, port, nodeName })
        const known = found.get(`${ip}:${port}`)
        if (!known || (known.terminating && !candidate.terminating)) found.set(`${ip}:${port}`, candidate)
      }
    }
  }
  return [...found.values()]
}

function candidateOf(endpoint: SliceEndpoint, { ip, port, nodeName }: { ip: string; port: number; nodeName: string }): Candidate {
  const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {}
  return { ip, port, local: endpoint.nodeName === nodeName, ready, serving, terminating }
}

const byAddress = (a: Endpoint, b: Endpoint) => (a.ip === b.ip ? a.port - b.port : a.ip < b.ip ? -1 : 1)
