// The Pod Security Standards as checks: what baseline forbids, and what restricted asks for beyond. Pure: a pod in, findings out.
// Each edition of the standards is told by the minor version of Kubernetes it came with; the present one is `LATEST`.
import type { Pod, PodSpec, Probe, SecurityContext } from '#api/generated/types.ts'
import type { AnyContainer } from '#api/validation/containers.ts'
import { SECCOMP_CONTAINER_PREFIX, SECCOMP_POD_ANNOTATION } from '#api/well-known.ts'

export type SecurityLevel = 'privileged' | 'baseline' | 'restricted'

export const LATEST = Number.POSITIVE_INFINITY

export interface Finding {
  /** What is wrong in short. */
  reason: string
  /** The sentence saying where. */
  detail: string
}

type Found = [reason: string, detail: string] | undefined
type Check = (spec: PodSpec, pod: Pod, edition: number) => Found

/** In the order upstream lists them: baseline first, each by name. */
export function checkSecurity(pod: Pod, level: SecurityLevel, edition = LATEST): Finding[] {
  const { spec } = pod
  if (!spec || level === 'privileged') return []
  const checks =
    level === 'baseline' ? BASELINE : [...BASELINE.filter((check) => !STRICTER.has(check) || edition < STRICTER.get(check)!), ...RESTRICTED]
  return checks.flatMap((check) => {
    const found = check(spec, pod, edition)
    return found ? [{ reason: found[0], detail: found[1] }] : []
  })
}

/** A check that came with an edition. */
const since =
  (first: number, check: Check): Check =>
  (spec, pod, edition) =>
    edition >= first ? check(spec, pod, edition) : undefined

/** What Windows has no notion of is not asked of its pods, from that edition on. */
const unlessWindows =
  (check: Check): Check =>
  (spec, pod, edition) =>
    edition >= 25 && spec.os?.name === 'windows' ? undefined : check(spec, pod, edition)

/** The root of a user namespace is nobody outside of it. */
const inUserNamespace = (spec: PodSpec, edition: number): boolean => edition >= 35 && spec.hostUsers === false

const containersOf = (spec: PodSpec): AnyContainer[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  ...(spec.ephemeralContainers ?? []),
]
const quote = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ')
const plural = (word: string, names: readonly unknown[]): string => (names.length === 1 ? word : `${word}s`)
const named = (containers: readonly AnyContainer[]): string =>
  `${plural('container', containers)} ${quote(containers.map(({ name }) => name))}`

/** Containers whose security context is wrong, in one finding. */
function each(reason: string, wrong: (context: SecurityContext, container: AnyContainer) => boolean, must: string): Check {
  return (spec) => {
    const found = containersOf(spec).filter((container) => wrong(container.securityContext ?? {}, container))
    return found.length > 0 ? [reason, `${named(found)} ${must}`] : undefined
  }
}

const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])
/** By the edition since which each is safe. */
const SAFE_SYSCTLS = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
])
const SELINUX_TYPES = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t'])
const RESTRICTED_VOLUMES = new Set([
  'configMap',
  'downwardAPI',
  'emptyDir',
  'projected',
  'secret',
  'csi',
  'persistentVolumeClaim',
  'ephemeral',
  'image',
])

function added(reason: string, allowed: ReadonlySet<string>): Check {
  return (spec) => {
    const wrong = (container: AnyContainer) => (container.securityContext?.capabilities?.add ?? []).filter((one) => !allowed.has(one))
    const found = containersOf(spec).filter((container) => wrong(container).length > 0)
    const capabilities = [...new Set(found.flatMap(wrong))].sort()
    return found.length > 0
      ? [reason, `${named(found)} must not include ${quote(capabilities)} in securityContext.capabilities.add`]
      : undefined
  }
}

/** Before there were fields, annotations said it. */
function seccompAnnotations(_spec: PodSpec, { metadata }: Pod): Found {
  const found = Object.entries(metadata?.annotations ?? {})
    .filter(
      ([key, value]) =>
        (key === SECCOMP_POD_ANNOTATION || key.startsWith(SECCOMP_CONTAINER_PREFIX)) &&
        !/^(runtime\/default|docker\/default|localhost\/.*)$/.test(value),
    )
    .map(([key, value]) => `annotation ${JSON.stringify(`${key}=${value}`)}`)
    .sort()
  return found.length > 0 ? [plural('forbidden seccomp profile', found), found.join(', ')] : undefined
}

function seccompUnconfined(spec: PodSpec): Found {
  const wrong = (context: { seccompProfile?: { type: string } } | undefined) => context?.seccompProfile?.type === 'Unconfined'
  const found = containersOf(spec).filter(({ securityContext }) => wrong(securityContext))
  const setters = [...(wrong(spec.securityContext) ? ['pod'] : []), ...(found.length > 0 ? [named(found)] : [])]
  return setters.length > 0
    ? ['seccompProfile', `${setters.join(' and ')} must not set securityContext.seccompProfile.type to "Unconfined"`]
    : undefined
}

function probeHosts(container: AnyContainer): string[] {
  const probes: (Probe | undefined)[] = [container.livenessProbe, container.readinessProbe, container.startupProbe]
  const actions = [...probes, container.lifecycle?.postStart, container.lifecycle?.preStop]
  return actions.flatMap((action) => [action?.httpGet?.host, action?.tcpSocket?.host]).filter((host): host is string => !!host)
}

const baselineCapabilities: Check = added('non-default capabilities', DEFAULT_CAPABILITIES)
const baselineSeccomp: Check = (spec, pod, edition) => (edition >= 19 ? seccompUnconfined(spec) : seccompAnnotations(spec, pod))

const procMount: Check = (spec) => {
  const wrong = ({ securityContext }: AnyContainer) => securityContext?.procMount !== undefined && securityContext.procMount !== 'Default'
  const found = containersOf(spec).filter(wrong)
  const types = [...new Set(found.map(({ securityContext }) => securityContext!.procMount!))].sort()
  return found.length > 0 ? ['procMount', `${named(found)} must not set securityContext.procMount to ${quote(types)}`] : undefined
}

const BASELINE: readonly Check[] = [
  (spec, { metadata }) => {
    const wrong = (context: { appArmorProfile?: { type: string } } | undefined) => context?.appArmorProfile?.type === 'Unconfined'
    const found = containersOf(spec).filter(({ securityContext }) => wrong(securityContext))
    const setters = [...(wrong(spec.securityContext) ? ['pod'] : []), ...(found.length > 0 ? [named(found)] : [])]
    const annotations = Object.entries(metadata?.annotations ?? {}).filter(
      ([key, value]) =>
        key.startsWith('container.apparmor.security.beta.kubernetes.io/') && !/^(|runtime\/default|localhost\/.*)$/.test(value),
    )
    const details = [
      ...(setters.length > 0 ? [`${setters.join(' and ')} must not set AppArmor profile type to "Unconfined"`] : []),
      ...annotations.map(([key, value]) => `annotation ${JSON.stringify(`${key}=${value}`)}`),
    ]
    return details.length > 0 ? [plural('forbidden AppArmor profile', details), details.join(', ')] : undefined
  },
  baselineCapabilities,
  (spec) => {
    const found = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field])
    return found.length > 0 ? ['host namespaces', found.map((field) => `${field}=true`).join(', ')] : undefined
  },
  (spec) => {
    const found = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name)
    return found.length > 0 ? ['hostPath volumes', `${plural('volume', found)} ${quote(found)}`] : undefined
  },
  (spec) => {
    const ports = (container: AnyContainer) => (container.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [hostPort] : []))
    const found = containersOf(spec).filter((container) => ports(container).length > 0)
    const all = [...new Set(found.flatMap(ports))].sort((a, b) => a - b)
    return found.length > 0
      ? ['hostPort', `${named(found)} ${found.length === 1 ? 'uses' : 'use'} ${plural('hostPort', all)} ${all.join(', ')}`]
      : undefined
  },
  since(34, (spec) => {
    const found = containersOf(spec).filter((container) => probeHosts(container).length > 0)
    const hosts = [...new Set(found.flatMap(probeHosts))].sort()
    return found.length > 0
      ? [
          'probe or lifecycle host',
          `${named(found)} ${found.length === 1 ? 'uses' : 'use'} probe or lifecycle ${plural('host', hosts)} ${quote(hosts)}`,
        ]
      : undefined
  }),
  each('privileged', ({ privileged }) => privileged === true, 'must not set securityContext.privileged=true'),
  (spec, pod, edition) => (inUserNamespace(spec, edition) ? undefined : procMount(spec, pod, edition)),
  (spec, _pod, edition) => {
    const wrong = (context: { seLinuxOptions?: { type?: string; user?: string; role?: string } } | undefined) => {
      const { type = '', user, role } = context?.seLinuxOptions ?? {}
      return [
        ...(SELINUX_TYPES.has(type) || (edition >= 31 && type === 'container_engine_t') ? [] : [`type ${JSON.stringify(type)}`]),
        ...(user ? ['user may not be set'] : []),
        ...(role ? ['role may not be set'] : []),
      ]
    }
    const found = containersOf(spec).filter(({ securityContext }) => wrong(securityContext).length > 0)
    const setters = [...(wrong(spec.securityContext).length > 0 ? ['pod'] : []), ...(found.length > 0 ? [named(found)] : [])]
    const details = new Set([...wrong(spec.securityContext), ...found.flatMap(({ securityContext }) => wrong(securityContext))])
    return setters.length > 0
      ? ['seLinuxOptions', `${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${[...details].sort().join('; ')}`]
      : undefined
  },
  baselineSeccomp,
  (spec, _pod, edition) => {
    const safe = (name: string) => SAFE_SYSCTLS.has(name) && SAFE_SYSCTLS.get(name)! <= edition
    const found = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe(name))
    return found.length > 0 ? ['forbidden sysctls', found.join(', ')] : undefined
  },
  (spec) => {
    const wrong = (context: { windowsOptions?: { hostProcess?: boolean } } | undefined) => context?.windowsOptions?.hostProcess === true
    const found = containersOf(spec).filter(({ securityContext }) => wrong(securityContext))
    const setters = [...(wrong(spec.securityContext) ? ['pod'] : []), ...(found.length > 0 ? [named(found)] : [])]
    return setters.length > 0
      ? ['hostProcess', `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`]
      : undefined
  },
]

/** Of which restricted has a stricter form, since when. */
const STRICTER: ReadonlyMap<Check, number> = new Map([
  [baselineCapabilities, 22],
  [baselineSeccomp, 19],
])

const RESTRICTED: readonly Check[] = [
  since(
    8,
    unlessWindows(
      each(
        'allowPrivilegeEscalation != false',
        ({ allowPrivilegeEscalation }) => allowPrivilegeEscalation !== false,
        'must set securityContext.allowPrivilegeEscalation=false',
      ),
    ),
  ),
  since(
    22,
    unlessWindows((spec, pod) => {
      const undropped = containersOf(spec).filter(({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'))
      const extra = added('', new Set(['NET_BIND_SERVICE']))(spec, pod, LATEST)
      const details = [
        ...(undropped.length > 0 ? [`${named(undropped)} must set securityContext.capabilities.drop=["ALL"]`] : []),
        ...(extra ? [extra[1]] : []),
      ]
      return details.length > 0 ? ['unrestricted capabilities', details.join('; ')] : undefined
    }),
  ),
  // Beside baseline's: here a user namespace is no excuse.
  (spec, pod, edition) => (inUserNamespace(spec, edition) ? procMount(spec, pod, edition) : undefined),
  (spec) => {
    const typeOf = (volume: object) => Object.keys(volume).find((field) => field !== 'name') ?? 'emptyDir'
    const found = (spec.volumes ?? []).filter((volume) => !RESTRICTED_VOLUMES.has(typeOf(volume)))
    const types = [...new Set(found.map(typeOf))].sort()
    const names = found.map(({ name }) => name)
    return found.length > 0
      ? [
          'restricted volume types',
          `${plural('volume', names)} ${quote(names)} ${names.length === 1 ? 'uses' : 'use'} restricted volume ${plural('type', types)} ${quote(types)}`,
        ]
      : undefined
  },
  (spec, _pod, edition) => {
    if (inUserNamespace(spec, edition)) return undefined
    const explicit = containersOf(spec).filter(({ securityContext }) => securityContext?.runAsNonRoot === false)
    const silent = containersOf(spec).filter(({ securityContext }) => securityContext?.runAsNonRoot === undefined)
    const podSays = spec.securityContext?.runAsNonRoot
    const setters = [...(podSays === false ? ['pod'] : []), ...(explicit.length > 0 ? [named(explicit)] : [])]
    if (setters.length > 0) return ['runAsNonRoot != true', `${setters.join(' and ')} must not set securityContext.runAsNonRoot=false`]
    return silent.length > 0 && podSays === undefined
      ? ['runAsNonRoot != true', `pod or ${named(silent)} must set securityContext.runAsNonRoot=true`]
      : undefined
  },
  since(23, (spec, _pod, edition) => {
    if (inUserNamespace(spec, edition)) return undefined
    const found = containersOf(spec).filter(({ securityContext }) => securityContext?.runAsUser === 0)
    const setters = [...(spec.securityContext?.runAsUser === 0 ? ['pod'] : []), ...(found.length > 0 ? [named(found)] : [])]
    return setters.length > 0 ? ['runAsUser=0', `${setters.join(' and ')} must not set runAsUser=0`] : undefined
  }),
  since(
    19,
    unlessWindows((spec) => {
      const confined = (context: { seccompProfile?: { type: string } } | undefined) =>
        ['RuntimeDefault', 'Localhost'].includes(context?.seccompProfile?.type ?? '')
      const unconfined = seccompUnconfined(spec)
      if (unconfined) return unconfined
      const silent = containersOf(spec).filter(({ securityContext }) => !securityContext?.seccompProfile)
      return silent.length > 0 && !confined(spec.securityContext)
        ? ['seccompProfile', `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`]
        : undefined
    }),
  ),
]
