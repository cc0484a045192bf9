// What is allowed in a pod or template but probably not meant: sent back as Warning headers.
import type { Affinity, Container, PodAffinityTerm, Pod, PodSpec, PodTemplateSpec, Volume } from '#api/generated/types.ts'
import { dnsLabel } from '#api/names.ts'
import { ipWarnings } from '#api/validation/ip.ts'
import { APP_ARMOR } from '#api/validation/pod-annotations.ts'
import { nodeLabelWarning, termWarnings } from '#api/validation/node-labels.ts'
import type { ObjectMeta } from '#api/object.ts'
import { SECCOMP_CONTAINER_PREFIX, SECCOMP_POD_ANNOTATION } from '#api/well-known.ts'
import { claimSpecWarnings, fractionWarnings } from './claim-warnings.ts'
import { pathWarnings } from './path-warnings.ts'
import { portWarnings } from './port-warnings.ts'

const NO_SELECTOR = 'a null labelSelector results in matching no pod'
const SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
const ANNOTATIONS: readonly (readonly [key: string, warning: string])[] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
]
const VOLUMES = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
} as const
const DEPRECATED = Object.keys(VOLUMES) as (keyof typeof VOLUMES)[]

export function podWarnings(next: Pod, previous?: Pod): string[] {
  // Pods are written all the time and by programs: who made one has been told.
  return previous ? [] : [...hostnameWarnings(next.metadata?.name, "the Pod's hostname"), ...templateWarnings(next, '')]
}

interface Workload {
  metadata?: ObjectMeta
  spec?: { template?: PodTemplateSpec }
}

/** Of workloads that name their pods after themselves; an update is looked at only where it changes something. */
export function workloadWarnings(next: Workload, previous?: Workload): string[] {
  if (!isChanged(next, previous)) return []
  const names = previous ? [] : hostnameWarnings(next.metadata?.name, 'Pod names and hostnames')
  return [...names, ...templateWarnings(next.spec?.template ?? {}, 'spec.template')]
}

/** Whether anything but labels and the like is new. */
export const isChanged = (next: { metadata?: ObjectMeta }, previous: { metadata?: ObjectMeta } | undefined): boolean =>
  !previous || next.metadata?.generation !== previous.metadata?.generation

export function hostnameWarnings(name: string | undefined, where: string): string[] {
  const messages = dnsLabel(name ?? '')
  if (messages.length === 0) return []
  return [
    `metadata.name: this is used in ${where}, which can result in surprising behavior; a DNS label is recommended: [${messages.join(' ')}]`,
  ]
}

/** `prefix`: `spec.template` for workloads, empty for pods. */
export function templateWarnings({ metadata, spec }: PodTemplateSpec, prefix: string): string[] {
  if (!spec) return []
  const at = prefix ? `${prefix}.spec` : 'spec'
  const notes = `${prefix ? `${prefix}.` : ''}metadata.annotations`
  const annotations = metadata?.annotations ?? {}
  const warnings = schedulingWarnings(spec, at)
  for (const [key, warning] of ANNOTATIONS) if (Object.hasOwn(annotations, key)) warnings.push(`${notes}[${key}]: ${warning}`)
  if (spec.volumes) warnings.push(...volumeWarnings(spec.volumes, at), ...pathWarnings(spec.volumes))
  warnings.push(...repeated(spec.hostAliases, ({ ip }) => ip, [`${at}.hostAliases`, 'ip']))
  warnings.push(...repeated(spec.imagePullSecrets, ({ name }) => name ?? '', [`${at}.imagePullSecrets`, 'name']))
  for (const [index, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!name) warnings.push(`${at}.imagePullSecrets[${index}].name: invalid empty name ""`)
  warnings.push(...fractionWarnings(spec.overhead, `${at}.overhead`, ['memory', 'ephemeral-storage']))
  if (!spec.securityContext?.seccompProfile && Object.hasOwn(annotations, SECCOMP_POD_ANNOTATION))
    warnings.push(`${notes}[${SECCOMP_POD_ANNOTATION}]: ${SECCOMP}`)
  // Of pods it is told while the annotation becomes a field.
  const armoured = prefix === '' || spec.securityContext?.appArmorProfile !== undefined
  const containers = everyContainer(spec, at)
  for (const [container, where] of containers) {
    const { name, securityContext } = container
    if (!securityContext?.seccompProfile && Object.hasOwn(annotations, SECCOMP_CONTAINER_PREFIX + name))
      warnings.push(`${notes}[${SECCOMP_CONTAINER_PREFIX}${name}]: ${SECCOMP}`)
    if (!armoured && !securityContext?.appArmorProfile && Object.hasOwn(annotations, APP_ARMOR + name))
      warnings.push(`${notes}[${APP_ARMOR}${name}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
    warnings.push(...containerWarnings(container, where))
  }
  warnings.push(...portWarnings(containers))
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(`${at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`)
  warnings.push(...podAffinityWarnings(spec.affinity, `${at}.affinity`))
  for (const [index, ip] of (spec.dnsConfig?.nameservers ?? []).entries())
    warnings.push(...ipWarnings(`${at}.dnsConfig.nameservers[${index}]`, ip))
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries()) warnings.push(...ipWarnings(`${at}.hostAliases[${index}].ip`, ip))
  return warnings
}

function everyContainer(spec: PodSpec, path: string): [Container, string][] {
  const all: [Container, string][] = []
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    spec[list]?.forEach((container: Container, index) => all.push([container, `${path}.${list}[${index}]`]))
  return all
}

function schedulingWarnings({ nodeSelector, affinity, topologySpreadConstraints }: PodSpec, path: string): string[] {
  const warnings: string[] = []
  // Pods are made all the time, and most say nothing of this.
  if (!nodeSelector && !affinity && !topologySpreadConstraints) return warnings
  for (const key of Object.keys(nodeSelector ?? {})) {
    const warning = nodeLabelWarning(key)
    if (warning) warnings.push(`${path}.nodeSelector[${key}]: ${warning}`)
  }
  const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution: preferred } =
    affinity?.nodeAffinity ?? {}
  const at = `${path}.affinity.nodeAffinity`
  for (const [index, term] of (required?.nodeSelectorTerms ?? []).entries())
    warnings.push(...termWarnings(term, `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`))
  for (const [index, { preference }] of (preferred ?? []).entries())
    warnings.push(
      ...termWarnings(preference, `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`, { values: true }),
    )
  for (const [index, { topologyKey, labelSelector }] of (topologySpreadConstraints ?? []).entries()) {
    const where = `${path}.topologySpreadConstraints[${index}]`
    const warning = nodeLabelWarning(topologyKey)
    if (warning) warnings.push(`${where}.topologyKey: ${topologyKey} is ${warning}`)
    if (!labelSelector) warnings.push(`${where}.labelSelector: ${NO_SELECTOR}`)
  }
  return warnings
}

function volumeWarnings(volumes: readonly Volume[], path: string): string[] {
  return volumes.flatMap((volume, index) => {
    const at = `${path}.volumes[${index}]`
    const warnings: string[] = []
    // Upstream spells this one as its own field is called.
    for (const source of DEPRECATED)
      if (volume[source] !== undefined) warnings.push(`${at}.${source === 'storageos' ? 'storageOS' : source}: ${VOLUMES[source]}`)
    const { volumeClaimTemplate: claim } = volume.ephemeral ?? {}
    return claim ? [...warnings, ...claimSpecWarnings(claim.spec, `${at}.ephemeral.volumeClaimTemplate.spec`)] : warnings
  })
}

function containerWarnings({ resources, env }: Container, path: string): string[] {
  const warnings: string[] = []
  if (resources?.limits || resources?.requests)
    for (const resource of ['memory', 'ephemeral-storage'])
      for (const amounts of ['limits', 'requests'] as const)
        warnings.push(...fractionWarnings(resources[amounts], `${path}.resources.${amounts}`, [resource]))
  const seen = new Set<string>()
  for (const [index, { name, value = '', valueFrom }] of (env ?? []).entries()) {
    const reference = `$(${name})`
    // A later value that refers to the earlier one is how lists are extended.
    if (seen.has(name) && (valueFrom || value === reference || !value.includes(reference)))
      warnings.push(`${path}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`)
    seen.add(name)
  }
  return warnings
}

function repeated<T>(list: readonly T[] | undefined, key: (item: T) => string, [path, field]: readonly [string, string]): string[] {
  if (!list || list.length < 2) return []
  const seen = new Set<string>()
  return list.flatMap((item, index) => {
    const value = key(item)
    if (seen.has(value)) return [`${path}[${index}].${field}: duplicate ${field} ${JSON.stringify(value)}`]
    seen.add(value)
    return []
  })
}

function podAffinityWarnings(affinity: Affinity | undefined, path: string): string[] {
  const warnings: string[] = []
  if (!affinity) return warnings
  for (const member of ['podAffinity', 'podAntiAffinity'] as const) {
    const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution: preferred } =
      affinity[member] ?? {}
    const check = ({ labelSelector }: PodAffinityTerm, at: string) => {
      if (!labelSelector) warnings.push(`${at}.labelSelector: ${NO_SELECTOR}`)
    }
    for (const [index, term] of (required ?? []).entries())
      check(term, `${path}.${member}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`)
    for (const [index, { podAffinityTerm }] of (preferred ?? []).entries())
      check(podAffinityTerm, `${path}.${member}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm`)
  }
  return warnings
}
