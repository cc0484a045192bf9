// Devices for pods that claim them: which nodes can give them, and keeping what was chosen from being chosen again until the claims' status says it.
import type { AllocationResult } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { isReservedForPod } from '#api/pod-resource-claims.ts'
import { matchesNodeSelector } from '#api/node-selector.ts'
import { quantityOf } from '#api/quantity.ts'
import { keyOf } from '#api/object.ts'
import { formatTime, type Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { Objects } from '#scheduler/objects.ts'
import type { PodRefusal, Refusal, Reservation } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { allocate, type Alternative, alternativesOf, type OpenClaim, type Pick } from './allocate.ts'
import { allocationResult } from './allocation-result.ts'
import type { ClaimWriter } from './claim-writer.ts'
import { Consumption } from './consumption.ts'
import type { DeviceSelectors } from './device-selectors.ts'
import { type Delegated, delegatedResources, type ExtendedClaim, extendedClaimFor, madeFor } from './extended-resources.ts'
import { claimsSomething, findClaims } from './pod-resource-claims.ts'
import { deviceId, isUsableOn, poolsOf, type Pool } from './pools.ts'

/** What the pod's claims stand at, and what there is to choose from. */
export interface ClaimsState {
  claims: readonly ResourceClaim[]
  open: readonly OpenClaim[]
  pools: readonly Pool[]
  taken: Consumption
  /** What a node may leave to devices. */
  extended: { pod: Pod; delegated: Delegated } | undefined
}

export interface DeviceAllocatorOptions {
  objects: Objects
  clock: Clock
  random: Random
  log: Logger
  /** Absent: nothing is written. */
  writer?: ClaimWriter
  /** Called when pods may get what they could not before: the first waits until selectors can be answered, others until a choice is given up. */
  changed(): void
}

const UNSUITED: Refusal = { reasons: ['resourceclaim not available on the node'], final: true }
const CANNOT: Refusal = { reasons: ['cannot allocate all claims'], final: true }
const INVALID: Refusal = { reasons: ['invalid resource pools were encountered'], final: true }
const MAX_RESERVATIONS = 256
/** The first of so many alternatives scores most. */
const MAX_ALTERNATIVES = 8

export class DeviceAllocator {
  readonly #options: DeviceAllocatorOptions
  #selectors: DeviceSelectors | undefined
  #loading = false
  /** By the claim's uid: chosen, but not yet seen in its status. */
  readonly #pending = new Map<string, AllocationResult>()

  constructor(options: DeviceAllocatorOptions) {
    this.#options = options
  }

  /** CEL is worth loading once someone claims devices. */
  async load(): Promise<void> {
    if (this.#loading) return
    this.#loading = true
    const { DeviceSelectors: Selectors } = await import('./device-selectors.ts')
    this.#selectors = new Selectors()
    this.#options.changed()
  }

  /** Whether the pod must wait for its claims to be made. */
  gates(info: PodInfo): boolean {
    const { pod } = info
    if (!pod.spec?.resourceClaims?.length && !this.delegated(info)) return false
    if (!this.#selectors) void this.load()
    return !this.#selectors || typeof findClaims(pod, this.#options.objects) === 'string'
  }

  /** Resources the pod asks for that devices stand for, where a node does not offer them itself. */
  delegated(info: PodInfo): Delegated | undefined {
    return info.requests.scalars && delegatedResources(info, this.#options.objects)
  }

  /** undefined: the pod claims nothing. */
  stateOf(info: PodInfo): ClaimsState | PodRefusal | undefined {
    const { pod } = info
    const { objects } = this.#options
    const delegated = this.delegated(info)
    if (!claimsSomething(pod) && !delegated) return undefined
    const named = findClaims(pod, objects)
    if (typeof named === 'string') return { message: named }
    const made = delegated && madeFor(pod, objects)
    const claims = made ? [...named, made] : named
    const extended = delegated && !made ? { pod, delegated } : undefined
    const open: OpenClaim[] = []
    for (const claim of claims) {
      if (claim.status?.allocation) {
        const { reservedFor = [] } = claim.status
        if (reservedFor.length >= MAX_RESERVATIONS && !isReservedForPod(pod, claim)) return { message: 'resourceclaim in use' }
        continue
      }
      if (this.#pending.has(claim.metadata?.uid ?? '')) return { message: 'resource claim is in the process of being allocated' }
      const opened = this.#opened(claim)
      if ('message' in opened) return opened
      open.push(opened)
    }
    if (open.length === 0 && !extended) return { claims, open, pools: [], taken: new Consumption(), extended }
    return { claims, open, pools: poolsOf(objects.list(ResourceSlice)), taken: this.#taken(), extended }
  }

  #opened(claim: ResourceClaim): OpenClaim | PodRefusal {
    const requests: { name: string; alternatives: readonly Alternative[] }[] = []
    const classOf = (name: string) => this.#options.objects.get(DeviceClass, { name })
    for (const request of claim.spec.devices?.requests ?? []) {
      const alternatives = alternativesOf(request, { claim, classOf })
      if ('missing' in alternatives) return { message: `request ${request.name}: device class ${alternatives.missing} does not exist` }
      requests.push({ name: request.name, alternatives })
    }
    return { claim, requests }
  }

  refusalOf(state: ClaimsState, node: NodeInfo): Refusal | undefined {
    if (state.claims.some((claim) => !isUsable(claim, node))) return UNSUITED
    if (this.#picks(state, node)) return undefined
    return state.pools.some((pool) => pool.unsound === 'invalid' && pool.devices.some((one) => isUsableOn(one, node))) ? INVALID : CANNOT
  }

  /** The earlier the alternatives that a node meets requests by, the better. undefined: there are none to choose among. */
  scoreOf(state: ClaimsState): ((node: NodeInfo) => number) | undefined {
    if (
      !state.open.some(({ requests }) =>
        requests.some(({ alternatives }) => alternatives.length > 1 || alternatives[0]?.name.includes('/')),
      )
    )
      return undefined
    return (node) => {
      const { picks = [] } = this.#picks(state, node) ?? {}
      const scoreIn = ({ alternatives }: OpenClaim['requests'][number], own: readonly Pick[]) => {
        const chosen = alternatives.findIndex((one) => own.some(({ alternative }) => alternative === one))
        return chosen < 0 || !alternatives[chosen]!.name.includes('/') ? 0 : MAX_ALTERNATIVES - chosen
      }
      return state.open.reduce((sum, { requests }, i) => requests.reduce((total, one) => total + scoreIn(one, picks[i] ?? []), sum), 0)
    }
  }

  /** Claims that are allocated where no node for the pod is are given up, one at a time. */
  giveUp(info: PodInfo, nodes: readonly NodeInfo[]): string {
    const { pod } = info
    if (!claimsSomething(pod) && !this.delegated(info)) return 'no new claims to deallocate'
    const claims = findClaims(pod, this.#options.objects)
    for (const claim of typeof claims === 'string' ? [] : claims) {
      if (!claim.status?.allocation || nodes.every((node) => isUsable(claim, node))) continue
      if (claim.status.reservedFor?.some(({ uid }) => uid !== pod.metadata?.uid)) continue
      void this.#options.writer?.deallocate(claim, pod).catch((error: unknown) => {
        this.#options.log.warn('a claim could not be given up', { claim: claim.metadata?.name, error })
      })
      return 'deallocation of ResourceClaim completed'
    }
    return 'still not schedulable'
  }

  reserve(pod: PodInfo, node: NodeInfo, bindTimeoutMs: number): Reservation | undefined {
    const state = this.stateOf(pod)
    if (!state) return undefined
    if ('message' in state) throw new Error(state.message)
    const found = this.#picks(state, node)
    if (!found) throw new Error(CANNOT.reasons[0])
    const { random, clock } = this.#options
    const allocations = new Map(
      found.open.map((one, i): [string, AllocationResult] => [
        one.claim.metadata?.uid ?? '',
        allocationResult(one, found.picks[i]!, { node: node.name, random, now: formatTime(clock.now()) }),
      ]),
    )
    for (const [uid, allocation] of allocations) this.#pending.set(uid, allocation)
    return this.#reservation(pod, { claims: state.claims, extended: found.extended, allocations, bindTimeoutMs })
  }

  #reservation(
    { pod }: PodInfo,
    {
      claims,
      extended,
      allocations,
      bindTimeoutMs,
    }: {
      claims: readonly ResourceClaim[]
      extended: ExtendedClaim | undefined
      allocations: ReadonlyMap<string, AllocationResult>
      bindTimeoutMs: number
    },
  ): Reservation {
    const { writer, objects, log } = this.#options
    const written: ResourceClaim[] = []
    let made: ResourceClaim | undefined
    let isUnready = false
    return {
      bind: async (signal) => {
        for (const claim of claims) {
          const current = objects.get(ResourceClaim, keyOf(claim)) ?? claim
          const bound = await writer?.bind(current, pod, allocations.get(claim.metadata?.uid ?? ''))
          if (bound) written.push(bound)
        }
        if (extended && writer) {
          made = await writer.create(extended.claim)
          written.push(await writer.bind(made, pod, allocations.get(extended.claim.metadata!.uid!)))
          await writer.tell(pod, { resourceClaimName: made.metadata!.name!, requestMappings: extended.mappings })
        }
        isUnready = true
        await writer?.ready(written, { timeoutMs: bindTimeoutMs, signal })
        isUnready = false
      },
      release: (placed) => {
        for (const claim of placed ? [] : written) {
          // Devices that could not be made ready are not worth another try.
          const undo =
            claim.metadata?.uid === made?.metadata?.uid
              ? writer?.remove(claim, pod)
              : isUnready
                ? writer?.deallocate(claim, pod)
                : writer?.unreserve(claim, pod)
          undo?.catch((error: unknown) => log.warn('a claim stays reserved', { claim: claim.metadata?.name, error }))
        }
        // Until the informer has what was written, this is all that tells of it.
        const forget = () => {
          for (const uid of allocations.keys()) this.#pending.delete(uid)
          if (!placed && allocations.size > 0) this.#options.changed()
        }
        if (written.length && writer) void writer.seen(written).then(forget, forget)
        else forget()
      },
    }
  }

  /** Devices for all claims on that node, and for what it leaves to devices. */
  #picks(
    { open, pools, taken, extended }: ClaimsState,
    node: NodeInfo,
  ): { open: readonly OpenClaim[]; picks: Pick[][]; extended: ExtendedClaim | undefined } | undefined {
    const special = extended && extendedClaimFor(extended.pod, node, extended.delegated)
    const opened = special && this.#opened(special.claim)
    if (opened && 'message' in opened) return undefined
    const all = opened ? [...open, opened] : open
    if (all.length === 0) return { open: all, picks: [], extended: special }
    const selectors = this.#selectors
    const picks = selectors && allocate(all, { node, pools, taken, matches: (asked, device) => selectors.matches(asked, device) })
    return picks && { open: all, picks, extended: special }
  }

  #taken(): Consumption {
    const taken = new Consumption()
    const count = (allocation: AllocationResult | undefined) => {
      for (const { driver, pool, device, adminAccess, consumedCapacity } of allocation?.devices?.results ?? []) {
        if (adminAccess) continue
        const share =
          consumedCapacity && new Map(Object.entries(consumedCapacity).map(([name, amount]) => [name, quantityOf(amount).nanos]))
        taken.change(deviceId(driver, pool, device), share, 1)
      }
    }
    for (const claim of this.#options.objects.list(ResourceClaim))
      if (!this.#pending.has(claim.metadata?.uid ?? '')) count(claim.status?.allocation)
    for (const allocation of this.#pending.values()) count(allocation)
    return taken
  }
}

function isUsable({ status }: ResourceClaim, node: NodeInfo): boolean {
  const selector = status?.allocation?.nodeSelector
  return !selector || matchesNodeSelector(selector, node)
}
