// Whether a Job is done, and why. Pure: what counts in, a verdict out.
import type { Job } from '#api/kinds/batch/job.ts'
import { conditionOf, isConditionTrue } from '#api/conditions.ts'
import { failureAction } from './failure-policy.ts'
import { hasFailed, isIndexed, type JobPods } from './job-pods.ts'
import { IndexSet } from './indexes.ts'
import type { Tally } from './tally.ts'

export interface Verdict {
  outcome: 'Complete' | 'Failed'
  reason: string
  message: string
}

export function isFinished({ status }: Job): boolean {
  return ['Complete', 'Failed'].some((type) => isConditionTrue(status?.conditions, type))
}

/** What ends the job though it has pods that run: it failed, or as much of it succeeded as its success policy asks. */
export function verdictOf(job: Job, tally: Tally, { pods, now }: { pods: JobPods; now: number }): Verdict | undefined {
  for (const [type, outcome] of [
    ['SuccessCriteriaMet', 'Complete'],
    ['FailureTarget', 'Failed'],
  ] as const) {
    const decided = conditionOf(job.status?.conditions, type)
    if (decided?.status === 'True') return { outcome, reason: decided.reason ?? '', message: decided.message ?? '' }
  }
  for (const pod of pods.all.filter((one) => hasFailed(job, one))) {
    const { action, message } = failureAction(job, pod)
    if (action === 'FailJob') return { outcome: 'Failed', reason: 'PodFailurePolicy', message }
  }
  if (tooManyFailures(job, tally, pods)) {
    return { outcome: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  }
  if (deadlineInMs(job, now) === 0) {
    return { outcome: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  }
  return byIndexes(job, tally) ?? successPolicy(job, tally)
}

/** Without a number of completions any success ends the job, once the others have come to their end as well. */
export function completionOf({ spec }: Job, { succeeded }: Tally, active: number): Verdict | undefined {
  const enough = spec?.completions === undefined ? succeeded > 0 : succeeded >= spec.completions
  if (!enough || active > 0) return undefined
  return { outcome: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
}

/** Milliseconds until the job has been active for too long; undefined where it may be for ever. */
export function deadlineInMs({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return undefined
  // Resumed just now: its time starts anew.
  if (isConditionTrue(status.conditions, 'Suspended')) return undefined
  return Math.max(0, Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now)
}

function byIndexes(job: Job, { completedIndexes, failedIndexes }: Tally): Verdict | undefined {
  const { backoffLimitPerIndex, maxFailedIndexes, completions = 0 } = job.spec ?? {}
  if (!isIndexed(job) || backoffLimitPerIndex === undefined) return undefined
  if (maxFailedIndexes !== undefined && failedIndexes.size > maxFailedIndexes) {
    return {
      outcome: 'Failed',
      reason: 'MaxFailedIndexesExceeded',
      message: 'Job has exceeded the specified maximal number of failed indexes',
    }
  }
  const all = failedIndexes.size > 0 && failedIndexes.size + completedIndexes.size >= completions
  return all ? { outcome: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' } : undefined
}

function tooManyFailures(job: Job, { failed }: Tally, { all }: JobPods): boolean {
  const { backoffLimit = 6, template } = job.spec ?? {}
  if (failed > backoffLimit) return true
  if (template?.spec?.restartPolicy !== 'OnFailure') return false
  // Restarts in place are failures too.
  const restarts = all
    .filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending')
    .flatMap(({ status }) => [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit
}

function successPolicy(job: Job, { completedIndexes }: Tally): Verdict | undefined {
  if (!isIndexed(job)) return undefined
  for (const [index, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const named = succeededIndexes === undefined ? undefined : IndexSet.parse(succeededIndexes, job.spec?.completions ?? 0)
    const hits = named ? named.inCommon(completedIndexes) : completedIndexes.size
    if (hits >= (succeededCount ?? named?.size ?? Infinity)) {
      return { outcome: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${index}` }
    }
  }
  return undefined
}
