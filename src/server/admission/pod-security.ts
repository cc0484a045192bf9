// Namespaces say by label how much their pods may: enforced on pods, warned about on pods and on what makes pods. Who tightens a namespace is told
// which of its pods would not be let in again.
import type { Container, EphemeralContainer, Pod, PodTemplateSpec } from '#api/generated/types.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { invalidError } from '#api/status.ts'
import { SECCOMP_POD_ANNOTATION } from '#api/well-known.ts'
import type { AdmissionPlugin, AdmissionRequest, ObjectReader, ServerContext } from '#server/request.ts'
import type { Finding } from './pod-security-checks.ts'
import {
  asked,
  DEFAULT_POD_SECURITY,
  findingsOf,
  isStricter,
  type LevelVersion,
  type PodSecurityConfig,
  type PodSecurityPolicy,
  policyOf,
  spelled,
} from './pod-security-policy.ts'
import { denied } from './refusal.ts'

/** Of pods, those that say nothing of what a pod may. Unknown ones are looked at. */
const IGNORED = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status'])
const MOST_PODS_CHECKED = 3000
const ANNOTATION = 'pod-security.kubernetes.io/'

const TEMPLATES: Record<string, (object: any) => PodTemplateSpec | undefined> = {
  __proto__: null as never,
  podtemplates: ({ template }) => template,
  replicationcontrollers: ({ spec }) => spec?.template,
  'replicasets.apps': ({ spec }) => spec?.template,
  'deployments.apps': ({ spec }) => spec?.template,
  'statefulsets.apps': ({ spec }) => spec?.template,
  'daemonsets.apps': ({ spec }) => spec?.template,
  'jobs.batch': ({ spec }) => spec?.template,
  'cronjobs.batch': ({ spec }) => spec?.jobTemplate?.spec?.template,
}

export function podSecurity({ reader }: ServerContext, config: PodSecurityConfig = DEFAULT_POD_SECURITY): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    validate(request) {
      const { operation, object, attributes } = request
      if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return
      const { group, resource, subresource } = attributes
      const what = group ? `${resource}.${group}` : resource
      if (what === 'namespaces') return subresource ? undefined : checkNamespace(request, { reader, config })
      if (what === 'pods') return IGNORED.has(subresource) ? undefined : checkPod(request, { reader, config })
      const template = subresource ? undefined : (TEMPLATES[what]?.(object) as Pod | undefined)
      if (template?.spec && !exempt(request, template, config)) tell(request, template, policyFor(request, { reader, config }))
    },
  }
}

interface Parts {
  reader: ObjectReader
  config: PodSecurityConfig
}

function policyFor({ attributes }: AdmissionRequest, { reader, config }: Parts): PodSecurityPolicy {
  const labels = reader.get(Namespace, { name: attributes.namespace })?.metadata?.labels
  return policyOf(labels, config.defaults).policy
}

function exempt(request: AdmissionRequest, { spec }: Pod, { exemptions }: PodSecurityConfig): boolean {
  const { namespace, user } = request.attributes
  const why = exemptions.namespaces.includes(namespace)
    ? 'namespace'
    : exemptions.usernames.includes(user.username)
      ? 'user'
      : spec?.runtimeClassName && exemptions.runtimeClasses.includes(spec.runtimeClassName)
        ? 'runtimeClass'
        : undefined
  if (why) request.annotate?.(`${ANNOTATION}exempt`, why)
  return why !== undefined
}

function checkPod(request: AdmissionRequest, parts: Parts): void {
  const pod = request.object as Pod
  if (exempt(request, pod, parts.config)) return
  if (request.operation === 'UPDATE' && !changesWhatItMay(pod, request.oldObject as Pod)) return
  const policy = policyFor(request, parts)
  const { enforce } = policy
  request.annotate?.(`${ANNOTATION}enforce-policy`, spelled(enforce))
  const findings = findingsOf(pod, enforce)
  audit(request, pod, policy.audit)
  if (findings.length > 0) throw denied(request, `violates PodSecurity ${JSON.stringify(spelled(enforce))}: ${listed(findings)}`)
  warn(request, pod, policy.warn)
}

function tell(request: AdmissionRequest, pod: Pod, policy: PodSecurityPolicy): void {
  audit(request, pod, policy.audit)
  warn(request, pod, policy.warn)
}

function audit(request: AdmissionRequest, pod: Pod, policy: LevelVersion): void {
  const text = request.annotate && violation(pod, policy)
  if (text) request.annotate?.(`${ANNOTATION}audit-violations`, text)
}

function warn(request: AdmissionRequest, pod: Pod, policy: LevelVersion): void {
  const text = violation(pod, policy)
  if (text) request.warn(text)
}

function violation(pod: Pod, policy: LevelVersion): string {
  const findings = findingsOf(pod, policy)
  return findings.length > 0 ? `would violate PodSecurity ${JSON.stringify(spelled(policy))}: ${listed(findings)}` : ''
}

const listed = (findings: readonly Finding[]): string => findings.map(({ reason, detail }) => `${reason} (${detail})`).join(', ')

/** Of what can be changed in a pod at all: images, containers added, and the annotations of old. */
function changesWhatItMay(next: Pod, previous: Pod): boolean {
  const annotation = (pod: Pod, key: string) => pod.metadata?.annotations?.[key]
  const differs = (key: string) => annotation(next, key) !== annotation(previous, key)
  const changed = (one: Container | EphemeralContainer, other: Container | EphemeralContainer | undefined) =>
    one.image !== other?.image || differs(`container.seccomp.security.alpha.kubernetes.io/${one.name}`)
  if (differs(SECCOMP_POD_ANNOTATION)) return true
  for (const list of ['containers', 'initContainers'] as const) {
    const [after, before] = [next.spec?.[list] ?? [], previous.spec?.[list] ?? []]
    if (after.length !== before.length || after.some((one, index) => changed(one, before[index]))) return true
  }
  const debuggers = previous.spec?.ephemeralContainers ?? []
  return (next.spec?.ephemeralContainers ?? []).some((one) => {
    const before = debuggers.find(({ name }) => name === one.name)
    return !before || changed(one, before)
  })
}

function checkNamespace(request: AdmissionRequest, { reader, config }: Parts): void {
  const namespace = request.object as KubeObject
  const { name = '', labels } = namespace.metadata ?? {}
  const { policy, errors } = policyOf(labels, config.defaults)
  const previous = request.operation === 'UPDATE' ? policyOf(request.oldObject?.metadata?.labels, config.defaults) : undefined
  if (errors.length > 0 && !(previous && sameJson(errors, previous.errors))) throw invalidError(Namespace, name, errors)
  const relaxed =
    previous &&
    (policy.enforce.level === 'privileged' ||
      (policy.enforce.version === previous.policy.enforce.version && !isStricter(policy.enforce.level, previous.policy.enforce.level)))
  if (relaxed) return
  if (config.exemptions.namespaces.includes(name)) {
    const ignored = asked(labels, policy)
    if (ignored) request.warn(`namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${ignored}) will be ignored`)
  } else if (previous) for (const text of pastSins(name, policy.enforce, { reader, config })) request.warn(text)
}

/** Pods that are there and would not be let in again: one warning for all with the same faults. */
function pastSins(namespace: string, enforce: LevelVersion, { reader, config }: Parts): string[] {
  const pods = [...reader.list(PodKind, namespace)]
  const byFault = new Map<string, string[]>()
  for (const pod of pods.slice(0, MOST_PODS_CHECKED)) {
    if (pod.spec?.runtimeClassName && config.exemptions.runtimeClasses.includes(pod.spec.runtimeClassName)) continue
    const fault = findingsOf(pod, enforce)
      .map(({ reason }) => reason)
      .join(', ')
    if (fault) byFault.set(fault, [...(byFault.get(fault) ?? []), pod.metadata?.name ?? ''])
  }
  const lines = [...byFault].map(([fault, names]) => {
    const others = names.length === 2 ? ' (and 1 other pod)' : names.length > 2 ? ` (and ${names.length - 1} other pods)` : ''
    return `${names.sort()[0]}${others}: ${fault}`
  })
  const partly = `new PodSecurity enforce level only checked against the first ${MOST_PODS_CHECKED} of ${pods.length} existing pods`
  const headline = `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(spelled(enforce))}`
  return [...(pods.length > MOST_PODS_CHECKED ? [partly] : []), ...(lines.length > 0 ? [headline] : []), ...lines.sort()]
}
