// How a Job's pods count. A pod counts from the moment the status names it; its finalizer goes after that, and only then is it a mere number.
import type { Job } from '#api/kinds/batch/job.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { failureAction } from './failure-policy.ts'
import { IndexSet } from './indexes.ts'
import { earlierFailures, finishedAt, hasFailed, ignoredFailures, indexOf, isIndexed, isTracked, type JobPods } from './job-pods.ts'
import type { Verdict } from './verdict.ts'

/** So many pods are named in the status at once; the others have to wait. */
const MOST_UNCOUNTED = 500

/** What a pass goes by. */
export interface Tally {
  succeeded: number
  failed: number
  /** Not yet told in the status. */
  newlySucceeded: Pod[]
  newlyFailed: Pod[]
  completedIndexes: IndexSet
  failedIndexes: IndexSet
  /** Of each index that waits to be tried again, the pod that tells how often it was: it stays until there is another. */
  awaited: Map<number, Pod>
}

/** What the status says afterwards. */
export interface PodRecord {
  /** Pods that may lose their finalizer once the status is written. */
  counted: Pod[]
  uncounted: { succeeded: string[]; failed: string[] }
  succeeded: number
  failed: number
}

/** Pods that belong to no index of an indexed job count for nothing. */
function isValid(job: Job, pod: Pod): boolean {
  if (!isIndexed(job)) return true
  const index = indexOf(pod)
  return index !== undefined && index < (job.spec?.completions ?? 0)
}

const counts = (job: Job, pod: Pod) => failureAction(job, pod).action !== 'Ignore'

export function tallyOf(job: Job, { all, active }: JobPods): Tally {
  const { status = {}, spec } = job
  const completions = spec?.completions ?? 0
  const named = status.uncountedTerminatedPods ?? {}
  const fresh = all.filter((pod) => isTracked(pod) && isValid(job, pod))
  const isNew = (uids: readonly string[] | undefined, pod: Pod) => !uids?.includes(pod.metadata?.uid ?? '')
  const newlySucceeded = fresh.filter((pod) => pod.status?.phase === 'Succeeded' && isNew(named.succeeded, pod))
  const newlyFailed = fresh.filter((pod) => hasFailed(job, pod) && isNew(named.failed, pod))

  const completedIndexes = IndexSet.parse(status.completedIndexes, completions)
  const failedIndexes = IndexSet.parse(status.failedIndexes, completions)
  const awaited = new Map<number, Pod>()
  if (isIndexed(job)) {
    for (const pod of fresh) {
      const index = indexOf(pod)!
      if (pod.status?.phase === 'Succeeded' && !failedIndexes.has(index)) completedIndexes.add(index)
    }
    for (const pod of fresh) if (isLastFailure(job, pod) && !completedIndexes.has(indexOf(pod)!)) failedIndexes.add(indexOf(pod)!)
  }
  if (spec?.backoffLimitPerIndex !== undefined) {
    const busy = new Set(active.map(indexOf))
    for (const pod of fresh) {
      const index = indexOf(pod)!
      if (!hasFailed(job, pod) || completedIndexes.has(index) || failedIndexes.has(index) || busy.has(index)) continue
      const other = awaited.get(index)
      if (!other || (tries(other) <= tries(pod) && finishedAt(pod) >= finishedAt(other))) awaited.set(index, pod)
    }
  }
  const failed = (status.failed ?? 0) + (named.failed?.length ?? 0) + newlyFailed.filter((pod) => counts(job, pod)).length
  const succeeded = (status.succeeded ?? 0) + (named.succeeded?.length ?? 0) + newlySucceeded.length
  return {
    succeeded: isIndexed(job) ? completedIndexes.size : succeeded,
    failed,
    newlySucceeded,
    newlyFailed,
    completedIndexes,
    failedIndexes,
    awaited,
  }
}

/** How often the index had been tried before this pod. */
const tries = (pod: Pod) => earlierFailures(pod) + ignoredFailures(pod)

function isLastFailure(job: Job, pod: Pod): boolean {
  const limit = job.spec?.backoffLimitPerIndex
  if (limit === undefined || !hasFailed(job, pod)) return false
  const { action } = failureAction(job, pod)
  return action === 'FailIndex' || (action !== 'Ignore' && earlierFailures(pod) >= limit)
}

/** Names pods in the status, and takes those out of it that are seen without their finalizer. */
export function recordOf(job: Job, { all }: JobPods, { tally, verdict }: { tally: Tally; verdict: Verdict | undefined }): PodRecord {
  const { status = {} } = job
  const tracked = new Set(all.filter(isTracked).map(({ metadata }) => metadata?.uid ?? ''))
  const before = { succeeded: status.uncountedTerminatedPods?.succeeded ?? [], failed: status.uncountedTerminatedPods?.failed ?? [] }
  const still = (uids: readonly string[]) => uids.filter((uid) => tracked.has(uid))
  const uncounted = { succeeded: still(before.succeeded), failed: still(before.failed) }
  const record: PodRecord = {
    counted: [],
    uncounted,
    succeeded: isIndexed(job)
      ? tally.completedIndexes.size
      : (status.succeeded ?? 0) + before.succeeded.length - uncounted.succeeded.length,
    failed: (status.failed ?? 0) + before.failed.length - uncounted.failed.length,
  }
  for (const pod of all) {
    if (!isTracked(pod) || !mayGo(job, pod, { tally, verdict })) continue
    if (uncounted.succeeded.length + uncounted.failed.length >= MOST_UNCOUNTED) break
    record.counted.push(pod)
    const uid = pod.metadata!.uid!
    if (uncounted.failed.includes(uid)) continue
    if (pod.status?.phase === 'Succeeded') {
      // The list of indexes is memory enough.
      if (!isIndexed(job) && !uncounted.succeeded.includes(uid)) uncounted.succeeded.push(uid)
    } else if ((hasFailed(job, pod) || verdict?.outcome === 'Failed') && isValid(job, pod) && counts(job, pod)) uncounted.failed.push(uid)
  }
  return record
}

/** Whether nothing more is expected of the pod. Of a job that is over or going, of none. */
function mayGo(job: Job, pod: Pod, { tally, verdict }: { tally: Tally; verdict: Verdict | undefined }): boolean {
  if (job.metadata?.deletionTimestamp || verdict || pod.status?.phase === 'Succeeded') return true
  return hasFailed(job, pod) && tally.awaited.get(indexOf(pod) ?? -1) !== pod
}
