// What is written into the status of a claim: its devices, what their drivers are told, and the nodes that can use them.
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  NodeSelectorRequirement,
  NodeSelectorTerm,
} from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { Quantity } from '#api/quantity.ts'
import type { Random } from '#lib/random.ts'
import type { OpenClaim, Pick } from './allocate.ts'
import type { PooledDevice } from './pools.ts'

export function allocationResult(
  { claim, requests }: OpenClaim,
  picks: readonly Pick[],
  { node, random, now }: { node: string; random: Random; now: string },
): AllocationResult {
  const results = picks.map((pick) => resultOf(pick, random))
  const config: DeviceAllocationConfiguration[] = []
  for (const { alternatives } of requests) {
    const taken = alternatives.find((one) => picks.some(({ alternative }) => alternative === one))
    for (const { opaque } of taken?.deviceClass.spec.config ?? [])
      config.push({ source: 'FromClass', requests: [taken!.name], ...(opaque ? { opaque } : {}) })
  }
  const chosen = new Set(picks.flatMap(({ alternative: { name } }) => [name, name.split('/')[0]!]))
  for (const { requests: about, opaque } of claim.spec.devices?.config ?? [])
    if (!about?.length || about.some((name) => chosen.has(name)))
      config.push({ source: 'FromClaim', ...(about ? { requests: about } : {}), ...(opaque ? { opaque } : {}) })
  const nodeSelectorTerm = commonTerm(
    picks.map(({ device }) => device),
    node,
  )
  return {
    devices: { ...(results.length ? { results } : {}), ...(config.length ? { config } : {}) },
    ...(nodeSelectorTerm ? { nodeSelector: { nodeSelectorTerms: [nodeSelectorTerm] } } : {}),
    allocationTimestamp: now,
  }
}

function resultOf({ alternative: { name, adminAccess, tolerations }, device, share }: Pick, random: Random): DeviceRequestAllocationResult {
  const { bindingConditions, bindingFailureConditions } = device.device
  return {
    request: name,
    driver: device.driver,
    pool: device.pool,
    device: device.device.name,
    ...(adminAccess ? { adminAccess } : {}),
    ...(tolerations.length ? { tolerations: [...tolerations] } : {}),
    ...(bindingConditions?.length ? { bindingConditions } : {}),
    ...(bindingFailureConditions?.length ? { bindingFailureConditions } : {}),
    ...(share
      ? {
          shareID: random.uuid(),
          consumedCapacity: Object.fromEntries([...share].map(([key, nanos]) => [key, new Quantity(nanos).toString()])),
        }
      : {}),
  }
}

/** undefined: every node can use them all. */
function commonTerm(devices: readonly PooledDevice[], node: string): NodeSelectorTerm | undefined {
  const expressions: NodeSelectorRequirement[] = []
  const fields: NodeSelectorRequirement[] = []
  for (const {
    slice: { spec },
    device,
  } of devices) {
    const { nodeName, nodeSelector } = spec!.perDeviceNodeSelection ? device : spec!
    if (nodeName || device.bindsToNode) return { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }
    for (const term of nodeSelector?.nodeSelectorTerms.slice(0, 1) ?? []) {
      addNew(expressions, term.matchExpressions)
      addNew(fields, term.matchFields)
    }
  }
  if (expressions.length + fields.length === 0) return undefined
  return { ...(expressions.length ? { matchExpressions: expressions } : {}), ...(fields.length ? { matchFields: fields } : {}) }
}

function addNew(to: NodeSelectorRequirement[], from: readonly NodeSelectorRequirement[] = []): void {
  for (const one of from) if (!to.some((other) => equal(other, one))) to.push(one)
}
