// The security settings of a sandbox and of its containers: pod and container level merged, as the kubelet hands them to the runtime.
import { join } from 'node:path'
import type { Container as ContainerSpec, Pod, SeccompProfile } from '#api/generated/types.ts'
import type { Image, SecurityConfig } from '#node/runtime.ts'

const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

export function sandboxSecurity(pod: Pod, { seccompDirectory }: { seccompDirectory: string }): SecurityConfig {
  const own = pod.spec?.securityContext
  const privileged = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), ...(pod.spec?.ephemeralContainers ?? [])].some(
    (container) => container.securityContext?.privileged,
  )
  return {
    privileged,
    ...(own?.runAsUser === undefined ? {} : { runAsUser: own.runAsUser }),
    ...(own?.runAsGroup === undefined || own.runAsUser === undefined ? {} : { runAsGroup: own.runAsGroup }),
    supplementalGroups: groupsOf(pod),
    readOnlyRootFilesystem: false,
    noNewPrivileges: false,
    addCapabilities: [],
    dropCapabilities: [],
    seccomp: own?.seccompProfile ? seccompText(own.seccompProfile, seccompDirectory) : 'RuntimeDefault',
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
  }
}

export function containerSecurity(pod: Pod, container: ContainerSpec, { seccompDirectory }: { seccompDirectory: string }): SecurityConfig {
  const outer = pod.spec?.securityContext
  const own = container.securityContext
  const privileged = own?.privileged ?? false
  const runAsUser = own?.runAsUser ?? outer?.runAsUser
  const runAsGroup = own?.runAsGroup ?? outer?.runAsGroup
  const seccomp = own?.seccompProfile ?? outer?.seccompProfile
  const masked = !privileged && own?.procMount !== 'Unmasked'
  return {
    privileged,
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    supplementalGroups: groupsOf(pod),
    readOnlyRootFilesystem: own?.readOnlyRootFilesystem ?? false,
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
    addCapabilities: own?.capabilities?.add ?? [],
    dropCapabilities: own?.capabilities?.drop ?? [],
    seccomp: privileged || !seccomp ? 'Unconfined' : seccompText(seccomp, seccompDirectory),
    maskedPaths: masked ? MASKED_PATHS : [],
    readonlyPaths: masked ? READONLY_PATHS : [],
  }
}

/** The text of the refusal, or undefined where the container may run. */
export function nonRootRefusal(pod: Pod, container: ContainerSpec, image: Image): string | undefined {
  const outer = pod.spec?.securityContext
  const own = container.securityContext
  if (!(own?.runAsNonRoot ?? outer?.runAsNonRoot)) return undefined
  const where = `(pod: "${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})", container: ${container.name})`
  const user = own?.runAsUser ?? outer?.runAsUser
  if (user !== undefined) return user === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined
  if (image.uid !== undefined && image.uid !== 0) return undefined
  if (image.uid === undefined && image.username && image.username !== 'root') {
    return `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`
  }
  return `container has runAsNonRoot and image will run as root ${where}`
}

function groupsOf(pod: Pod): number[] {
  const { supplementalGroups = [], fsGroup } = pod.spec?.securityContext ?? {}
  return fsGroup === undefined || supplementalGroups.includes(fsGroup) ? [...supplementalGroups] : [...supplementalGroups, fsGroup]
}

function seccompText({ type, localhostProfile = '' }: SeccompProfile, directory: string): string {
  return type === 'Localhost' ? `localhost/${join(directory, localhostProfile)}` : type
}
