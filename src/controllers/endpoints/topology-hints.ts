// Topology mode Auto: each zone is given as many of a service's endpoints as it has of the cluster's processors, its own first. Where that
// cannot be done without overloading endpoints there are no hints at all. Hints that still do are left as they are. Pure.
import type { Endpoint } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Service } from '#api/kinds/core/service.ts'
import { quantityMilliValue } from '#api/quantity.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { ZONE_LABEL } from '#api/well-known.ts'
import { conditionOf } from '#api/conditions.ts'
import { byKey } from '#lib/order.ts'
import type { SlicePlan } from './slice-plan.ts'

const OVERLOAD = 0.2
const EXCLUDED = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

export function isAuto({ metadata }: Service): boolean {
  const { annotations = {} } = metadata ?? {}
  const mode = annotations['service.kubernetes.io/topology-aware-hints'] ?? annotations['service.kubernetes.io/topology-mode']
  return mode === 'Auto' || mode === 'auto'
}

/** All of a node that counts here: nothing else of it changes hints. */
export function nodeFacts({ metadata, status }: Node): string {
  const { labels = {} } = metadata ?? {}
  if (EXCLUDED.some((label) => Object.hasOwn(labels, label)) || conditionOf(status?.conditions, 'Ready')?.status !== 'True') return ''
  return `${quantityMilliValue(status?.allocatable?.['cpu'])} ${labels[ZONE_LABEL] ?? ''}`
}

/** Puts hints on the ready endpoints of slices that are written anyway, and of as few others as can be; or none at all, and returns why. */
export function hintSlices(plan: SlicePlan, nodes: readonly Node[]): string | undefined {
  const refusal = tryToHint(plan, nodes)
  if (refusal === undefined) return undefined
  rewrite(plan, (slice) => (slice.endpoints ?? []).some(({ hints }) => hints))
  for (const endpoint of written(plan)) delete endpoint.hints
  return refusal
}

function tryToHint(plan: SlicePlan, nodes: readonly Node[]): string | undefined {
  const all = [...written(plan), ...plan.keep.flatMap(({ endpoints }) => endpoints ?? [])]
  const ready = all.filter(isReady)
  const shares = sharesOf(nodes)
  if (!shares) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  const numbers = `(${ready.length} endpoints, ${shares.size} zones)`
  if (shares.size > ready.length) return `Insufficient number of endpoints ${numbers}`
  const desired = allocate(shares, ready.length)
  if (!desired) return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${numbers}`

  const given = new Map<string, number>()
  rewrite(plan, (slice) => !keepsHints(slice, { desired, given }))
  const open = written(plan).filter(isReady)
  for (const endpoint of written(plan)) delete endpoint.hints
  if (open.some(({ zone }) => !zone)) return 'One or more endpoints do not have a zone specified'
  for (const { zone = '' } of open) given.set(zone, (given.get(zone) ?? 0) + 1)
  const { giving, receiving } = exchange(desired, given)
  for (const endpoint of open) {
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

const isReady = ({ conditions }: Endpoint): boolean => conditions?.ready === true

const written = ({ create, update }: SlicePlan): Endpoint[] => [...create, ...update].flatMap(({ endpoints }) => endpoints ?? [])

/** Slices that were right but for their hints are written after all; what was lent stays untouched. */
function rewrite(plan: SlicePlan, which: (slice: EndpointSlice) => boolean): void {
  const keep: EndpointSlice[] = []
  for (const slice of plan.keep) {
    if (which(slice)) plan.update.push({ ...slice, endpoints: (slice.endpoints ?? []).map((endpoint) => ({ ...endpoint })) })
    else keep.push(slice)
  }
  plan.keep = keep
}

/** Every ready endpoint has a hint, for zones that want some, and none gets more than leaves enough for the others. */
function keepsHints(
  { endpoints }: EndpointSlice,
  { desired, given }: { desired: ReadonlyMap<string, Allocation>; given: Map<string, number> },
): boolean {
  const counts = new Map<string, number>()
  for (const { hints } of (endpoints ?? []).filter(isReady)) {
    const zones = hints?.forZones ?? []
    if (zones.length === 0 || zones.some(({ name }) => !desired.has(name))) return false
    const [first] = zones
    counts.set(first!.name, (counts.get(first!.name) ?? 0) + 1)
  }
  for (const [zone, count] of counts) if ((given.get(zone) ?? 0) + count > desired.get(zone)!.most) return false
  for (const [zone, count] of counts) given.set(zone, (given.get(zone) ?? 0) + count)
  return true
}

/** Zone -> its part of all processors; undefined where a node does not tell. */
function sharesOf(nodes: readonly Node[]): Map<string, number> | undefined {
  const byZone = new Map<string, number>()
  let total = 0
  for (const node of nodes) {
    const facts = nodeFacts(node)
    if (!facts) continue
    const zone = node.metadata?.labels?.[ZONE_LABEL]
    const cpu = quantityMilliValue(node.status?.allocatable?.['cpu'])
    if (!zone || !cpu) return undefined
    byZone.set(zone, (byZone.get(zone) ?? 0) + cpu)
    total += cpu
  }
  if (byZone.size < 2) return undefined
  return new Map([...byZone].toSorted(byKey).map(([zone, cpu]) => [zone, cpu / total]))
}

interface Allocation {
  wanted: number
  most: number
}

/** Zone -> endpoints it should have; undefined where the least that no zone is overloaded with is more than there are. */
function allocate(shares: ReadonlyMap<string, number>, count: number): Map<string, Allocation> | undefined {
  const least = new Map([...shares].map(([zone, share]) => [zone, Math.ceil((share * count) / (1 + OVERLOAD))]))
  const left = [...least.values()].reduce((rest, one) => rest - one, count)
  if (left < 0) return undefined
  return new Map(
    [...shares].map(([zone, share]) => [zone, { wanted: Math.max(share * count, least.get(zone)!), most: least.get(zone)! + left }]),
  )
}

/** How many endpoints zones with too many give, and zones with too few receive: the neediest first, until less than a half is missing. */
function exchange(desired: ReadonlyMap<string, Allocation>, given: ReadonlyMap<string, number>) {
  const balance = new Map([...desired].map(([zone, { wanted }]) => [zone, (given.get(zone) ?? 0) - wanted]))
  const giving = new Map<string, number>()
  const receiving = new Map<string, number>()
  for (;;) {
    const zones = [...balance].toSorted(([, a], [, b]) => b - a)
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
