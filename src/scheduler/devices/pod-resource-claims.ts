// The ResourceClaims of a pod that is to be placed: all there and its own, or why it cannot have them yet.
import type { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { claimLookups } from '#api/pod-resource-claims.ts'
import type { Objects } from '#scheduler/objects.ts'

export function claimsSomething(pod: Pod): boolean {
  return claimLookups(pod).some(({ state }) => state !== 'none')
}

export function findClaims(pod: Pod, objects: Objects): ResourceClaim[] | string {
  const claims: ResourceClaim[] = []
  const { namespace = '', name: podName, uid } = pod.metadata ?? {}
  for (const { entry, state, name, generated } of claimLookups(pod)) {
    if (state === 'none') continue
    if (state === 'pending')
      return `pod "${namespace}/${podName}": ResourceClaim of pod claim ${JSON.stringify(entry.name)} not created yet`
    const claim = objects.get(ResourceClaim, { namespace, name })
    if (!claim) return `resourceclaim.resource.k8s.io ${JSON.stringify(name)} not found`
    if (claim.metadata?.deletionTimestamp) return `resourceclaim ${JSON.stringify(name)} is being deleted`
    if (generated && !claim.metadata?.ownerReferences?.some((owner) => owner.controller && owner.uid === uid))
      return `ResourceClaim ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`
    claims.push(claim)
  }
  return claims
}
