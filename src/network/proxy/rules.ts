// The nftables form of what is to be proxied: named chains and map elements, so that two states can be compared and only the difference
// applied. Names and addresses come from validated objects; anything unexpected in them is refused, never written.
import type { Endpoint, ProxiedPort } from './model.ts'

export const TABLE = 'sampan'
/** Set on connections whose source is to be replaced by the node's own address. */
const MASQUERADE_MARK = '0x4000'

export interface HostPort {
  protocol: 'tcp' | 'udp' | 'sctp'
  hostPort: number
  hostIp?: string
  ip: string
  port: number
}

/** One state of the changing part of the table. Keys are unique; values are compared as text. */
export interface RuleSet {
  /** Chain name -> its rules. */
  chains: Map<string, string[]>
  /** `map key` -> verdict, per map. */
  services: Map<string, string>
  nodeports: Map<string, string>
  hostports: Map<string, string>
  /** Addresses of endpoints: traffic from one to itself needs another source. */
  hairpin: Set<string>
  /** Dynamic sets for session affinity: name -> timeout in seconds. */
  affinity: Map<string, number>
}

export function emptyRuleSet(): RuleSet {
  return { chains: new Map(), services: new Map(), nodeports: new Map(), hostports: new Map(), hairpin: new Set(), affinity: new Map() }
}

export function ruleSetOf(ports: Iterable<ProxiedPort>, hostPorts: Iterable<HostPort>, podCidr: string): RuleSet {
  const rules = emptyRuleSet()
  for (const port of ports) addPort(rules, port, podCidr)
  for (const hostPort of hostPorts) addHostPort(rules, hostPort)
  return rules
}

function addPort(rules: RuleSet, port: ProxiedPort, podCidr: string): void {
  const { id, protocol } = port
  safe(id)
  const service = `svc/${id}`
  if (port.endpoints.length > 0) {
    rules.chains.set(service, balance(rules, port, { name: service, endpoints: port.endpoints }))
    for (const ip of port.clusterIps) rules.services.set(`${safe(ip)} . ${protocol} . ${port.port}`, `goto ${service}`)
  }
  if (port.nodePort === undefined && port.externalIps.length === 0) return
  const external = `ext/${id}`
  const lines = externalChain(rules, port, { service, external, podCidr })
  if (!lines) return
  rules.chains.set(external, lines)
  for (const ip of port.externalIps) rules.services.set(`${safe(ip)} . ${protocol} . ${port.port}`, `goto ${external}`)
  if (port.nodePort !== undefined) rules.nodeports.set(`${protocol} . ${port.nodePort}`, `goto ${external}`)
}

function externalChain(
  rules: RuleSet,
  port: ProxiedPort,
  names: { service: string; external: string; podCidr: string },
): string[] | undefined {
  const filter = port.sourceRanges.length > 0 ? [`ip saddr != { ${port.sourceRanges.map(safe).join(', ')} } drop`] : []
  const mark = `meta mark set meta mark | ${MASQUERADE_MARK}`
  if (!port.externalLocal)
    return port.endpoints.length > 0 || port.externalEndpoints.length > 0
      ? [...filter, mark, ...balance(rules, port, { name: names.external, endpoints: port.externalEndpoints })]
      : undefined
  // Local keeps the client's address; what comes from this node or its pods is treated as inside traffic.
  const inside =
    port.endpoints.length > 0
      ? [`ip saddr ${names.podCidr} goto ${names.service}`, `fib saddr type local ${mark} goto ${names.service}`]
      : []
  const outside =
    port.externalEndpoints.length > 0 ? balance(rules, port, { name: names.external, endpoints: port.externalEndpoints }) : ['drop']
  return [...filter, ...inside, ...outside]
}

function balance(rules: RuleSet, port: ProxiedPort, { name, endpoints }: { name: string; endpoints: readonly Endpoint[] }): string[] {
  for (const { ip } of endpoints) rules.hairpin.add(`${safe(ip)} . ${ip}`)
  if (endpoints.length === 0) return []
  if (port.affinitySeconds === undefined) return [dnat(port.protocol, endpoints)]
  // A client that has been served goes back to the same endpoint; each visit renews its time.
  const known: string[] = []
  const targets: string[] = []
  for (const [index, endpoint] of endpoints.entries()) {
    const own = `ep/${name.slice(4)}/${name.slice(0, 3)}/${endpoint.ip}.${endpoint.port}`
    const set = `aff/${own.slice(3)}`
    rules.affinity.set(set, port.affinitySeconds)
    rules.chains.set(own, [`update @${set} { ip saddr }`, dnat(port.protocol, [endpoint])])
    known.push(`ip saddr @${set} goto ${own}`)
    targets.push(`${index} : goto ${own}`)
  }
  return [...known, `numgen random mod ${endpoints.length} vmap { ${targets.join(', ')} }`]
}

function dnat(protocol: string, endpoints: readonly Endpoint[]): string {
  const [only] = endpoints
  if (endpoints.length === 1) return `meta l4proto ${protocol} dnat ip to ${safe(only!.ip)}:${only!.port}`
  const targets = endpoints.map(({ ip, port }, index) => `${index} : ${safe(ip)} . ${port}`)
  return `meta l4proto ${protocol} dnat ip to numgen random mod ${endpoints.length} map { ${targets.join(', ')} }`
}

function addHostPort(rules: RuleSet, { protocol, hostPort, hostIp, ip, port }: HostPort): void {
  const address = hostIp && hostIp !== '0.0.0.0' ? safe(hostIp) : ''
  const chain = `host/${protocol}/${hostPort}${address ? `/${address}` : ''}`
  const mark = `meta mark set meta mark | ${MASQUERADE_MARK}`
  rules.chains.set(chain, [`fib saddr type local ${mark}`, dnat(protocol, [{ ip, port, local: true }])])
  rules.hairpin.add(`${safe(ip)} . ${ip}`)
  if (address) rules.services.set(`${address} . ${protocol} . ${hostPort}`, `goto ${chain}`)
  else rules.hostports.set(`${protocol} . ${hostPort}`, `goto ${chain}`)
}

/** The unchanging part: hooks, maps, and what is refused or given another source. Replaces any table of that name. */
export function baseTable({
  podCidr,
  serviceCidr,
  bridge,
  gateway,
}: {
  podCidr: string
  serviceCidr: string
  bridge: string
  gateway: string
}): string {
  return `table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  map nodeports { type inet_proto . inet_service : verdict; }
  map hostports { type inet_proto . inet_service : verdict; }
  set hairpin { type ipv4_addr . ipv4_addr; }
  chain dispatch {
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local meta l4proto . th dport vmap @hostports
    fib daddr type local meta l4proto . th dport vmap @nodeports
  }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump dispatch; }
  chain output { type nat hook output priority -100; policy accept; jump dispatch; }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & ${MASQUERADE_MARK} == ${MASQUERADE_MARK} masquerade
    ip saddr . ip daddr @hairpin masquerade
    ip saddr 127.0.0.0/8 oifname "${bridge}" masquerade
    ip saddr ${podCidr} ip daddr != ${podCidr} oifname != "${bridge}" masquerade
  }
  chain early {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
    iifname != { "${bridge}", "lo" } ip daddr ${gateway} drop
  }
  chain refuse {
    fib daddr type local return
    ip daddr ${serviceCidr} meta l4proto tcp reject with tcp reset
    ip daddr ${serviceCidr} reject
  }
  chain forward { type filter hook forward priority filter; policy accept; jump refuse; }
  chain local { type filter hook output priority filter; policy accept; jump refuse; }
}
`
}

/** A transaction that leads from one state to the other; empty when they are equal. */
export function difference(from: RuleSet, to: RuleSet): string {
  const create: string[] = []
  const fill: string[] = []
  const drop: string[] = []
  for (const [name, seconds] of to.affinity) {
    if (from.affinity.get(name) === seconds) continue
    if (from.affinity.has(name)) fill.push(`flush set ip ${TABLE} ${name}`)
    create.push(`add set ip ${TABLE} ${name} { type ipv4_addr; flags dynamic,timeout; timeout ${seconds}s; size 65536; }`)
  }
  for (const [name, lines] of to.chains) {
    if (from.chains.get(name)?.join('\n') === lines.join('\n')) continue
    if (from.chains.has(name)) fill.push(`flush chain ip ${TABLE} ${name}`)
    else create.push(`add chain ip ${TABLE} ${name}`)
    for (const line of lines) fill.push(`add rule ip ${TABLE} ${name} ${line}`)
  }
  for (const map of ['services', 'nodeports', 'hostports'] as const) {
    const gone = [...from[map]].filter(([key, verdict]) => to[map].get(key) !== verdict)
    const come = [...to[map]].filter(([key, verdict]) => from[map].get(key) !== verdict)
    if (gone.length > 0) fill.push(`delete element ip ${TABLE} ${map} { ${gone.map(([key]) => key).join(', ')} }`)
    if (come.length > 0) fill.push(`add element ip ${TABLE} ${map} { ${come.map(([key, verdict]) => `${key} : ${verdict}`).join(', ')} }`)
  }
  const stale = [...from.hairpin].filter((key) => !to.hairpin.has(key))
  const fresh = [...to.hairpin].filter((key) => !from.hairpin.has(key))
  if (stale.length > 0) fill.push(`delete element ip ${TABLE} hairpin { ${stale.join(', ')} }`)
  if (fresh.length > 0) fill.push(`add element ip ${TABLE} hairpin { ${fresh.join(', ')} }`)
  // What nothing refers to any more goes last: first every chain is emptied, then removed.
  const oldChains = [...from.chains.keys()].filter((name) => !to.chains.has(name))
  for (const name of oldChains) drop.push(`flush chain ip ${TABLE} ${name}`)
  for (const name of oldChains) drop.push(`delete chain ip ${TABLE} ${name}`)
  for (const name of from.affinity.keys()) if (!to.affinity.has(name)) drop.push(`delete set ip ${TABLE} ${name}`)
  return [...create, ...fill, ...drop].map((line) => `${line}\n`).join('')
}

/** A name or address as it may stand in a rule set. */
function safe(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9/._-]*$/.test(text)) throw new Error(`${JSON.stringify(text)} may not be written into a rule set`)
  return text
}
