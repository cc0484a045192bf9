// What is allowed in a pod or template but probably not meant: sent back as Warning headers.
import type * as types from '#api/generated/types.ts'

export function podWarnings(next: types.Pod, previous?: types.Pod): string[] {
  // Nothing of what is warned about can change later.
  return previous ? [] : templateWarnings(next, '')
}

/** `prefix`: `spec.template` for workloads, empty for pods. */
export function templateWarnings({ metadata, spec }: types.PodTemplateSpec, prefix: string): string[] {
  const warnings: string[] = []
  const at = prefix ? `${prefix}.spec` : 'spec'
  const meta = prefix ? `${prefix}.metadata` : 'metadata'
  for (const key of Object.keys(spec?.nodeSelector ?? {})) {
    const replacement = DEPRECATED_LABELS[key]
    if (replacement) warnings.push(`${at}.nodeSelector[${key}]: deprecated since ${replacement}`)
  }
  if (metadata?.annotations?.['seccomp.security.alpha.kubernetes.io/pod'] !== undefined)
    warnings.push(
      `${meta}.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead`,
    )
  for (const [index, volume] of (spec?.volumes ?? []).entries())
    if (volume.gitRepo) warnings.push(`${at}.volumes[${index}].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`)
  for (const [index, { name }] of (spec?.imagePullSecrets ?? []).entries())
    if (!name) warnings.push(`${at}.imagePullSecrets[${index}].name: invalid empty name ""`)
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (spec?.[list] ?? []).entries()) {
      const where = `${at}.${list}[${index}]`
      const seen = new Set<string>()
      for (const [number, { name, value }] of (container.env ?? []).entries()) {
        // A later value that refers to the earlier one is how lists are extended: no warning.
        if (seen.has(name) && !value?.includes(`$(${name})`))
          warnings.push(`${where}.env[${number}]: hides previous definition of "${name}", which may be dropped when using apply`)
        seen.add(name)
      }
      for (const resource of ['memory', 'ephemeral-storage'])
        for (const amounts of ['limits', 'requests'] as const) {
          const amount = container.resources?.[amounts]?.[resource]
          if (amount?.endsWith('m'))
            warnings.push(`${where}.resources.${amounts}[${resource}]: fractional byte value "${amount}" is invalid, must be an integer`)
        }
    }
  }
  if (spec?.terminationGracePeriodSeconds !== undefined && spec.terminationGracePeriodSeconds < 0)
    warnings.push(`${at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`)
  return warnings
}

const DEPRECATED_LABELS: Record<string, string> = {
  'beta.kubernetes.io/arch': 'v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'v1.14; use "kubernetes.io/os" instead',
  'beta.kubernetes.io/instance-type': 'v1.17; use "node.kubernetes.io/instance-type" instead',
  'failure-domain.beta.kubernetes.io/zone': 'v1.17; use "topology.kubernetes.io/zone" instead',
  'failure-domain.beta.kubernetes.io/region': 'v1.17; use "topology.kubernetes.io/region" instead',
}
