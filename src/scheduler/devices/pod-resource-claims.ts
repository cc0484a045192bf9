// The ResourceClaims a pod names: its own, or those made for it from templates (pod.status says under which names).
import type { Pod } from '#api/kinds/core/pod.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import type { Objects } from '#scheduler/objects.ts'

export interface NamedClaim {
  /** As the pod's containers call it. */
  entry: string
  /** undefined: not made yet. */
  name: string | undefined
  /** Made from a template: it must be this pod's own. */
  owned: boolean
}

export function podResourceClaims({ spec, status }: Pod): NamedClaim[] {
  return (spec?.resourceClaims ?? []).flatMap(({ name: entry, resourceClaimName, resourceClaimTemplateName }): NamedClaim[] => {
    if (resourceClaimName) return [{ entry, name: resourceClaimName, owned: false }]
    if (!resourceClaimTemplateName) return []
    const made = status?.resourceClaimStatuses?.find(({ name }) => name === entry)
    // A status without a name says that none is needed.
    return made && !made.resourceClaimName ? [] : [{ entry, name: made?.resourceClaimName, owned: true }]
  })
}

/** The claims, or why the pod cannot have them yet. */
export function findClaims(pod: Pod, objects: Objects): ResourceClaim[] | string {
  const claims: ResourceClaim[] = []
  const { namespace = '', name: podName, uid } = pod.metadata ?? {}
  for (const { entry, name, owned } of podResourceClaims(pod)) {
    if (name === undefined) return `pod "${namespace}/${podName}": ResourceClaim of pod claim ${JSON.stringify(entry)} not created yet`
    const claim = objects.get(ResourceClaim, { namespace, name })
    if (!claim) return `resourceclaim.resource.k8s.io ${JSON.stringify(name)} not found`
    if (claim.metadata?.deletionTimestamp) return `resourceclaim ${JSON.stringify(name)} is being deleted`
    if (owned && !claim.metadata?.ownerReferences?.some((owner) => owner.controller && owner.uid === uid))
      return `ResourceClaim ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`
    claims.push(claim)
  }
  return claims
}
