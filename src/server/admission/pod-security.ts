// Namespaces say by label how much their pods may: enforced on pods, warned about on pods and on what makes pods.
import type { Pod, PodTemplateSpec } from '#api/generated/types.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import type { KubeObject } from '#api/object.ts'
import { invalidError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { type SecurityLevel, securityFindings } from './pod-security-checks.ts'
import { denied, target } from './refusal.ts'

const LABEL = 'pod-security.kubernetes.io/'
const LEVELS = ['privileged', 'baseline', 'restricted']
const MODES = ['enforce', 'audit', 'warn']
const VERSION = /^(latest|v1\.(0|[1-9]\d{0,2}))$/

export function podSecurity({ reader }: ServerContext): AdmissionPlugin {
  const policyOf = (request: AdmissionRequest, mode: string) => {
    const labels = reader.get(Namespace, { name: request.attributes.namespace })?.metadata?.labels
    const level = labels?.[LABEL + mode] as SecurityLevel | undefined
    return level ? { level, spelled: `${level}:${labels?.[`${LABEL}${mode}-version`] ?? 'latest'}` } : undefined
  }
  return {
    name: 'PodSecurity',
    validate(request) {
      const what = target(request)
      const { operation, object } = request
      if (!object) return
      if (what === 'namespaces') return operation === 'CREATE' || operation === 'UPDATE' ? checkLabels(object) : undefined
      const isPod = (what === 'pods' && operation === 'CREATE') || (what === 'pods/ephemeralcontainers' && operation === 'UPDATE')
      const template = isPod ? (object as Pod) : operation === 'CREATE' || operation === 'UPDATE' ? templateOf(what, object) : undefined
      if (!template?.spec) return
      const enforced = isPod ? policyOf(request, 'enforce') : undefined
      if (isPod) request.annotate?.(`${LABEL}enforce-policy`, enforced?.spelled ?? 'privileged:latest')
      if (enforced) {
        const findings = securityFindings(template, enforced.level)
        if (findings.length > 0) throw denied(request, `violates PodSecurity ${JSON.stringify(enforced.spelled)}: ${findings.join(', ')}`)
      }
      const audited = policyOf(request, 'audit')
      const seen = audited ? securityFindings(template, audited.level) : []
      if (audited && seen.length > 0)
        request.annotate?.(`${LABEL}audit-violations`, `would violate PodSecurity ${JSON.stringify(audited.spelled)}: ${seen.join(', ')}`)
      const warned = policyOf(request, 'warn')
      if (!warned || (isPod && warned.level === enforced?.level)) return
      const findings = securityFindings(template, warned.level)
      if (findings.length > 0) request.warn(`would violate PodSecurity ${JSON.stringify(warned.spelled)}: ${findings.join(', ')}`)
    },
  }
}

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

const templateOf = (what: string, object: KubeObject): Pod | undefined => TEMPLATES[what]?.(object) as Pod | undefined

function checkLabels(namespace: KubeObject): void {
  const errors: FieldError[] = []
  for (const mode of MODES) {
    const labels = namespace.metadata?.labels ?? {}
    const level = labels[LABEL + mode]
    const version = labels[`${LABEL}${mode}-version`]
    if (level !== undefined && !LEVELS.includes(level))
      errors.push(invalid(`metadata.labels[${LABEL}${mode}]`, level, `must be one of ${LEVELS.join(', ')}`))
    if (version !== undefined && !VERSION.test(version))
      errors.push(invalid(`metadata.labels[${LABEL}${mode}-version]`, version, 'must be "latest" or "v1.x"'))
  }
  if (errors.length > 0) throw invalidError(Namespace, namespace.metadata?.name ?? '', errors)
}
