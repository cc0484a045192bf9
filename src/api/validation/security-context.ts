// Security contexts of pods and containers, with the profiles they share.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext } from '#api/generated/types.ts'
import { checkOneOf, checkRange, checkUnique, each, type Errors } from './checks.ts'
import { descendingPathMessages } from './paths.ts'

const IDS = [0, 2147483647] as const
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/

export function validatePodSecurityContext(context: PodSecurityContext | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!context) return errors
  checkRange(`${path}.runAsUser`, context.runAsUser, IDS, errors)
  checkRange(`${path}.runAsGroup`, context.runAsGroup, IDS, errors)
  checkRange(`${path}.fsGroup`, context.fsGroup, IDS, errors)
  each(context.supplementalGroups, `${path}.supplementalGroups`, (group, at) => checkRange(at, group, IDS, errors))
  checkOneOf(`${path}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['OnRootMismatch', 'Always'], errors)
  checkOneOf(`${path}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict'], errors)
  checkOneOf(`${path}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['Recursive', 'MountOption'], errors)
  each(context.sysctls, `${path}.sysctls`, ({ name }, at) => {
    if (!name) errors.push(required(`${at}.name`))
    else if (name.length > 253 || !SYSCTL.test(name))
      errors.push(
        invalid(
          `${at}.name`,
          name,
          `must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`,
        ),
      )
  })
  checkUnique(context.sysctls, `${path}.sysctls`, ({ name }) => name?.replaceAll('/', '.'), errors, '.name')
  checkProfiles(context, path, errors)
  return errors
}

export function validateSecurityContext(context: SecurityContext | undefined, path: string, hostUsers = true): FieldError[] {
  const errors: FieldError[] = []
  if (!context) return errors
  checkRange(`${path}.runAsUser`, context.runAsUser, IDS, errors)
  checkRange(`${path}.runAsGroup`, context.runAsGroup, IDS, errors)
  checkOneOf(`${path}.procMount`, context.procMount, ['Default', 'Unmasked'], errors)
  if (context.procMount === 'Unmasked' && hostUsers)
    errors.push(invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'))
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) errors.push(invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'))
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      errors.push(invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'))
  }
  checkProfiles(context, path, errors)
  return errors
}

function checkProfiles(
  context: { seccompProfile?: SeccompProfile; appArmorProfile?: AppArmorProfile },
  path: string,
  errors: Errors,
): void {
  const { seccompProfile: seccomp, appArmorProfile: appArmor } = context
  if (seccomp) checkProfile(seccomp, `${path}.seccompProfile`, 'seccomp type', errors)
  if (appArmor) checkProfile(appArmor, `${path}.appArmorProfile`, 'AppArmor type', errors)
}

function checkProfile({ type, localhostProfile }: SeccompProfile, path: string, what: string, errors: Errors): void {
  if (!type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'))
  else checkOneOf(`${path}.type`, type, ['Localhost', 'RuntimeDefault', 'Unconfined'], errors)
  const at = `${path}.localhostProfile`
  if (type === 'Localhost') {
    if (!localhostProfile) errors.push(required(at, `must be set when ${what} is Localhost`))
    else for (const message of descendingPathMessages(localhostProfile)) errors.push(invalid(at, localhostProfile, message))
  } else if (localhostProfile !== undefined)
    errors.push(
      what.startsWith('seccomp')
        ? invalid(at, localhostProfile, `can only be set when ${what} is Localhost`)
        : forbidden(at, `may only be set when ${what} is Localhost`),
    )
}
