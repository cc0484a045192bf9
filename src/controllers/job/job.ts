// job-controller: runs pods until enough of them have succeeded or too many failed, and counts each pod exactly once.
// A pod carries a finalizer until the status tells of it: status first, finalizer second, so that a crash between them loses nothing.
import type { JobCondition, JobStatus } from '#api/generated/types.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, keyText, type ObjectKey } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { adoptersOf, itself, ownersOf } from '#client/triggers.ts'
import { conditionOf, isConditionTrue, withCondition } from '#api/conditions.ts'
import { selectorMatcher } from '#api/validation/label-selector.ts'
import { EarlyEnds } from '#controllers/failed-pods.ts'
import { claim, controllerOf } from '#controllers/owners.ts'
import { deletePod } from '#controllers/pod-control.ts'
import { isReady } from '#controllers/pod-state.ts'
import { formatTime } from '#lib/clock.ts'
import { equal } from '#api/equal.ts'
import { type Failures, failuresAfter } from './backoff.ts'
import { countPass, countPods, countStatus } from './job-metrics.ts'
import { classify, isIndexed, isTracked, type JobPods, TRACKING, untrack } from './job-pods.ts'
import { steer, type Steered } from './steer.ts'
import { type PodRecord, recordOf, type Tally, tallyOf } from './tally.ts'
import { completionOf, deadlineInMs, isFinished, verdictOf, type Verdict } from './verdict.ts'

/** When a job could not be worked on; its pods that failed are another matter. */
const RETRY_MS = { first: 1000, most: 60_000 }

export function jobController(): Controller {
  const failures = new Map<string, Failures>()
  const ends = new EarlyEnds()
  /** When each was looked at last, by the monotonic clock. */
  const seen = new Map<string, number>()
  return {
    name: 'job-controller',
    workers: 20,
    retryMs: RETRY_MS,
    triggers: [itself(Job), ownersOf(Pod, Job), adoptersOf(Pod, Job, ({ spec }) => spec?.selector)],
    async run(context) {
      ends.follow(context)
    },
    async reconcile(key, context) {
      const job = context.informers.of(Job).get(key)
      // Someone else's: its pods, too.
      if (job?.spec?.managedBy && job.spec.managedBy !== 'kubernetes.io/job-controller')
        return context.metrics.add('job_controller_jobs_by_external_controller_total', [job.spec.managedBy])
      if (!job?.metadata?.uid || isFinished(job)) {
        failures.delete(keyText(key))
        seen.delete(keyText(key))
        return releasePods(key, job, context)
      }
      const begun = context.clock.monotonic()
      const pauseMs = Math.min(MOST_PAUSE_MS, context.informers.of(Pod).ownedBy(job.metadata.uid).length * PAUSE_PER_POD_MS)
      const waitMs = (seen.get(keyText(key)) ?? -Infinity) + pauseMs - begun
      if (waitMs > 0) return { requeueAfterMs: waitMs }
      seen.set(keyText(key), begun)
      const pass: Pass = { action: 'reconciling', failures, ends, context }
      const count = (result: string) =>
        countPass(job, { ...pass, result, seconds: (context.clock.monotonic() - begun) / 1000, metrics: context.metrics })
      try {
        const next = await sync(job, await claimPods(job, context), pass)
        count('success')
        return next
      } catch (error) {
        count('error')
        throw error
      }
    },
  }
}

/** A pass looks at all pods: what happens to many is looked at together, as upstream does with all (once a second). Jobs of few pods wait for nothing. */
const PAUSE_PER_POD_MS = 1
const MOST_PAUSE_MS = 1000

interface Pass {
  /** What it came to, for the books. */
  action: 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted'
  failures: Map<string, Failures>
  ends: EarlyEnds
  context: ControllerContext
}

async function sync(job: Job, pods: readonly Pod[], pass: Pass): Promise<{ requeueAfterMs: number } | void> {
  const { failures: known, ends, context } = pass
  const now = context.clock.now()
  const key = keyText(keyOf(job))
  const groups = classify(pods)
  const tally = tallyOf(job, groups)
  const failures = failuresAfter(known.get(key), tally.newlySucceeded, tally.newlyFailed)
  let verdict = verdictOf(job, tally, { pods: groups, now })
  let done: Steered = { removed: [], created: 0 }
  if (verdict) {
    done = await stop(job, groups.active, context)
    // Without knowing that they all go the job cannot be called over.
    if (done.failure !== undefined) verdict = undefined
  } else {
    if (!job.metadata?.deletionTimestamp) done = await steer(job, groups, { tally, failures, ends, context })
    verdict = completionOf(job, tally, groups.active.length + done.created - done.removed.length)
  }

  pass.action = done.removed.length > 0 ? 'pods_deleted' : done.created > 0 ? 'pods_created' : 'tracking'
  countPods(job, done, { tally, metrics: context.metrics })
  const record = recordOf(job, groups, { tally, verdict })
  const status = statusOf(job, { groups, done, tally, record, verdict, now })
  if (!equal(normal(status), normal(job.status))) {
    await context.client.update(Job, { ...job, status }, { subresource: 'status' })
    countStatus(job, status, { tally, metrics: context.metrics })
    tellChanges(job, status, { verdict, context })
  }
  known.set(key, failures)
  await untrack(record.counted, context.client)
  if (done.failure !== undefined) throw done.failure
  const waits = [done.waitMs, deadlineInMs(job, now)].filter((wait) => wait !== undefined && wait > 0) as number[]
  if (waits.length > 0 && !verdict) return { requeueAfterMs: Math.min(...waits) }
}

/** Pods of a job that is over keep their finalizer until they are counted. */
async function stop(job: Job, pods: readonly Pod[], context: ControllerContext): Promise<Steered> {
  const results = await Promise.allSettled(pods.map((pod) => deletePod(pod, job, context)))
  const failure = results.find((result) => result.status === 'rejected')?.reason
  return { removed: pods.filter((_, index) => results[index]?.status === 'fulfilled'), created: 0, failure }
}

interface Outcome {
  groups: JobPods
  done: Steered
  tally: Tally
  record: PodRecord
  verdict: Verdict | undefined
  now: number
}

function statusOf(job: Job, { groups, done, tally, record, verdict, now }: Outcome): JobStatus {
  const { spec, status = {} } = job
  const time = formatTime(now)
  const leaving = groups.terminating.length + done.removed.length
  let conditions = status.conditions ?? []
  const set = (type: string, value: string, reason: string, message: string) => {
    const next: JobCondition = { type, status: value, reason, message, lastProbeTime: time, lastTransitionTime: time }
    conditions = withCondition(conditions, next)
  }
  const suspended = isConditionTrue(conditions, 'Suspended')
  const suspends = Boolean(spec?.suspend) && !suspended && !verdict && !job.metadata?.deletionTimestamp
  if (suspends) set('Suspended', 'True', 'JobSuspended', 'Job suspended')
  else if (!spec?.suspend && suspended) set('Suspended', 'False', 'JobResumed', 'Job resumed')
  const startTime = startOf(job, { suspends, resumes: suspended && !spec?.suspend, ends: verdict !== undefined, time })
  let completionTime = status.completionTime
  if (verdict) {
    set(verdict.outcome === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet', 'True', verdict.reason, verdict.message)
    const uncounted = record.uncounted.succeeded.length + record.uncounted.failed.length
    const isLast = !groups.all.some(isTracked)
    // The last word is spoken when every pod has ended and been counted.
    if (leaving === 0 && isLast && uncounted === 0) {
      set(verdict.outcome, 'True', verdict.reason, verdict.message)
      // A clock that was set back must not keep the job from ending: before its start it would be refused.
      if (verdict.outcome === 'Complete') completionTime ??= startTime && startTime > time ? startTime : time
    }
  }
  const indexed = isIndexed(job)
  return {
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(startTime ? { startTime } : {}),
    ...(completionTime ? { completionTime } : {}),
    active: groups.active.length + done.created - done.removed.length,
    ready: groups.ready - done.removed.filter((pod) => isReady(pod)).length,
    terminating: leaving,
    succeeded: record.succeeded,
    failed: record.failed,
    ...(indexed && tally.completedIndexes.size > 0 ? { completedIndexes: String(tally.completedIndexes) } : {}),
    ...(indexed && spec?.backoffLimitPerIndex !== undefined ? { failedIndexes: String(tally.failedIndexes) } : {}),
    uncountedTerminatedPods: {
      ...(record.uncounted.succeeded.length > 0 ? { succeeded: record.uncounted.succeeded } : {}),
      ...(record.uncounted.failed.length > 0 ? { failed: record.uncounted.failed } : {}),
    },
  }
}

/** A job that is suspended has not started; it starts anew when it is resumed. One that ends has started, even if it never ran. */
function startOf(
  { spec, status }: Job,
  { suspends, resumes, ends, time }: { suspends: boolean; resumes: boolean; ends: boolean; time: string },
): string | undefined {
  if (suspends) return undefined
  if (resumes || (!spec?.suspend && !status?.startTime)) return time
  return status?.startTime ?? (ends ? time : undefined)
}

function tellChanges(
  job: Job,
  status: JobStatus,
  { verdict, context }: { verdict: Verdict | undefined; context: ControllerContext },
): void {
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string) => context.events.event(job, type, reason, message)
  const turned = (type: string) => {
    const after = conditionOf(status.conditions, type)?.status
    return after !== undefined && after !== conditionOf(job.status?.conditions, type)?.status ? after : undefined
  }
  const suspended = turned('Suspended')
  if (suspended === 'True') tell('Normal', 'Suspended', 'Job suspended')
  else if (suspended) tell('Normal', 'Resumed', 'Job resumed')
  if (verdict && turned('Failed') === 'True') tell('Warning', verdict.reason, verdict.message)
  if (!verdict || turned('Complete') !== 'True') return
  const { completions } = job.spec ?? {}
  if (completions !== undefined && (status.succeeded ?? 0) > completions)
    tell('Warning', 'TooManySucceededPods', 'Too many succeeded pods running after completion count reached')
  tell('Normal', 'Completed', 'Job completed')
}

/** Pods of a job that is finished or gone need no counting any more. */
async function releasePods(key: ObjectKey, job: Job | undefined, context: ControllerContext): Promise<void> {
  const pods = context.informers.of(Pod)
  const owned = job ? pods.ownedBy(job.metadata?.uid ?? '') : pods.by(countedFor, `${key.namespace}/${key.name}`)
  await untrack(
    owned.filter((pod) => countedFor(pod) !== ''),
    context.client,
  )
}

/** The job that is to count the pod, by namespace and name. */
function countedFor(pod: Pod): string {
  const owner = isTracked(pod) ? controllerOf(pod) : undefined
  return owner?.kind === 'Job' ? `${pod.metadata?.namespace}/${owner.name}` : ''
}

async function claimPods(job: Job, { client, informers }: ControllerContext): Promise<Pod[]> {
  const pods = informers.of(Pod)
  const candidates = [...pods.ownedBy(job.metadata?.uid ?? ''), ...pods.orphans(job.metadata?.namespace ?? '')]
  const matches = selectorMatcher(job.spec?.selector)
  return claim(candidates, {
    client,
    ownerKind: Job,
    owner: job,
    dependentKind: Pod,
    // Who is adopted is counted from then on.
    finalizer: TRACKING,
    matches: (pod) => matches(pod.metadata?.labels),
  })
}

function normal(status: JobStatus | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0 && value !== undefined && !equal(value, {})))
}
