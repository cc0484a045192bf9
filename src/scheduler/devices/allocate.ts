// Which devices a node can give to claims, all of them or none: a search that goes back where a choice leads nowhere, in a bounded number of steps.
import type {
  CapacityRequirements,
  DeviceAttribute,
  DeviceConstraint,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest,
} from '#api/generated/types.ts'
import type { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import type { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { matchesTaint } from '#api/toleration.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { type Consumption, hasCapacity, type Share, shareOf } from './consumption.ts'
import type { PlacedSelector } from './device-selectors.ts'
import { isUsableOn, type Pool, type PooledDevice } from './pools.ts'

/** One way to meet a request. */
export interface Alternative {
  /** `request`, or `request/subrequest` */
  name: string
  deviceClass: DeviceClass
  selectors: readonly PlacedSelector[]
  /** undefined: all there are. */
  count: number | undefined
  adminAccess: boolean
  tolerations: readonly DeviceToleration[]
  capacity: CapacityRequirements | undefined
}

export interface OpenClaim {
  claim: ResourceClaim
  requests: readonly { name: string; alternatives: readonly Alternative[] }[]
}

export interface Pick {
  alternative: Alternative
  device: PooledDevice
  share: Share | undefined
}

export interface AllocateOptions {
  node: NodeInfo
  pools: readonly Pool[]
  /** Changed while the search goes on, and as it was after it. */
  taken: Consumption
  matches(selectors: readonly PlacedSelector[], device: PooledDevice): boolean
}

const MAX_STEPS = 20_000
const MAX_DEVICES_PER_CLAIM = 32

/** Throws where the search takes too long. */
class AllocationTimeout extends Error {
  override name = 'AllocationTimeout'
}

/** For each claim its devices; undefined where the node cannot give them all. */
export function allocate(claims: readonly OpenClaim[], options: AllocateOptions): Pick[][] | undefined {
  return new Search(claims, options).run()
}

export function alternativesOf(
  { name, exactly, firstAvailable = [] }: NonNullable<NonNullable<ResourceClaim['spec']['devices']>['requests']>[number],
  { claim, classOf }: { claim: ResourceClaim; classOf(name: string): DeviceClass | undefined },
): Alternative[] | { missing: string } {
  const asked: [string, ExactDeviceRequest][] = exactly ? [[name, exactly]] : firstAvailable.map((sub) => [`${name}/${sub.name}`, sub])
  const alternatives: Alternative[] = []
  for (const [
    full,
    { deviceClassName, selectors = [], allocationMode, count = 1, adminAccess = false, tolerations = [], capacity },
  ] of asked) {
    const deviceClass = classOf(deviceClassName)
    if (!deviceClass) return { missing: deviceClassName }
    const { namespace, name: own } = claim.metadata ?? {}
    const all = [...placed(deviceClass.spec.selectors, `class ${deviceClassName}`), ...placed(selectors, `claim ${namespace}/${own}`)]
    alternatives.push({
      name: full,
      deviceClass,
      selectors: all,
      count: allocationMode === 'All' ? undefined : count,
      adminAccess,
      tolerations,
      capacity,
    })
  }
  return alternatives
}

function placed(selectors: readonly DeviceSelector[] = [], where: string): PlacedSelector[] {
  return selectors.map((selector, index) => ({ ...selector, place: `${where}: selector #${index}` }))
}

class Search {
  readonly #claims: readonly OpenClaim[]
  readonly #options: AllocateOptions
  readonly #picks: Pick[][]
  readonly #candidates = new Map<Alternative, { pool: Pool; device: PooledDevice }[]>()
  #steps = 0

  constructor(claims: readonly OpenClaim[], options: AllocateOptions) {
    this.#claims = claims
    this.#options = options
    this.#picks = claims.map(() => [])
  }

  run(): Pick[][] | undefined {
    for (const open of this.#claims)
      for (const { alternatives } of open.requests) for (const one of alternatives) if (one.count === undefined) this.#checkPools(open, one)
    const found = this.#from(0, 0)
    const picks = this.#picks.map((own) => [...own])
    for (const own of this.#picks) while (own.length) this.#drop(own)
    return found ? picks : undefined
  }

  /** What all devices of a pool are nobody knows while it is renewed. */
  #checkPools({ claim: { metadata } }: OpenClaim, { name }: Alternative): void {
    const { pools, node } = this.#options
    const pool = pools.find(({ unsound, devices }) => unsound && devices.some((device) => isUsableOn(device, node)))
    if (!pool) return
    const request = `claim ${metadata?.namespace}/${metadata?.name}, request ${name.slice(name.indexOf('/') + 1)}`
    throw new Error(`${request}: asks for all devices, but resource pool ${pool.driver}/${pool.name} is currently ${pool.unsound}`)
  }

  /** Whether this request and all after it can be met. */
  #from(claim: number, request: number): boolean {
    const open = this.#claims[claim]
    if (!open) return true
    const asked = open.requests[request]
    if (!asked) return this.#from(claim + 1, 0)
    return asked.alternatives.some((alternative) =>
      alternative.count === undefined
        ? this.#all(alternative, claim, request)
        : this.#some(alternative, { claim, request, left: alternative.count, at: 0 }),
    )
  }

  #some(alternative: Alternative, { claim, request, left, at }: { claim: number; request: number; left: number; at: number }): boolean {
    if (left === 0) return this.#from(claim, request + 1)
    const candidates = this.#candidatesFor(alternative)
    for (let i = at; i + left <= candidates.length; i++) {
      if (!this.#take(alternative, candidates[i]!, claim)) continue
      if (this.#some(alternative, { claim, request, left: left - 1, at: i + 1 })) return true
      this.#drop(this.#picks[claim]!)
    }
    return false
  }

  #all(alternative: Alternative, claim: number, request: number): boolean {
    const candidates = this.#candidatesFor(alternative)
    const before = this.#picks[claim]!.length
    const undo = () => {
      while (this.#picks[claim]!.length > before) this.#drop(this.#picks[claim]!)
      return false
    }
    if (candidates.length === 0 || !candidates.every((candidate) => this.#take(alternative, candidate, claim))) return undo()
    return this.#from(claim, request + 1) || undo()
  }

  #candidatesFor(alternative: Alternative): { pool: Pool; device: PooledDevice }[] {
    let candidates = this.#candidates.get(alternative)
    if (!candidates) {
      candidates = this.#options.pools.flatMap((pool) =>
        pool.unsound ? [] : pool.devices.flatMap((device) => (this.#suits(alternative, device) ? [{ pool, device }] : [])),
      )
      // Devices that are ready come before those that must be made ready first.
      candidates.sort(
        (a, b) => Number(Boolean(a.device.device.bindingConditions?.length)) - Number(Boolean(b.device.device.bindingConditions?.length)),
      )
      this.#candidates.set(alternative, candidates)
    }
    return candidates
  }

  #suits({ selectors, tolerations, capacity }: Alternative, pooled: PooledDevice): boolean {
    const { node, matches } = this.#options
    const isTolerated = ({ key, value, effect }: { key: string; value?: string; effect: string }) =>
      effect === 'None' || tolerations.some((one) => matchesTaint(one as object, { key, effect, ...(value ? { value } : {}) }))
    return (
      isUsableOn(pooled, node) &&
      matches(selectors, pooled) &&
      (pooled.device.taints ?? []).every(isTolerated) &&
      hasCapacity(pooled.device, capacity)
    )
  }

  #take(alternative: Alternative, { pool, device }: { pool: Pool; device: PooledDevice }, claim: number): boolean {
    if (++this.#steps > MAX_STEPS) throw new AllocationTimeout('timed out trying to allocate devices')
    const { taken } = this.#options
    const own = this.#picks[claim]!
    if (own.length >= MAX_DEVICES_PER_CLAIM) return false
    // What one sees no other gets, nor the same claim twice.
    const seen = alternative.adminAccess ? [own] : this.#picks
    if (!device.device.allowMultipleAllocations && seen.some((picks) => picks.some((one) => one.device.id === device.id))) return false
    const pick: Pick = { alternative, device, share: undefined }
    if (!alternative.adminAccess) {
      if (device.device.allowMultipleAllocations) {
        const share = shareOf(device.device, alternative.capacity)
        if (!share || !taken.canShare(device, share)) return false
        pick.share = share
      } else if (taken.has(device.id)) return false
      if (!taken.has(device.id) && !taken.hasCounters(device, pool)) return false
    }
    const constraints = this.#claims[claim]!.claim.spec.devices?.constraints ?? []
    if (!constraints.every((constraint) => isMet(constraint, pick, own))) return false
    own.push(pick)
    if (!alternative.adminAccess) taken.change(device.id, pick.share, 1)
    return true
  }

  #drop(picks: Pick[]): void {
    const { alternative, device, share } = picks.pop()!
    if (!alternative.adminAccess) this.#options.taken.change(device.id, share, -1)
  }
}

/** Whether the rule holds with this pick as well. */
function isMet({ requests = [], matchAttribute, distinctAttribute }: DeviceConstraint, pick: Pick, picks: readonly Pick[]): boolean {
  const concerns = ({ alternative: { name } }: Pick) =>
    requests.length === 0 || requests.includes(name) || requests.includes(name.split('/')[0]!)
  if (!concerns(pick)) return true
  const attribute = matchAttribute ?? distinctAttribute ?? ''
  const value = valueOf(attribute, pick.device)
  if (value === undefined) return false
  const others = picks.filter(concerns).map(({ device }) => valueOf(attribute, device))
  return matchAttribute ? others.every((other) => other === value) : others.every((other) => other !== value)
}

function valueOf(attribute: string, { driver, device: { attributes = {} } }: PooledDevice): string | undefined {
  const own = attribute.startsWith(`${driver}/`) ? attribute.slice(driver.length + 1) : undefined
  const found: DeviceAttribute | undefined = Object.hasOwn(attributes, attribute)
    ? attributes[attribute]
    : own !== undefined && Object.hasOwn(attributes, own)
      ? attributes[own]
      : undefined
  return found && JSON.stringify(found)
}
