// What a Job's podFailurePolicy says about a failed pod. The first rule that matches decides.
import type { PodFailurePolicyRule } from '#api/generated/types.ts'
import type { Job } from '#api/kinds/batch/job.ts'
import type { Pod } from '#api/kinds/core/pod.ts'

export type FailureAction = 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'

export function failureAction({ spec }: Job, pod: Pod): { action: FailureAction; message: string } {
  for (const [index, rule] of (spec?.podFailurePolicy?.rules ?? []).entries()) {
    const match = matchOf(rule, pod, index)
    if (match) return { action: rule.action as FailureAction, message: match }
  }
  return { action: 'Count', message: '' }
}

function matchOf(rule: PodFailurePolicyRule, pod: Pod, index: number): string | undefined {
  const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`
  const { onExitCodes, onPodConditions } = rule
  if (onExitCodes) {
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    for (const status of statuses) {
      const code = status.state?.terminated?.exitCode
      if (code === undefined || code === 0 || (onExitCodes.containerName && onExitCodes.containerName !== status.name)) continue
      if (onExitCodes.values.includes(code) === (onExitCodes.operator === 'In')) {
        return `Container ${status.name} for pod ${name} failed with exit code ${code} matching ${rule.action} rule at index ${index}`
      }
    }
    return undefined
  }
  for (const pattern of onPodConditions ?? []) {
    const wanted = pattern.status ?? 'True'
    const match = pod.status?.conditions?.some(({ type, status }) => type === pattern.type && status === wanted)
    if (match) return `Pod ${name} has condition ${pattern.type} matching ${rule.action} rule at index ${index}`
  }
  return undefined
}
