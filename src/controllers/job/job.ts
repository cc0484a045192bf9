// job-controller: runs pods until enough of them have succeeded or too many failed, and counts each pod exactly once.
// A pod carries a finalizer until the status tells of it: status first, finalizer second, so that a crash between them loses nothing.
import type { JobCondition, JobStatus } from '#api/generated/types.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type ObjectKey } from '#api/object.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped, ownersOf } from '#client/triggers.ts'
import { conditionOf, withCondition } from '#controllers/conditions.ts'
import { selectorMatcher, selectorMatches } from '#api/validation/label-selector.ts'
import { claim, controllerOf } from '#controllers/owners.ts'
import { createPod, deletePod, isNamespaceTerminating, slowStart } from '#controllers/pod-control.ts'
import { formatTime } from '#lib/clock.ts'
import { equal } from '#api/equal.ts'
import { failureAction } from './failure-policy.ts'
import { formatIndexes, parseIndexes } from './indexes.ts'
import { classify, earlierFailures, finishedAt, indexOf, isIndexed, isTracked, type JobPods, newPod, untrack } from './job-pods.ts'
import { type Counts, deadlineInMs, isFinished, verdictOf, type Verdict } from './verdict.ts'

const BURST = 500
const BACKOFF_MS = 10_000
const MAX_BACKOFF_MS = 600_000

export const jobController: Controller = {
  name: 'job-controller',
  workers: 5,
  triggers: [
    itself(Job),
    ownersOf(Pod, Job),
    mapped(Pod, (pod, informers) => {
      if (controllerOf(pod) || !pod.metadata?.labels) return []
      const jobs = informers.of(Job).list(pod.metadata.namespace)
      return jobs.filter(({ spec }) => selectorMatches(spec?.selector, pod.metadata?.labels)).map((job) => keyOf(job))
    }),
  ],
  async reconcile(key, context) {
    const job = context.informers.of(Job).get(key)
    if (!job?.metadata?.uid || isFinished(job)) return releasePods(key, job, context)
    if (job.spec?.managedBy && job.spec.managedBy !== 'kubernetes.io/job-controller') return
    return sync(job, await claimPods(job, context), context)
  },
}

async function sync(job: Job, pods: readonly Pod[], context: ControllerContext): Promise<{ requeueAfterMs: number } | void> {
  const now = context.clock.now()
  const groups = classify(job, pods)
  const tally = countPods(job, groups)
  const verdict = job.metadata?.deletionTimestamp ? undefined : verdictOf(job, { ...tally, active: groups.active, now })

  let waitMs: number | undefined
  let failure: unknown
  if (verdict || job.spec?.suspend) failure = await deletePods(job, groups.active, context)
  else if (!job.metadata?.deletionTimestamp) ({ waitMs, failure } = await steer(job, groups, { tally, context }))

  const status = statusOf(job, { groups, tally, verdict, now })
  if (!equal(normal(status), normal(job.status))) {
    await context.client.update(Job, { ...job, status }, { subresource: 'status' })
    tellChanges(job, status, { verdict, context })
  }
  await untrack([...tally.counted], context.client)
  if (failure !== undefined) throw failure
  const waits = [waitMs, deadlineInMs(job, now)].filter((wait) => wait !== undefined && wait > 0) as number[]
  if (waits.length > 0 && !verdict) return { requeueAfterMs: Math.min(...waits) }
}

interface Tally extends Omit<Counts, 'active' | 'now'> {
  /** Pods that may lose their finalizer once the status is written. */
  counted: Pod[]
  uncounted: { succeeded: string[]; failed: string[] }
  statusSucceeded: number
  statusFailed: number
  lastFailureMs: number
  /** Since the last success. */
  failuresInRow: number
}

/** Adds what is not yet in the status to what is. A pod is in `uncounted` from its count until its finalizer is seen gone. */
function countPods(job: Job, { succeeded, failed }: JobPods): Tally {
  const { status = {}, spec } = job
  const completions = spec?.completions ?? 0
  const tracked = new Set([...succeeded, ...failed].filter(isTracked).map(({ metadata }) => metadata?.uid ?? ''))
  const before = { succeeded: status.uncountedTerminatedPods?.succeeded ?? [], failed: status.uncountedTerminatedPods?.failed ?? [] }
  let statusSucceeded = status.succeeded ?? 0
  let statusFailed = status.failed ?? 0
  const still = (uids: readonly string[]) => uids.filter((uid) => tracked.has(uid))
  const uncounted = { succeeded: still(before.succeeded), failed: still(before.failed) }
  if (!isIndexed(job)) statusSucceeded += before.succeeded.length - uncounted.succeeded.length
  statusFailed += before.failed.length - uncounted.failed.length

  const completedIndexes = parseIndexes(status.completedIndexes, completions)
  const failedIndexes = parseIndexes(status.failedIndexes, completions)
  const counted: Pod[] = []
  const newlyFailed: Pod[] = []
  for (const pod of succeeded) {
    if (!isTracked(pod)) continue
    counted.push(pod)
    const uid = pod.metadata!.uid!
    const index = indexOf(pod)
    if (isIndexed(job)) {
      if (index !== undefined && index < completions && !failedIndexes.has(index)) completedIndexes.add(index)
    } else if (!uncounted.succeeded.includes(uid)) uncounted.succeeded.push(uid)
  }
  const ignored = new Set<Pod>()
  for (const pod of failed) {
    if (!isTracked(pod)) continue
    counted.push(pod)
    const uid = pod.metadata!.uid!
    if (uncounted.failed.includes(uid)) continue
    const { action } = failureAction(job, pod)
    newlyFailed.push(pod)
    if (action === 'Ignore') {
      ignored.add(pod)
      continue
    }
    uncounted.failed.push(uid)
    const index = indexOf(pod)
    const limit = spec?.backoffLimitPerIndex
    if (isIndexed(job) && limit !== undefined && index !== undefined && !completedIndexes.has(index)) {
      if (action === 'FailIndex' || earlierFailures(pod) >= limit) failedIndexes.add(index)
    }
  }
  if (isIndexed(job)) statusSucceeded = completedIndexes.size
  const failures = failed.filter((pod) => !ignored.has(pod))
  const lastSuccessMs = lastEnd(succeeded)
  return {
    succeeded: isIndexed(job) ? completedIndexes.size : statusSucceeded + uncounted.succeeded.length,
    failed: statusFailed + uncounted.failed.length,
    newlyFailed,
    completedIndexes,
    failedIndexes,
    counted,
    uncounted,
    statusSucceeded,
    statusFailed,
    lastFailureMs: lastEnd(failures),
    failuresInRow: failures.filter((pod) => finishedAt(pod) > lastSuccessMs).length,
  }
}

/** Moves the number of running pods towards what is wanted. */
async function steer(
  job: Job,
  { active, terminating, failed }: JobPods,
  { tally, context }: { tally: Tally; context: ControllerContext },
): Promise<{ waitMs?: number; failure?: unknown }> {
  const { parallelism = 1, completions, podReplacementPolicy, backoffLimitPerIndex } = job.spec ?? {}
  const left = completions === undefined ? Infinity : completions - tally.succeeded - tally.failedIndexes.size
  const wanted = completions === undefined && tally.succeeded > 0 ? active.length : Math.min(parallelism, left)
  if (active.length > wanted) return { failure: await deletePods(job, leastUseful(active).slice(0, active.length - wanted), context) }
  const waitsForEnd = podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined
  const missing = wanted - active.length - (waitsForEnd ? terminating.length : 0)
  if (missing <= 0) return {}
  const now = context.clock.now()
  const waits: number[] = []
  // An index that has a limit of its own waits by its own failures and holds nobody else up.
  const isDue = (index: number) => {
    const mine = failed.filter((pod) => indexOf(pod) === index)
    const waitMs = backoffLimitPerIndex === undefined ? 0 : backoffMs(mine.length > 0 ? failuresOf(index, failed) : 0, lastEnd(mine), now)
    if (waitMs > 0) waits.push(waitMs)
    return waitMs === 0
  }
  if (backoffLimitPerIndex === undefined) {
    const waitMs = backoffMs(tally.failuresInRow, tally.lastFailureMs, now)
    if (waitMs > 0) return { waitMs }
  }
  const busy = [...active, ...(waitsForEnd ? terminating : [])]
  const indexes = isIndexed(job) ? freeIndexes(job, busy, { tally, count: missing, isDue }) : undefined
  const count = Math.min(BURST, indexes?.length ?? missing)
  let next = 0
  const { error } = await slowStart(count, () => {
    const index = indexes?.[next++]
    const failures = index !== undefined && backoffLimitPerIndex !== undefined ? failuresOf(index, failed) : undefined
    return createPod(newPod(job, index, failures), job, context)
  })
  const waitMs = waits.length > 0 ? { waitMs: Math.min(...waits) } : {}
  return isNamespaceTerminating(error) ? waitMs : { ...waitMs, failure: error }
}

interface FreeIndexOptions {
  tally: Tally
  count: number
  isDue(index: number): boolean
}

function freeIndexes(job: Job, taken: readonly Pod[], { tally, count, isDue }: FreeIndexOptions): number[] {
  const busy = new Set(taken.map((pod) => indexOf(pod)))
  const free: number[] = []
  for (let index = 0; index < (job.spec?.completions ?? 0) && free.length < count; index++) {
    if (!busy.has(index) && !tally.completedIndexes.has(index) && !tally.failedIndexes.has(index) && isDue(index)) free.push(index)
  }
  return free
}

function failuresOf(index: number, failed: readonly Pod[]): number {
  const counts = failed.filter((pod) => indexOf(pod) === index).map((pod) => earlierFailures(pod) + 1)
  return Math.max(0, ...counts)
}

/** After failures in a row new pods come later and later: 10 s, doubling, at most 10 minutes after the last failure. */
function backoffMs(failures: number, lastFailureMs: number, now: number): number {
  if (failures === 0 || lastFailureMs === 0) return 0
  return Math.max(0, lastFailureMs + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1)) - now)
}

function lastEnd(pods: readonly Pod[]): number {
  return Math.max(0, ...pods.map((pod) => finishedAt(pod)))
}

function statusOf(
  job: Job,
  { groups, tally, verdict, now }: { groups: JobPods; tally: Tally; verdict: Verdict | undefined; now: number },
): JobStatus {
  const { spec, status = {} } = job
  const time = formatTime(now)
  const active = verdict || spec?.suspend ? 0 : groups.active.length
  const leaving = verdict || spec?.suspend ? groups.active.length + groups.terminating.length : groups.terminating.length
  const hasUncounted = tally.uncounted.succeeded.length + tally.uncounted.failed.length > 0
  let conditions = status.conditions ?? []
  const set = (type: string, value: string, reason: string, message: string) => {
    const next: JobCondition = { type, status: value, reason, message, lastProbeTime: time, lastTransitionTime: time }
    conditions = withCondition(conditions, next)
  }
  const suspended = conditionOf(conditions, 'Suspended')?.status === 'True'
  if (spec?.suspend && !suspended && !verdict) set('Suspended', 'True', 'JobSuspended', 'Job suspended')
  else if (!spec?.suspend && suspended) set('Suspended', 'False', 'JobResumed', 'Job resumed')
  let completionTime = status.completionTime
  if (verdict) {
    set(verdict.outcome === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet', 'True', verdict.reason, verdict.message)
    // The last word is spoken when every pod has ended and been counted.
    if (leaving === 0 && tally.counted.length === 0 && !hasUncounted) {
      set(verdict.outcome, 'True', verdict.reason, verdict.message)
      if (verdict.outcome === 'Complete') completionTime ??= time
    }
  }
  // A job starts anew when it is resumed; one that ends has started, even if it never ran.
  const starts = !spec?.suspend && (suspended || !status.startTime)
  const startTime = starts ? time : (status.startTime ?? (verdict ? time : undefined))
  const indexed = isIndexed(job)
  return {
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(startTime ? { startTime } : {}),
    ...(completionTime ? { completionTime } : {}),
    active,
    ready: verdict || spec?.suspend ? 0 : groups.ready,
    terminating: leaving,
    succeeded: tally.statusSucceeded,
    failed: tally.statusFailed,
    ...(indexed && tally.completedIndexes.size > 0 ? { completedIndexes: formatIndexes(tally.completedIndexes) } : {}),
    ...(indexed && spec?.backoffLimitPerIndex !== undefined ? { failedIndexes: formatIndexes(tally.failedIndexes) } : {}),
    uncountedTerminatedPods: {
      ...(tally.uncounted.succeeded.length > 0 ? { succeeded: tally.uncounted.succeeded } : {}),
      ...(tally.uncounted.failed.length > 0 ? { failed: tally.uncounted.failed } : {}),
    },
  }
}

function tellChanges(
  job: Job,
  status: JobStatus,
  { verdict, context }: { verdict: Verdict | undefined; context: ControllerContext },
): void {
  const turned = (type: string) => {
    const after = conditionOf(status.conditions, type)?.status
    return after !== undefined && after !== conditionOf(job.status?.conditions, type)?.status ? after : undefined
  }
  const suspended = turned('Suspended')
  if (suspended)
    context.events.event(
      job,
      'Normal',
      suspended === 'True' ? 'Suspended' : 'Resumed',
      suspended === 'True' ? 'Job suspended' : 'Job resumed',
    )
  if (verdict && turned('Complete') === 'True') context.events.event(job, 'Normal', 'Completed', 'Job completed')
  if (verdict && turned('Failed') === 'True') context.events.event(job, 'Warning', verdict.reason, verdict.message)
}

/** Pods of a job that is finished or gone need no counting any more. */
async function releasePods(key: ObjectKey, job: Job | undefined, context: ControllerContext): Promise<void> {
  const pods = context.informers
    .of(Pod)
    .list(key.namespace)
    .filter((pod) => {
      const owner = controllerOf(pod)
      return isTracked(pod) && owner?.kind === 'Job' && (job ? owner.uid === job.metadata?.uid : owner.name === key.name)
    })
  await untrack(pods, context.client)
}

async function deletePods(job: Job, pods: readonly Pod[], context: ControllerContext): Promise<unknown> {
  const results = await Promise.allSettled(pods.map((pod) => deletePod(pod, job, context)))
  return results.find((result) => result.status === 'rejected')?.reason
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
    matches: (pod) => matches(pod.metadata?.labels),
  })
}

function leastUseful(pods: readonly Pod[]): Pod[] {
  const rank = ({ spec, status }: Pod) => (spec?.nodeName ? 2 : 0) + (status?.phase === 'Running' ? 1 : 0)
  return [...pods].sort((a, b) => rank(a) - rank(b))
}

function normal(status: JobStatus | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0 && value !== undefined && !equal(value, {})))
}
