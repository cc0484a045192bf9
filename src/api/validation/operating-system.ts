// What a pod of one operating system may not have; and Windows' own options, which are checked whatever the pod says it is.
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { PodSpec, WindowsSecurityContextOptions } from '#api/generated/types.ts'
import { dnsSubdomain } from '#api/names.ts'
import { checkMessages, each, type Errors } from './checks.ts'

const CREDENTIALS_LIMIT = 64 * 1024
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const DNS = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/

export function checkOperatingSystem(spec: PodSpec, path: string, errors: Errors): void {
  if (!spec.os) return
  const { name } = spec.os
  if (!name) errors.push(required(`${path}.os.name`, 'cannot be empty'))
  else if (name === 'linux') checkLinux(spec, path, errors)
  else if (name === 'windows') checkWindows(spec, path, errors)
  else errors.push(notSupported(`${path}.os`, name, ['linux', 'windows']))
}

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const

function checkLinux(spec: PodSpec, path: string, errors: Errors): void {
  const refuse = (at: string) => errors.push(forbidden(`${at}.windowsOptions`, 'windows options cannot be set for a linux pod'))
  if (spec.securityContext?.windowsOptions) refuse(`${path}.securityContext`)
  for (const list of CONTAINER_LISTS)
    each(spec[list], `${path}.${list}`, ({ securityContext }, at) => {
      if (securityContext?.windowsOptions) refuse(`${at}.securityContext`)
    })
}

const POD_FIELDS = [
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const
const CONTAINER_FIELDS = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const

function checkWindows(spec: PodSpec, path: string, errors: Errors): void {
  const refuse = (at: string) => errors.push(forbidden(at, 'cannot be set for a windows pod'))
  const context = spec.securityContext ?? {}
  for (const field of ['appArmorProfile', 'seLinuxOptions'] as const)
    if (context[field] !== undefined) refuse(`${path}.securityContext.${field}`)
  if (spec.hostUsers !== undefined) refuse(`${path}.hostUsers`)
  if (spec.hostPID) refuse(`${path}.hostPID`)
  if (spec.hostIPC) refuse(`${path}.hostIPC`)
  for (const field of POD_FIELDS) {
    if (field === 'runAsUser' && spec.shareProcessNamespace !== undefined) refuse(`${path}.shareProcessNamespace`)
    if (field === 'sysctls' ? context.sysctls?.length : context[field] !== undefined) refuse(`${path}.securityContext.${field}`)
  }
  for (const list of CONTAINER_LISTS)
    each(spec[list], `${path}.${list}`, ({ securityContext = {} }, at) => {
      for (const field of CONTAINER_FIELDS) if (securityContext[field] !== undefined) refuse(`${at}.securityContext.${field}`)
    })
}

/** Containers in the place of the host's processes: all of a pod's or none, and in the host's network. */
export function checkHostProcess(spec: PodSpec, path: string, errors: Errors): void {
  const common = spec.securityContext?.windowsOptions?.hostProcess
  let [all, asked] = [0, 0]
  for (const list of CONTAINER_LISTS)
    each(spec[list], `${path}.${list}`, ({ securityContext }, at) => {
      const own = securityContext?.windowsOptions?.hostProcess
      all++
      if (own ?? common) asked++
      if (own !== undefined && common !== undefined && own !== common)
        errors.push(
          invalid(
            `${at}.securityContext.windowsOptions.hostProcess`,
            own,
            `pod hostProcess value must be identical if both are specified, was ${common}`,
          ),
        )
    })
  if (asked === 0) return
  if (asked !== all)
    errors.push(invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers'))
  if (!spec.hostNetwork)
    errors.push(invalid(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers'))
}

export function checkWindowsOptions(options: WindowsSecurityContextOptions | undefined, path: string, errors: Errors): void {
  if (!options) return
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: credentials, runAsUserName: user } = options
  if (name !== undefined) checkMessages(`${path}.gmsaCredentialSpecName`, name, dnsSubdomain(name), errors)
  const at = `${path}.gmsaCredentialSpec`
  if (credentials === '') errors.push(invalid(at, credentials, 'gmsaCredentialSpec cannot be an empty string'))
  else if (credentials !== undefined && Buffer.byteLength(credentials) > CREDENTIALS_LIMIT)
    errors.push(invalid(at, credentials, 'gmsaCredentialSpec size must be under 64 KiB'))
  if (user !== undefined) for (const message of userNameMessages(user)) errors.push(invalid(`${path}.runAsUserName`, user, message))
}

function userNameMessages(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string']
  if (/\p{Cc}/u.test(name)) return ['runAsUserName cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash']
  const messages: string[] = []
  const [domain, user = ''] = parts.length === 2 ? parts : [undefined, parts[0]]
  if (domain !== undefined) {
    if (domain.length >= 256) messages.push("runAsUserName's Domain length must be under 256 characters")
    if (!NETBIOS.test(domain) && !DNS.test(domain)) messages.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
  }
  if (user === '') messages.push("runAsUserName's User cannot be empty")
  else if (user.length > 104) messages.push("runAsUserName's User length must not be longer than 104 characters")
  if (/^[. ]+$/.test(user)) messages.push("runAsUserName's User cannot contain only periods or spaces")
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) messages.push(`runAsUserName's User cannot contain the following characters: "/\\:;|=,+*?<>@[]`)
  return messages
}
