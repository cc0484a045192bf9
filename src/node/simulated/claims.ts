// Whether the claims of a pod let it start: made, reserved for it and allocated, as a kubelet finds them out. It asks the API, not a cache: what was
// reserved a moment ago counts.
import type { Pod } from '#api/generated/types.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { claimLookups, isReservedForPod } from '#api/pod-resource-claims.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'

export function hasClaims({ spec, status }: Pod): boolean {
  return (spec?.resourceClaims?.length ?? 0) > 0 || status?.extendedResourceClaimStatus !== undefined
}

/** Why the pod cannot start yet; undefined: it can. Throws where the API does not answer. */
export async function claimFault(pod: Pod, client: Client): Promise<string | undefined> {
  const { namespace = '', name: podName, uid } = pod.metadata!
  const needed: { name: string; generated: boolean }[] = []
  for (const { state, name, generated } of claimLookups(pod)) {
    if (state === 'pending') return `prepare dynamic resources: prepare resource claim: pod "${namespace}/${podName}": claim not found`
    if (state === 'named') needed.push({ name, generated })
  }
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName
  if (extended) needed.push({ name: extended, generated: true })
  for (const { name, generated } of needed) {
    const claim = await client.get(ResourceResourceClaim, { namespace, name }).catch((error: unknown) => {
      if (hasReason(error, 'NotFound')) return undefined
      throw error
    })
    const fault = ((): string | undefined => {
      if (!claim)
        return `failed to fetch ResourceClaim ${name} referenced by pod ${podName}: resourceclaims.resource.k8s.io "${name}" not found`
      const isOwn = claim.metadata?.ownerReferences?.some(({ uid: owner, controller }) => controller && owner === uid)
      if (generated && !isOwn)
        return `ResourceClaim ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`
      if (!isReservedForPod(pod, claim))
        return `pod ${podName} (${uid}) is not allowed to use ResourceClaim ${name} (${claim.metadata?.uid})`
      if (!claim.status?.allocation) return `claim ${namespace}/${name}: not allocated`
      return undefined
    })()
    if (fault) return `prepare dynamic resources: ${fault}`
  }
  return undefined
}
