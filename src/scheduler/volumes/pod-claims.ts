// The claims a pod mounts, by the names they have in its namespace.
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'

export interface PodClaim {
  name: string
  /** Made for this pod alone: it must be the owner. */
  ephemeral: boolean
}

export function podClaims({ metadata, spec }: Pod): PodClaim[] {
  const claims: PodClaim[] = []
  for (const { name, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    if (persistentVolumeClaim) claims.push({ name: persistentVolumeClaim.claimName, ephemeral: false })
    else if (ephemeral) claims.push({ name: `${metadata?.name}-${name}`, ephemeral: true })
  }
  return claims
}

/** Claims concern pods that mount them; whatever else changes may concern any. */
export function mayConcern({ kind, object, previous }: { kind: string; object?: KubeObject; previous?: KubeObject }, pod: Pod): boolean {
  const claim = kind === 'PersistentVolumeClaim' ? (object ?? previous)?.metadata : undefined
  return !claim || (claim.namespace === pod.metadata?.namespace && podClaims(pod).some(({ name }) => name === claim.name))
}
