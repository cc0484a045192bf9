// Topology mode Auto: each zone is given as many of a service's endpoints as it has of the cluster's processors, its own first. Where that
// cannot be done without overloading endpoints there are no hints at all. Pure.
import type { Endpoint } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Service } from '#api/kinds/core/service.ts'
import { quantityMilliValue } from '#api/quantity.ts'
import { conditionOf } from '#controllers/conditions.ts'

const OVERLOAD = 0.2
const ZONE = 'topology.kubernetes.io/zone'
const EXCLUDED = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

export function isAuto({ metadata }: Service): boolean {
  const { annotations = {} } = metadata ?? {}
  const mode = annotations['service.kubernetes.io/topology-mode'] ?? annotations['service.kubernetes.io/topology-aware-hints']
  return mode === 'Auto' || mode === 'auto'
}

/** All of a node that counts here: nothing else of it changes hints. */
export function nodeFacts({ metadata, status }: Node): string {
  const { labels = {} } = metadata ?? {}
  if (EXCLUDED.some((label) => Object.hasOwn(labels, label)) || conditionOf(status?.conditions, 'Ready')?.status !== 'True') return ''
  return `${quantityMilliValue(status?.allocatable?.['cpu'])} ${labels[ZONE] ?? ''}`
}

/** Puts hints on the endpoints that are ready, or none at all; returns why there are none. */
export function hintAll(endpoints: readonly Endpoint[], nodes: readonly Node[]): string | undefined {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready)
  const shares = sharesOf(nodes)
  if (!shares) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  if (shares.size < 2) return 'Nodes only ready in one zone'
  if (shares.size > ready.length) return `Insufficient number of endpoints (${ready.length} endpoints, ${shares.size} zones)`
  const desired = allocate(shares, ready.length)
  if (!desired) return 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold'
  if (ready.some(({ zone }) => !zone)) return 'One or more endpoints do not have a zone specified'
  const { giving, receiving } = exchange(desired, ready)
  for (const endpoint of ready) {
    const zone = endpoint.zone!
    const receiver = (giving.get(zone) ?? 0) > 0 ? [...receiving].find(([, count]) => count > 0)?.[0] : undefined
    if (receiver !== undefined) {
      giving.set(zone, giving.get(zone)! - 1)
      receiving.set(receiver, receiving.get(receiver)! - 1)
    }
    endpoint.hints = { forZones: [{ name: receiver ?? zone }] }
  }
  return undefined
}

/** Zone -> its part of all processors; undefined where a node does not tell. */
function sharesOf(nodes: readonly Node[]): Map<string, number> | undefined {
  const byZone = new Map<string, number>()
  let total = 0
  for (const node of nodes) {
    const facts = nodeFacts(node)
    if (!facts) continue
    const zone = node.metadata?.labels?.[ZONE]
    const cpu = quantityMilliValue(node.status?.allocatable?.['cpu'])
    if (!zone || !cpu) return undefined
    byZone.set(zone, (byZone.get(zone) ?? 0) + cpu)
    total += cpu
  }
  if (byZone.size === 0) return undefined
  return new Map([...byZone].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([zone, cpu]) => [zone, cpu / total]))
}

/** Zone -> endpoints it should have; undefined where the least that no zone is overloaded with is more than there are. */
function allocate(shares: ReadonlyMap<string, number>, count: number): Map<string, number> | undefined {
  let left = count
  const desired = new Map<string, number>()
  for (const [zone, share] of shares) {
    const least = Math.ceil((share * count) / (1 + OVERLOAD))
    left -= least
    desired.set(zone, Math.max(share * count, least))
  }
  return left < 0 ? undefined : desired
}

/** How many endpoints zones with too many give, and zones with too few receive: the neediest first, until less than a half is missing. */
function exchange(desired: ReadonlyMap<string, number>, ready: readonly Endpoint[]) {
  const balance = new Map([...desired].map(([zone, count]) => [zone, -count]))
  for (const { zone = '' } of ready) balance.set(zone, (balance.get(zone) ?? 0) + 1)
  const giving = new Map<string, number>()
  const receiving = new Map<string, number>()
  for (;;) {
    const zones = [...balance].filter(([zone]) => desired.has(zone)).toSorted(([, a], [, b]) => b - a)
    const [giver, surplus] = zones[0]!
    const [receiver, rest] = zones.at(-1)!
    const lack = -rest
    if (surplus <= 0 || (surplus < 1 && lack < 1) || lack < 0.5) return { giving, receiving }
    giving.set(giver, (giving.get(giver) ?? 0) + 1)
    receiving.set(receiver, (receiving.get(receiver) ?? 0) + 1)
    balance.set(giver, surplus - 1)
    balance.set(receiver, rest + 1)
  }
}
