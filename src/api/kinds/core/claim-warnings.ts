// What is warned about in volumes and claims to them.
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/generated/types.ts'
import { canonicalQuantity, quantityMilliValue } from '#api/quantity.ts'
import { termWarnings } from '#api/validation/node-labels.ts'
import { STORAGE_CLASS_ANNOTATION } from '#api/well-known.ts'

const SOURCES = {
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
} as const

export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  return [...classWarnings(metadata?.annotations), ...claimSpecWarnings(spec, 'spec')]
}

export function claimSpecWarnings(spec: PersistentVolumeClaimSpec | undefined, path: string): string[] {
  return (['requests', 'limits'] as const).flatMap((amounts) =>
    fractionWarnings(spec?.resources?.[amounts], `${path}.resources.${amounts}`, ['storage']),
  )
}

/** Amounts of bytes that are no whole number. */
export function fractionWarnings(amounts: Record<string, string> | undefined, path: string, resources: readonly string[]): string[] {
  if (!amounts) return []
  return resources.flatMap((resource) => {
    const amount = amounts[resource]
    if (amount === undefined || quantityMilliValue(amount) % 1000 === 0) return []
    return [`${path}[${resource}]: fractional byte value ${JSON.stringify(canonicalQuantity(amount))} is invalid, must be an integer`]
  })
}

export function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const warnings = classWarnings(metadata?.annotations)
  if (spec?.persistentVolumeReclaimPolicy === 'Recycle')
    warnings.push(
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    )
  for (const [index, term] of (spec?.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries())
    warnings.push(...termWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`))
  for (const source of Object.keys(SOURCES) as (keyof typeof SOURCES)[])
    if (spec && Object.hasOwn(spec, source)) warnings.push(`spec.${source === 'storageos' ? 'storageOS' : source}: ${SOURCES[source]}`)
  return warnings
}

function classWarnings(annotations: Record<string, string> | undefined): string[] {
  return annotations && Object.hasOwn(annotations, STORAGE_CLASS_ANNOTATION)
    ? [`metadata.annotations[${STORAGE_CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead`]
    : []
}
