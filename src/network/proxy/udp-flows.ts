// Which UDP flows the kernel must forget: it keeps sending a flow where its first packet went for as long as packets come, whatever the rules
// say by now. Flows are named as arguments of `conntrack --delete`; each names one service address, so that others' flows stay.
import type { Endpoint, ProxiedPort } from './model.ts'
import type { HostPort } from './rules.ts'

export type UdpFlow = readonly string[]

export function staleServiceFlows(before: readonly ProxiedPort[], after: readonly ProxiedPort[]): UdpFlow[] {
  return [...difference(targets(before), targets(after))].map(toFlow)
}

export function staleHostPortFlows(before: readonly HostPort[], after: readonly HostPort[]): UdpFlow[] {
  const of = (ports: readonly HostPort[]) =>
    new Map(ports.flatMap(({ protocol, hostPort, ip }) => (protocol === 'udp' ? [[`--orig-port-dst ${hostPort}`, new Set([ip])]] : [])))
  return [...difference(of(before), of(after))].map(toFlow)
}

/** By address and port: the endpoints that take its flows. Empty: the node itself takes them, there being no rule. */
type Targets = ReadonlyMap<string, ReadonlySet<string>>

function targets(ports: readonly ProxiedPort[]): Targets {
  const found = new Map<string, ReadonlySet<string>>()
  const ips = (endpoints: readonly Endpoint[]) => new Set(endpoints.map(({ ip }) => ip))
  for (const { protocol, port, clusterIps, nodePort, externalIps, endpoints, externalEndpoints } of ports) {
    if (protocol !== 'udp') continue
    for (const ip of clusterIps) found.set(`--orig-dst ${ip} --orig-port-dst ${port}`, ips(endpoints))
    const external = ips([...endpoints, ...externalEndpoints])
    for (const ip of externalIps) found.set(`--orig-dst ${ip} --orig-port-dst ${port}`, external)
    if (nodePort !== undefined) found.set(`--orig-port-dst ${nodePort}`, external)
  }
  return found
}

/** Flows to what was a target and no longer is, and all flows of what had none and now has. */
function* difference(before: Targets, after: Targets): Generator<string> {
  for (const [address, old] of before) for (const ip of old) if (!after.get(address)?.has(ip)) yield `${address} --reply-src ${ip}`
  for (const [address, next] of after) if (next.size > 0 && !before.get(address)?.size) yield address
}

const toFlow = (text: string): UdpFlow => text.split(' ')
