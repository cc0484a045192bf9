// Whether a Job is done, and why. Pure: what counts in, a verdict out.
import type { Job } from '#api/kinds/batch/job.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { conditionOf } from '#controllers/conditions.ts'
import { failureAction } from './failure-policy.ts'
import { isIndexed } from './job-pods.ts'
import { parseIndexes } from './indexes.ts'

export interface Counts {
  succeeded: number
  failed: number
  /** Not yet told in the status. */
  newlyFailed: readonly Pod[]
  active: readonly Pod[]
  completedIndexes: ReadonlySet<number>
  failedIndexes: ReadonlySet<number>
  now: number
}

export interface Verdict {
  outcome: 'Complete' | 'Failed'
  reason: string
  message: string
}

export function isFinished({ status }: Job): boolean {
  return ['Complete', 'Failed'].some((type) => conditionOf(status?.conditions, type)?.status === 'True')
}

export function verdictOf(job: Job, counts: Counts): Verdict | undefined {
  const { spec, status } = job
  for (const [type, outcome] of [
    ['FailureTarget', 'Failed'],
    ['SuccessCriteriaMet', 'Complete'],
  ] as const) {
    const decided = conditionOf(status?.conditions, type)
    if (decided?.status === 'True') return { outcome, reason: decided.reason ?? '', message: decided.message ?? '' }
  }
  for (const pod of counts.newlyFailed) {
    const { action, message } = failureAction(job, pod)
    if (action === 'FailJob') return { outcome: 'Failed', reason: 'PodFailurePolicy', message }
  }
  const success = successPolicy(job, counts)
  if (success) return success
  if (tooManyFailures(job, counts)) {
    return { outcome: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  }
  if (deadlineInMs(job, counts.now) === 0) {
    return { outcome: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  }
  return byIndexes(job, counts) ?? byCount(job, counts, spec?.completions)
}

/** Milliseconds until the job has been active for too long; undefined where it may be for ever. */
export function deadlineInMs({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return undefined
  // Resumed just now: its time starts anew.
  if (conditionOf(status.conditions, 'Suspended')?.status === 'True') return undefined
  return Math.max(0, Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now)
}

function byCount(_job: Job, { succeeded, active }: Counts, completions: number | undefined): Verdict | undefined {
  // Without a number of completions any success ends the job, once the others have come to their end as well.
  const enough = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions
  return enough ? { outcome: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' } : undefined
}

function byIndexes(job: Job, { completedIndexes, failedIndexes }: Counts): Verdict | undefined {
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

function tooManyFailures(job: Job, { failed, active }: Counts): boolean {
  const { backoffLimit = 6, template, backoffLimitPerIndex } = job.spec ?? {}
  if (failed > backoffLimit) return true
  if (template?.spec?.restartPolicy !== 'OnFailure' || backoffLimitPerIndex !== undefined) return false
  // Restarts in place are failures too.
  const restarts = active
    .flatMap(({ status }) => [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit
}

function successPolicy(job: Job, { completedIndexes }: Counts): Verdict | undefined {
  if (!isIndexed(job)) return undefined
  for (const [index, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const named = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes, job.spec?.completions ?? 0)
    const hits = named ? [...named].filter((one) => completedIndexes.has(one)).length : completedIndexes.size
    if (hits >= (succeededCount ?? named?.size ?? Infinity)) {
      return { outcome: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${index}` }
    }
  }
  return undefined
}
