// The claims a pod mounts, by the names they have in its namespace.
import type { Pod } from '#api/kinds/core/pod.ts'

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
