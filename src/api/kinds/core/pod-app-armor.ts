// AppArmor profiles that a pod names by the annotation of old, as the fields they became. What the fields already say is left alone; nothing goes the
// other way.
import type { AppArmorProfile, Pod } from '#api/generated/types.ts'
import type { FieldError } from '#api/field-error.ts'
import { equal } from '#api/equal.ts'
import { APP_ARMOR } from '#api/validation/pod-annotations.ts'
import { checkAppArmor } from '#api/validation/security-context.ts'

export function applyAppArmorAnnotations({ metadata, spec }: Pod, warn?: (text: string) => void): void {
  const annotations = metadata?.annotations
  if (!annotations || !spec || spec.os?.name === 'windows') return
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]) {
    const key = `${APP_ARMOR}${container.name}`
    if (!Object.hasOwn(annotations, key) || container.securityContext?.appArmorProfile) continue
    const profile = profileOf(annotations[key]!)
    if (profile && equal(profile, spec.securityContext?.appArmorProfile)) continue
    if (profile) (container.securityContext ??= {}).appArmorProfile = profile
    warn?.(`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
  }
}

/** Nothing for what no field could say. */
function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' }
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' }
  if (!annotation.startsWith('localhost/')) return undefined
  const profile = { type: 'Localhost', localhostProfile: annotation.slice('localhost/'.length) }
  const errors: FieldError[] = []
  checkAppArmor(profile, '', errors)
  return errors.length === 0 ? profile : undefined
}
