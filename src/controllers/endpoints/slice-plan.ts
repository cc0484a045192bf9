// Fits wanted endpoints into slices with as few writes as can be: what stays keeps its place, holes are filled, the rest gets new slices.
// Pure; slices in, slices out.
import { equal } from '#api/equal.ts'
import type { DiscoveryEndpointPort, Endpoint } from '#api/generated/types.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'

/** Endpoints that share one set of ports. */
export interface PortGroup {
  ports: DiscoveryEndpointPort[]
  endpoints: Endpoint[]
}

export interface SlicePlan {
  create: PortGroup[]
  update: EndpointSlice[]
  delete: EndpointSlice[]
  /** Slices that are right as they are. */
  keep: EndpointSlice[]
  /** Endpoints that are in no slice yet, and that are in one and shall not be. */
  added: number
  removed: number
}

interface Options {
  /** Of endpoints in a slice. */
  limit: number
  /** Slices that are written in any case. */
  isStale?(slice: EndpointSlice): boolean
}

export function planSlices(existing: readonly EndpointSlice[], wanted: readonly PortGroup[], options: Options): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], delete: [], keep: [], added: 0, removed: 0 }
  const byPorts = new Map<string, EndpointSlice[]>()
  for (const slice of existing) {
    const key = portsKey(slice.ports)
    byPorts.set(key, [...(byPorts.get(key) ?? []), slice])
  }
  for (const group of mergedByPorts(wanted)) {
    const key = portsKey(group.ports)
    planGroup(byPorts.get(key) ?? [], group, { ...options, plan })
    byPorts.delete(key)
  }
  for (const slices of byPorts.values()) {
    plan.delete.push(...slices)
    for (const { endpoints } of slices) plan.removed += endpoints?.length ?? 0
  }
  return plan
}

function planGroup(slices: readonly EndpointSlice[], group: PortGroup, { limit, isStale, plan }: Options & { plan: SlicePlan }): void {
  const missing = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]))
  const drafts = slices.map((slice) => {
    const endpoints: Endpoint[] = []
    for (const endpoint of slice.endpoints ?? []) {
      const key = endpointKey(endpoint)
      const next = missing.get(key)
      if (!next) {
        plan.removed++
        continue
      }
      missing.delete(key)
      endpoints.push(next)
    }
    return { slice, endpoints, changed: isStale?.(slice) || !equal(endpoints, slice.endpoints ?? []) }
  })

  const rest = [...missing.values()]
  plan.added += rest.length
  const fill = (draft: (typeof drafts)[number]) => {
    const room = limit - draft.endpoints.length
    if (room <= 0 || rest.length === 0) return
    draft.endpoints.push(...rest.splice(0, room))
    draft.changed = true
  }
  // Slices that must be written anyway take what they can; another is touched only if it takes all that is left. The fullest come first.
  const fullestFirst = drafts.toSorted((a, b) => b.endpoints.length - a.endpoints.length)
  for (const draft of fullestFirst) if (draft.changed && draft.endpoints.length > 0) fill(draft)
  while (rest.length > 0) {
    const fits = ({ changed, endpoints }: (typeof drafts)[number]) => !changed && endpoints.length + rest.length <= limit
    const fitting = rest.length < limit ? fullestFirst.find(fits) : undefined
    if (fitting) fill(fitting)
    else plan.create.push({ ports: group.ports, endpoints: rest.splice(0, limit) })
  }

  for (const { slice, endpoints, changed } of drafts) {
    if (endpoints.length === 0) plan.delete.push(slice)
    else if (changed) plan.update.push({ ...slice, endpoints })
    else plan.keep.push(slice)
  }
}

function mergedByPorts(groups: readonly PortGroup[]): PortGroup[] {
  const merged = new Map<string, PortGroup>()
  for (const { ports, endpoints } of groups) {
    const key = portsKey(ports)
    const group = merged.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push(...endpoints)
    merged.set(key, group)
  }
  return [...merged.values()].filter(({ endpoints }) => endpoints.length > 0)
}

function portsKey(ports: readonly DiscoveryEndpointPort[] | null | undefined): string {
  const texts = (ports ?? []).map(({ name = '', protocol = 'TCP', port, appProtocol }) =>
    JSON.stringify([name, protocol, port, appProtocol]),
  )
  return texts.sort().join()
}

export function endpointKey({ addresses, hostname, targetRef }: Endpoint): string {
  return JSON.stringify([addresses, hostname, targetRef?.namespace, targetRef?.name])
}
