// Annotations of pods and templates that the server gives a meaning to.
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type { PodSpec } from '#api/generated/types.ts'
import { DELETION_COST_ANNOTATION, MIRROR_ANNOTATION, SECCOMP_CONTAINER_PREFIX, SECCOMP_POD_ANNOTATION } from '#api/well-known.ts'
import { descendingPathMessages } from './paths.ts'

type Annotations = Record<string, string> | undefined

export const APP_ARMOR = 'container.apparmor.security.beta.kubernetes.io/'

export function validatePodAnnotations(annotations: Annotations, spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const entries = Object.entries(annotations ?? {})
  const mirror = annotations?.[MIRROR_ANNOTATION]
  if (mirror !== undefined && !spec.nodeName)
    errors.push(invalid(`${path}[${MIRROR_ANNOTATION}]`, mirror, 'must set spec.nodeName if mirror pod annotation is set'))
  const cost = annotations?.[DELETION_COST_ANNOTATION]
  if (cost !== undefined && !isCost(cost)) errors.push(invalid(`${path}[${DELETION_COST_ANNOTATION}]`, cost, 'must be a 32bit integer'))
  for (const [key, profile] of entries)
    if (key === SECCOMP_POD_ANNOTATION || key.startsWith(SECCOMP_CONTAINER_PREFIX))
      for (const message of seccompMessages(profile)) errors.push(invalid(`${path}.${key}`, profile, message))
  for (const [key, profile] of entries) {
    if (!key.startsWith(APP_ARMOR)) continue
    const container = key.slice(APP_ARMOR.length)
    const all = [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
    if (!all.some(({ name }) => name === container)) errors.push(invalid(`${path}[${key}]`, container, 'container not found'))
    if (!['', 'runtime/default', 'unconfined'].includes(profile) && !profile.startsWith('localhost/'))
      errors.push(invalid(`${path}[${key}]`, profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`))
  }
  return errors
}

/** A number as the controllers read it: no plus sign, no leading zeros. */
function isCost(text: string): boolean {
  if (text !== '' && text !== '0' && !/^-?[1-9][0-9]*$/.test(text)) return false
  const cost = Number(text)
  return cost >= -(2 ** 31) && cost < 2 ** 31
}

function seccompMessages(profile: string): string[] {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return []
  return profile.startsWith('localhost/') ? descendingPathMessages(profile.slice('localhost/'.length)) : ['must be a valid seccomp profile']
}

/** What stands for the life of a pod: that it mirrors another, and its AppArmor profiles. */
export function validatePodAnnotationsUpdate(next: Annotations, previous: Annotations, path: string): FieldError[] {
  const errors: FieldError[] = []
  const refuse = (key: string, change: string) => {
    if (key.startsWith(APP_ARMOR)) errors.push(forbidden(`${path}[${key}]`, `may not ${change} AppArmor annotations`))
    if (key === MIRROR_ANNOTATION) errors.push(forbidden(`${path}[${key}]`, `may not ${change} mirror pod annotation`))
  }
  for (const [key, value] of Object.entries(previous ?? {})) if (next?.[key] !== value) refuse(key, 'remove or update')
  for (const key of Object.keys(next ?? {})) if (!Object.hasOwn(previous ?? {}, key)) refuse(key, 'add')
  return errors
}
