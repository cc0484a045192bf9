// Files in volumes: keys of secrets and config maps, fields of the pod, tokens; alone and projected together.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { KeyToPath, ProjectedVolumeSource, ServiceAccountTokenProjection, Volume } from '#api/generated/types.ts'
import { checkMessages, checkRequired, each, type Errors, presentMembers } from './checks.ts'
import { checkFieldRef, checkResourceFieldRef, VOLUME_FIELDS } from './environment.ts'
import { nonReservedPathMessages } from './paths.ts'

export function checkMode(path: string, mode: number | undefined, errors: Errors): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777))
    errors.push(invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'))
}

function checkFilePath(path: string, target = '', errors: Errors): void {
  checkRequired(path, target, errors)
  checkMessages(path, target, nonReservedPathMessages(target), errors)
}

export function checkItems(items: KeyToPath[] | undefined, path: string, errors: Errors): void {
  each(items, path, ({ key, path: target, mode }, at) => {
    checkRequired(`${at}.key`, key, errors)
    checkFilePath(`${at}.path`, target, errors)
    checkMode(`${at}.mode`, mode, errors)
  })
}

type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number]

/** Upstream names the volume here, not the item. */
export function checkDownwardItem({ path: target, fieldRef, resourceFieldRef, mode }: DownwardItem, path: string, errors: Errors): void {
  checkFilePath(`${path}.path`, target, errors)
  if (fieldRef) {
    checkFieldRef(fieldRef, `${path}.fieldRef`, VOLUME_FIELDS, errors)
    if (resourceFieldRef) errors.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (resourceFieldRef) checkResourceFieldRef(resourceFieldRef, `${path}.resourceFieldRef`, errors, true)
  else errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'))
  checkMode(`${path}.mode`, mode, errors)
}

const PROJECTIONS = ['secret', 'configMap', 'downwardAPI', 'serviceAccountToken', 'clusterTrustBundle', 'podCertificate'] as const

export function validateProjected({ defaultMode, sources }: ProjectedVolumeSource, path: string): FieldError[] {
  const errors: FieldError[] = []
  checkMode(`${path}.defaultMode`, defaultMode, errors)
  const paths = new Set<string>()
  const claim = (target: string | undefined, shown: string) => {
    if (!target) return
    if (paths.has(target)) errors.push(invalid(path, shown, 'conflicting duplicate paths'))
    paths.add(target)
  }
  each(sources, `${path}.sources`, (source, at) => {
    for (const member of ['secret', 'configMap'] as const) {
      const ref = source[member]
      if (!ref) continue
      checkRequired(`${at}.${member}.name`, ref.name, errors)
      checkItems(ref.items, `${at}.${member}.items`, errors)
      for (const item of ref.items ?? []) claim(item.path, ref.name ?? '')
    }
    for (const item of source.downwardAPI?.items ?? []) {
      checkDownwardItem(item, `${at}.downwardAPI`, errors)
      claim(item.path, item.path)
    }
    if (source.serviceAccountToken) checkToken(source.serviceAccountToken, { path, at: `${at}.serviceAccountToken`, errors })
    if (presentMembers(source, PROJECTIONS).length > 1) errors.push(forbidden(at, 'may not specify more than 1 volume type per source'))
  })
  return errors
}

/** For how long a service account's token may be asked for. */
export function checkTokenLife(path: string, seconds: number, errors: Errors): void {
  if (seconds < 600) errors.push(invalid(path, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > 2 ** 32) errors.push(invalid(path, seconds, 'may not specify a duration larger than 2^32 seconds'))
}

function checkToken(
  { expirationSeconds: seconds = 3600, path: target }: ServiceAccountTokenProjection,
  { path, at, errors }: { path: string; at: string; errors: Errors },
): void {
  checkTokenLife(`${at}.expirationSeconds`, seconds, errors)
  if (!target) errors.push(required(`${path}.path`))
  else checkMessages(`${path}.path`, target, nonReservedPathMessages(target), errors)
}
