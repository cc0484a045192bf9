// Writes what was decided about claims: an allocation with the pod it is reserved for, or that there is none any more. Waits until devices are ready.
import type { AllocationResult, Condition, PodExtendedResourceClaimStatus } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { keyOf } from '#api/object.ts'
import { CLAIM_FINALIZER } from '#api/pod-resource-claims.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { until } from '#client/until.ts'
import type { Clock } from '#lib/clock.ts'

const ATTEMPTS = 5
const MAX_RESERVATIONS = 256

export interface ClaimWriterOptions {
  client: Client
  informers: Informers
  clock: Clock
  signal: AbortSignal
}

export class ClaimWriter {
  readonly #options: ClaimWriterOptions

  constructor(options: ClaimWriterOptions) {
    this.#options = options
  }

  /** Allocates the claim, where it is not yet, and reserves it for the pod. */
  async bind(claim: ResourceClaim, pod: Pod, allocation: AllocationResult | undefined): Promise<ResourceClaim> {
    return this.#change(claim, async (current) => {
      if (current.metadata?.deletionTimestamp) throw new Error(`claim ${current.metadata.name} got deleted in the meantime`)
      if (!allocation && !current.status?.allocation)
        throw new Error(`claim ${current.metadata?.name} got deallocated elsewhere in the meantime`)
      if (allocation && current.status?.allocation) throw new Error(`claim ${current.metadata?.name} was already allocated elsewhere`)
      const reserved = current.status?.reservedFor ?? []
      const uid = pod.metadata?.uid ?? ''
      if (!allocation && reserved.some((one) => one.uid === uid)) return current
      if (reserved.length >= MAX_RESERVATIONS) throw new Error(`claim ${current.metadata?.name} is reserved for as many pods as it can be`)
      const protectedClaim = allocation ? await this.#protect(current) : current
      const reservedFor = [...reserved, { resource: 'pods', name: pod.metadata?.name ?? '', uid }]
      const status = { ...protectedClaim.status, reservedFor, ...(allocation ? { allocation } : {}) }
      return this.#options.client.update(
        ResourceClaim,
        { ...protectedClaim, status },
        { subresource: 'status', signal: this.#options.signal },
      )
    })
  }

  /** The pod did not come to run after all. */
  async unreserve(claim: ResourceClaim, { metadata }: Pod): Promise<void> {
    await this.#change(claim, async (current) => {
      const reservedFor = (current.status?.reservedFor ?? []).filter(({ uid }) => uid !== metadata?.uid)
      if (reservedFor.length === (current.status?.reservedFor?.length ?? 0)) return current
      const { reservedFor: _, ...status } = current.status ?? {}
      const next = { ...current, status: { ...status, ...(reservedFor.length ? { reservedFor } : {}) } }
      return this.#options.client.update(ResourceClaim, next, { subresource: 'status', signal: this.#options.signal })
    })
  }

  /** Where no one but this pod has it reserved. What drivers told of its devices goes with them. */
  async deallocate(claim: ResourceClaim, { metadata }: Pod): Promise<void> {
    await this.#change(claim, async (current) => {
      if (current.status?.reservedFor?.some(({ uid }) => uid !== metadata?.uid)) return current
      return this.#options.client.update(ResourceClaim, { ...current, status: {} }, { subresource: 'status', signal: this.#options.signal })
    })
  }

  async create({ metadata, ...claim }: ResourceClaim): Promise<ResourceClaim> {
    const { uid: _, ...own } = metadata ?? {}
    return this.#options.client.create(ResourceClaim, { ...claim, metadata: own }, { signal: this.#options.signal })
  }

  /** Tells the pod which claim has the devices for its extended resources. */
  async tell(pod: Pod, extendedResourceClaimStatus: PodExtendedResourceClaimStatus): Promise<void> {
    const patch = { metadata: { uid: pod.metadata?.uid }, status: { extendedResourceClaimStatus } }
    await this.#options.client.patch(Pod, keyOf(pod), { type: 'merge', patch }, { subresource: 'status', signal: this.#options.signal })
  }

  /** A claim that was made for the pod alone, and for nothing. */
  async remove(claim: ResourceClaim, pod: Pod): Promise<void> {
    const { client, signal } = this.#options
    await this.deallocate(claim, pod)
    await client.patch(ResourceClaim, keyOf(claim), { type: 'merge', patch: { metadata: { finalizers: null } } }, { signal })
    await client.delete(ResourceClaim, keyOf(claim), { signal }).catch(ignoreNotFound)
  }

  /** Resolves once drivers say that all devices of the claims are ready. */
  async ready(claims: readonly ResourceClaim[], { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const { informers, clock } = this.#options
    const waiting = claims.filter(({ status }) =>
      status?.allocation?.devices?.results?.some(({ bindingConditions }) => bindingConditions?.length),
    )
    if (waiting.length === 0) return
    const informer = informers.of(ResourceClaim)
    const ready = () => {
      const current = waiting.map((claim) => informer.get(keyOf(claim)) ?? claim)
      const [failed] = current.flatMap(failedConditions)
      if (failed) throw new Error(`claim ${failed.claim} binding failed: ${failed.condition}`)
      return current.every(isReady)
    }
    await until(ready, { informers: [informer], clock, timeoutMs, timeout: 'device binding timeout', signal })
  }

  /** Resolves once the informer has seen what was written. */
  async seen(claims: readonly ResourceClaim[]): Promise<void> {
    const informer = this.#options.informers.of(ResourceClaim)
    for (const { metadata } of claims) await informer.seen(metadata?.resourceVersion ?? '0')
  }

  async #protect(claim: ResourceClaim): Promise<ResourceClaim> {
    const { finalizers = [] } = claim.metadata ?? {}
    if (finalizers.includes(CLAIM_FINALIZER)) return claim
    const metadata = { ...claim.metadata, finalizers: [...finalizers, CLAIM_FINALIZER] }
    return this.#options.client.update(ResourceClaim, { ...claim, metadata }, { signal: this.#options.signal })
  }

  async #change(claim: ResourceClaim, change: (current: ResourceClaim) => Promise<ResourceClaim>): Promise<ResourceClaim> {
    let current = claim
    for (let attempt = 1; ; attempt++) {
      try {
        return await change(current)
      } catch (error) {
        if (!hasReason(error, 'Conflict') || attempt === ATTEMPTS) throw error
        current = await this.#options.client.get(ResourceClaim, keyOf(claim), { signal: this.#options.signal })
        if (current.metadata?.uid !== claim.metadata?.uid) throw error
      }
    }
  }
}

/** Per device, the conditions its driver has told of. */
function told({ status }: ResourceClaim, { driver, pool, device }: { driver: string; pool: string; device: string }): Condition[] {
  return status?.devices?.find((one) => one.driver === driver && one.pool === pool && one.device === device)?.conditions ?? []
}

const isTrue = (conditions: readonly Condition[], type: string) => conditions.some((one) => one.type === type && one.status === 'True')

function isReady(claim: ResourceClaim): boolean {
  return (claim.status?.allocation?.devices?.results ?? []).every((result) =>
    (result.bindingConditions ?? []).every((type) => isTrue(told(claim, result), type)),
  )
}

function failedConditions(claim: ResourceClaim): { claim: string; condition: string }[] {
  return (claim.status?.allocation?.devices?.results ?? []).flatMap((result) =>
    (result.bindingFailureConditions ?? [])
      .filter((type) => isTrue(told(claim, result), type))
      .map((condition) => ({ claim: claim.metadata?.name ?? '', condition })),
  )
}
