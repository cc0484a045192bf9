// Which ResourceClaim stands behind each entry of a pod's `resourceClaims`: named outright, or made from a template and named in the pod's status.
import type { Pod, PodResourceClaim, ResourceResourceClaim } from './generated/types.ts'

/** Keeps a claim while devices are allocated to it. */
export const CLAIM_FINALIZER = 'resource.kubernetes.io/delete-protection'
/** On claims made for a pod: the entry of the pod they are for. */
export const POD_CLAIM_ANNOTATION = 'resource.kubernetes.io/pod-claim-name'

export interface ClaimLookup {
  entry: PodResourceClaim
  /** `pending`: not made yet. `none`: found not to be needed. */
  state: 'named' | 'pending' | 'none'
  /** Of the claim, when `named`. */
  name: string
  /** Made from a template: only the pod's own counts. */
  generated: boolean
}

export function claimLookups({ spec, status }: Pod): ClaimLookup[] {
  return (spec?.resourceClaims ?? []).map((entry) => {
    if (entry.resourceClaimName !== undefined) return { entry, state: 'named', name: entry.resourceClaimName, generated: false }
    const made = status?.resourceClaimStatuses?.find(({ name }) => name === entry.name)
    if (!made) return { entry, state: 'pending', name: '', generated: true }
    const { resourceClaimName: name } = made
    return name === undefined ? { entry, state: 'none', name: '', generated: true } : { entry, state: 'named', name, generated: true }
  })
}

/** Names of all claims the pod uses, the one for its extended resources included. */
export function claimNamesOf(pod: Pod): string[] {
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName
  const named = claimLookups(pod).flatMap(({ state, name }) => (state === 'named' ? [name] : []))
  return extended ? [...named, extended] : named
}

export function isReservedForPod(pod: Pod, { status }: ResourceResourceClaim): boolean {
  return (status?.reservedFor ?? []).some(({ uid }) => uid === pod.metadata?.uid)
}
