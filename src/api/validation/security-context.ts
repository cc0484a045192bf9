// Security contexts of pods and containers, with the profiles they share. What only one operating system knows is in operating-system.ts.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required, tooLong } from '#api/field-error.ts'
import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext } from '#api/generated/types.ts'
import { SECCOMP_POD_ANNOTATION } from '#api/well-known.ts'
import { checkOneOf, checkRange, each, type Errors } from './checks.ts'
import { checkWindowsOptions } from './operating-system.ts'
import { descendingPathMessages } from './paths.ts'

const IDS = [0, 2147483647] as const
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/
const SYSCTL_MESSAGE =
  'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'
/** Prefixes of what is set per namespace. */
const IPC_SYSCTLS = ['kernel.shm', 'kernel.msg', 'kernel.sem', 'fs.mqueue.']
const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined']

export function validatePodSecurityContext(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const context = spec.securityContext ?? {}
  checkRange(`${path}.fsGroup`, context.fsGroup, IDS, errors)
  checkRange(`${path}.runAsUser`, context.runAsUser, IDS, errors)
  checkRange(`${path}.runAsGroup`, context.runAsGroup, IDS, errors)
  each(context.supplementalGroups, `${path}.supplementalGroups`, (group, at) => checkRange(at, group, IDS, errors))
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'))
  checkSysctls(spec, `${path}.sysctls`, errors)
  checkOneOf(`${path}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], errors)
  checkSeccomp(context.seccompProfile, `${path}.seccompProfile`, errors)
  checkWindowsOptions(context.windowsOptions, `${path}.windowsOptions`, errors)
  checkAppArmor(context.appArmorProfile, `${path}.appArmorProfile`, errors)
  checkOneOf(`${path}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict'], errors)
  checkOneOf(`${path}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['MountOption', 'Recursive'], errors)
  return errors
}

function checkSysctls(spec: PodSpec, path: string, errors: Errors): void {
  const names = new Set<string>()
  each(spec.securityContext?.sysctls, path, ({ name = '' }, item) => {
    const at = `${item}.name`
    if (!name) errors.push(required(at))
    else if (name.length > 253 || !SYSCTL.test(name)) errors.push(invalid(at, name, SYSCTL_MESSAGE))
    else if (names.has(name)) errors.push(duplicate(at, name))
    names.add(name)
    const dotted = name.replaceAll('/', '.')
    if (spec.hostNetwork && dotted.startsWith('net.')) errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
    else if (spec.hostIPC && IPC_SYSCTLS.some((prefix) => dotted.startsWith(prefix)))
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"))
  })
}

export function validateSecurityContext(context: SecurityContext | undefined, path: string, hostUsers = true): FieldError[] {
  const errors: FieldError[] = []
  if (!context) return errors
  checkRange(`${path}.runAsUser`, context.runAsUser, IDS, errors)
  checkRange(`${path}.runAsGroup`, context.runAsGroup, IDS, errors)
  checkOneOf(`${path}.procMount`, context.procMount, ['Default', 'Unmasked'], errors)
  if (context.procMount === 'Unmasked' && hostUsers)
    errors.push(invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'))
  checkSeccomp(context.seccompProfile, `${path}.seccompProfile`, errors)
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.push(invalid(path, shownContext(context), 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'))
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      errors.push(
        invalid(path, shownContext(context), 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'),
      )
  }
  checkWindowsOptions(context.windowsOptions, `${path}.windowsOptions`, errors)
  checkAppArmor(context.appArmorProfile, `${path}.appArmorProfile`, errors)
  return errors
}

function checkSeccomp(profile: SeccompProfile | undefined, path: string, errors: Errors): void {
  if (!profile) return
  const { type, localhostProfile } = profile
  if (!type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'))
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  const at = `${path}.localhostProfile`
  if (type === 'Localhost') {
    if (localhostProfile === undefined) errors.push(required(at, 'must be set when seccomp type is Localhost'))
    else for (const message of descendingPathMessages(localhostProfile)) errors.push(invalid(at, localhostProfile, message))
  } else if (localhostProfile !== undefined)
    errors.push(invalid(at, { Type: type ?? '', LocalhostProfile: localhostProfile }, 'can only be set when seccomp type is Localhost'))
}

export function checkAppArmor(profile: AppArmorProfile | undefined, path: string, errors: Errors): void {
  if (!profile) return
  const { type, localhostProfile } = profile
  const at = `${path}.localhostProfile`
  if (!type) errors.push(required(`${path}.type`, 'type is required when appArmorProfile is set'))
  else if (type === 'Localhost') {
    const needed = () => errors.push(required(at, 'must be set when AppArmor type is Localhost'))
    if (localhostProfile === undefined) return void needed()
    if (localhostProfile.trim() !== localhostProfile) errors.push(invalid(at, localhostProfile, 'must not be padded with whitespace'))
    else if (localhostProfile === '') needed()
    if (localhostProfile.length > 4095) errors.push(tooLong(at, 4095))
  } else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  else if (localhostProfile !== undefined) errors.push(invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost'))
}

/** Annotations of before there were fields: while both are there, they say the same. */
export function checkProfileAnnotations(
  annotations: Record<string, string> | undefined,
  spec: PodSpec,
  path: string,
  errors: Errors,
): void {
  const seccomp = (key: string, profile: SeccompProfile | undefined, at: string) => {
    const annotation = annotations?.[key]
    if (annotation === undefined || !profile) return
    const expected = { Unconfined: ['unconfined'], RuntimeDefault: ['runtime/default', 'docker/default'] }[profile.type as string]
    if (expected ? !expected.includes(annotation) : profile.type === 'Localhost' && !annotation.startsWith('localhost/'))
      errors.push(forbidden(`${at}.type`, 'seccomp type in annotation and field must match'))
    else if (profile.type === 'Localhost' && annotation !== `localhost/${profile.localhostProfile}`)
      errors.push(forbidden(`${at}.localhostProfile`, 'seccomp profile in annotation and field must match'))
  }
  const common = spec.securityContext
  seccomp(SECCOMP_POD_ANNOTATION, common?.seccompProfile, `${path}.securityContext.seccompProfile`)
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    each(spec[list], `${path}.${list}`, ({ name, securityContext: own }, at) => {
      const where = `${at}.securityContext`
      seccomp(`container.seccomp.security.alpha.kubernetes.io/${name}`, own?.seccompProfile, `${where}.seccompProfile`)
      const profile = own?.appArmorProfile ?? common?.appArmorProfile
      const annotation = annotations?.[`container.apparmor.security.beta.kubernetes.io/${name}`]
      if (annotation === undefined || !profile || spec.os?.name === 'windows') return
      const expected = { Unconfined: 'unconfined', RuntimeDefault: 'runtime/default' }[profile.type as string]
      if (expected ? annotation !== expected : profile.type === 'Localhost' && !annotation.startsWith('localhost/'))
        errors.push(forbidden(`${where}.appArmorProfile.type`, 'apparmor type in annotation and field must match'))
      else if (profile.type === 'Localhost' && annotation !== `localhost/${profile.localhostProfile}`)
        errors.push(forbidden(`${where}.appArmorProfile.localhostProfile`, 'apparmor profile in annotation and field must match'))
    })
}

const SHOWN = [
  ['Capabilities', 'capabilities'],
  ['Privileged', 'privileged'],
  ['SELinuxOptions', 'seLinuxOptions'],
  ['WindowsOptions', 'windowsOptions'],
  ['RunAsUser', 'runAsUser'],
  ['RunAsGroup', 'runAsGroup'],
  ['RunAsNonRoot', 'runAsNonRoot'],
  ['ReadOnlyRootFilesystem', 'readOnlyRootFilesystem'],
  ['AllowPrivilegeEscalation', 'allowPrivilegeEscalation'],
  ['ProcMount', 'procMount'],
  ['SeccompProfile', 'seccompProfile'],
  ['AppArmorProfile', 'appArmorProfile'],
] as const

/** As upstream's message shows it: its own structure, every field of it, by the names these have inside the server. */
function shownContext(context: SecurityContext): Record<string, unknown> {
  const shown: Record<string, unknown> = Object.fromEntries(SHOWN.map(([name, field]) => [name, context[field] ?? null]))
  const { capabilities } = context
  if (capabilities) shown.Capabilities = { Add: capabilities.add ?? null, Drop: capabilities.drop ?? null }
  return shown
}
