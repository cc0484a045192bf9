import { isConditionTrue } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import type * as types from '#api/generated/types.ts'
import { humanDuration } from '#api/human-duration.ts'
import type { HookContext } from '#api/kind.ts'
import { ageColumn, nameColumn, templateColumns } from '#api/kinds/columns.ts'
import { hostnameWarnings, isChanged, templateWarnings } from '#api/kinds/core/pod-warnings.ts'
import { formatSelector } from '#api/validation/label-selector.ts'
import { JOB_NAME_LABEL, JOB_UID_LABEL } from '#api/well-known.ts'
import { validateJob } from './job-validation.ts'

export type Job = types.Job

export const Job = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  defaultPropagation: 'Orphan',
  fields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  generationOf: ({ spec }) => spec,
  default: defaultJob,
  prepareForCreate: generateSelector,
  validate: validateJob,
  warnings(next, previous) {
    if (!isChanged(next, previous)) return []
    const names = previous ? [] : hostnameWarnings(next.metadata?.name, 'Pod names and hostnames')
    return [...names, ...jobWarnings(next.spec, 'spec')]
  },
  columns: [
    nameColumn,
    { name: 'Status', description: 'State of the job in one word.', value: statusText },
    { name: 'Completions', description: 'Pods that succeeded, of those wanted.', value: completionsText },
    { name: 'Duration', description: 'How long it took or has been running.', value: durationText },
    ageColumn,
    ...templateColumns<Job>(({ spec }) => spec?.template),
    { name: 'Selector', description: 'Which pods belong to it.', priority: 1, value: ({ spec }) => formatSelector(spec?.selector) },
  ],
})

function defaultJob(job: Job): void {
  job.status ??= {}
  const { spec } = job
  if (!spec) return
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1
    spec.parallelism = 1
  }
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647
  labelLikeTemplate(job)
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  spec.manualSelector ??= false
  for (const { onPodConditions } of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of onPodConditions ?? []) pattern.status ||= 'True'
  defaultPodTemplate((spec.template ??= {}))
}

/** A job without labels has those of its pods. */
function labelLikeTemplate(job: Job): void {
  const labels = job.spec?.template?.metadata?.labels
  if (labels && Object.keys(job.metadata?.labels ?? {}).length === 0) job.metadata = { ...job.metadata, labels: { ...labels } }
}

/** Unless the user manages the selector, a job's pods are told apart by its uid; wrong labels of that name are left for validation. */
function generateSelector(job: Job, { uuid }: HookContext): void {
  const { spec } = job
  job.status = {}
  if (!spec || spec.manualSelector) return
  const metadata = (job.metadata ??= {})
  metadata.uid ??= uuid()
  const template = (spec.template ??= {})
  const own = {
    'job-name': metadata.name ?? '',
    [JOB_NAME_LABEL]: metadata.name ?? '',
    'controller-uid': metadata.uid,
    [JOB_UID_LABEL]: metadata.uid,
  }
  template.metadata = { ...template.metadata, labels: { ...own, ...template.metadata?.labels } }
  spec.selector = { ...spec.selector, matchLabels: { [JOB_UID_LABEL]: metadata.uid, ...spec.selector?.matchLabels } }
  labelLikeTemplate(job)
}

function statusText({ metadata, status }: Job): string {
  const conditions = status?.conditions
  if (isConditionTrue(conditions, 'Complete')) return 'Complete'
  if (isConditionTrue(conditions, 'Failed')) return 'Failed'
  if (metadata?.deletionTimestamp) return 'Terminating'
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet']) if (isConditionTrue(conditions, type)) return type
  return 'Running'
}

function completionsText({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`
  const parallel = spec?.parallelism ?? 0
  return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`
}

function durationText({ status }: Job, { now }: { now: number }): string {
  if (!status?.startTime) return ''
  return humanDuration((status.completionTime ? Date.parse(status.completionTime) : now) - Date.parse(status.startTime))
}

export function jobWarnings(spec: types.JobSpec | undefined, path: string): string[] {
  const warnings: string[] = []
  if (spec?.completionMode === 'Indexed' && (spec.completions ?? 0) > 100_000 && (spec.parallelism ?? 0) > 10_000)
    warnings.push(
      `${path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`,
    )
  return [...warnings, ...templateWarnings(spec?.template ?? {}, `${path}.template`)]
}
