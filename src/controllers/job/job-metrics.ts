// What the Job controller counts of a pass: read off the status before and after it.
import type { JobStatus } from '#api/generated/types.ts'
import type { Job } from '#api/kinds/batch/job.ts'
import { conditionOf, isConditionTrue } from '#api/conditions.ts'
import type { Metrics } from '#lib/metrics.ts'
import { failureAction } from './failure-policy.ts'
import { IndexSet } from './indexes.ts'
import { isIndexed } from './job-pods.ts'
import type { Steered } from './steer.ts'
import type { Tally } from './tally.ts'

const modeOf = (job: Job) => (isIndexed(job) ? 'Indexed' : 'NonIndexed')

export function countStatus(job: Job, after: JobStatus, { tally, metrics }: { tally: Tally; metrics: Metrics }): void {
  const { status: before = {}, spec } = job
  const indexes = (text: string | undefined) => IndexSet.parse(text, spec?.completions ?? 0).size
  const limit = spec?.backoffLimitPerIndex === undefined ? 'global' : 'perIndex'
  const grown = (now: number, then: number) => Math.max(0, now - then)
  const completed = grown(indexes(after.completedIndexes), indexes(before.completedIndexes))
  const succeeded = isIndexed(job) ? completed : grown(after.succeeded ?? 0, before.succeeded ?? 0)
  const add = (name: string, labels: string[], by: number) => by > 0 && metrics.add(name, labels, by)
  add('job_controller_job_finished_indexes_total', ['succeeded', limit], completed)
  add('job_controller_job_finished_indexes_total', ['failed', limit], grown(indexes(after.failedIndexes), indexes(before.failedIndexes)))
  add('job_controller_job_pods_finished_total', [modeOf(job), 'succeeded'], succeeded)
  add('job_controller_job_pods_finished_total', [modeOf(job), 'failed'], grown(after.failed ?? 0, before.failed ?? 0))
  for (const pod of spec?.podFailurePolicy ? tally.newlyFailed : []) {
    const { action, message } = failureAction(job, pod)
    if (message) metrics.add('job_controller_pod_failures_handled_by_failure_policy_total', [action])
  }
  const failed = conditionOf(after.conditions, 'Failed')
  if (failed?.status === 'True') metrics.add('job_controller_jobs_finished_total', [modeOf(job), 'failed', failed.reason ?? ''])
  if (isConditionTrue(after.conditions, 'Complete')) metrics.add('job_controller_jobs_finished_total', [modeOf(job), 'succeeded', ''])
}

export function countPods(job: Job, { created, failure }: Steered, { tally, metrics }: { tally: Tally; metrics: Metrics }): void {
  const again = job.spec?.podReplacementPolicy === 'Failed' ? 'recreate_failed' : 'recreate_terminating_or_failed'
  const reason = tally.failed > 0 || (job.status?.terminating ?? 0) > 0 ? again : 'new'
  if (created > 0) metrics.add('job_controller_job_pods_creation_total', [reason, 'succeeded'], created)
  if (failure !== undefined && created > 0) metrics.add('job_controller_job_pods_creation_total', [reason, 'failed'])
}

export function countPass(
  job: Job,
  { action, result, seconds, metrics }: { action: string; result: string; seconds: number; metrics: Metrics },
): void {
  const labels = [modeOf(job), result, action]
  metrics.add('job_controller_job_syncs_total', labels)
  metrics.observe('job_controller_job_sync_duration_seconds', labels, seconds)
}
