// Moves the number of a Job's running pods towards what is wanted: takes away those that are too many, or makes new ones, never both at once.
import type { Job } from '#api/kinds/batch/job.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { EarlyEnds } from '#controllers/failed-pods.ts'
import { createPod, deletePod, isNamespaceTerminating, slowStart } from '#controllers/pod-control.ts'
import { byUsefulness } from '#controllers/replicas/deletion-order.ts'
import { backoffMs, type Failures } from './backoff.ts'
import { failureAction } from './failure-policy.ts'
import {
  earlierFailures,
  finishedAt,
  ignoredFailures,
  indexOf,
  isIndexed,
  type JobPods,
  newPod,
  replacesOnlyFailed,
  untrack,
} from './job-pods.ts'
import type { Tally } from './tally.ts'

const BURST = 500

export interface Steered {
  /** Pods that were running and no longer are. */
  removed: readonly Pod[]
  created: number
  waitMs?: number
  failure?: unknown
}

export async function steer(
  job: Job,
  { active, terminating }: JobPods,
  { tally, failures, ends, context }: { tally: Tally; failures: Failures; ends: EarlyEnds; context: ControllerContext },
): Promise<Steered> {
  const { parallelism = 1, completions, suspend, backoffLimitPerIndex } = job.spec ?? {}
  const left = completions === undefined ? Infinity : Math.max(0, completions - tally.succeeded)
  const running = completions === undefined && tally.succeeded > 0 ? active.length : Math.min(parallelism, left)
  const wanted = suspend ? 0 : running
  const surplus = surplusOf(job, active, Math.max(0, active.length - wanted)).slice(0, suspend ? active.length : BURST)
  if (surplus.length > 0 || suspend) return takeAway(job, surplus, context)

  const onlyFailed = replacesOnlyFailed(job)
  const missing = wanted - active.length - (onlyFailed ? terminating.length : 0)
  if (missing <= 0) return { removed: [], created: 0 }
  const now = context.clock.now()
  const waitMs = Math.max(backoffLimitPerIndex === undefined ? backoffMs(failures, now) : 0, ends.holdBack(job, wanted, context))
  if (waitMs > 0) return { removed: [], created: 0, waitMs }
  if (!isIndexed(job))
    return create(job, Array<undefined>(Math.min(BURST, missing)).fill(undefined), { tally, context: { ...context, ends } })

  const pending = pendingIndexes(job, [...active, ...(onlyFailed ? terminating : [])], { tally, count: Math.min(BURST, missing) })
  const waits = new Map(pending.map((index) => [index, waitOf(tally.awaited.get(index), now)]))
  const due = pending.filter((index) => waits.get(index) === 0)
  const rest = Math.min(...[...waits.values()].filter((wait) => wait > 0))
  return { ...(await create(job, due, { tally, context: { ...context, ends } })), ...(rest === Infinity ? {} : { waitMs: rest }) }
}

/** Pods that were not needed any more did not fail: their finalizer goes first, so that nobody counts them. */
async function takeAway(job: Job, pods: readonly Pod[], context: ControllerContext): Promise<Steered> {
  const results = await Promise.allSettled(
    pods.map(async (pod) => {
      await untrack([pod], context.client)
      await deletePod(pod, job, context)
      return pod
    }),
  )
  const removed = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  return { removed, created: 0, failure: results.find((result) => result.status === 'rejected')?.reason }
}

async function create(
  job: Job,
  indexes: readonly (number | undefined)[],
  { tally, context }: { tally: Tally; context: ControllerContext & { ends: EarlyEnds } },
): Promise<Steered> {
  let next = 0
  const { succeeded, error } = await slowStart(indexes.length, () => {
    const index = indexes[next++]
    return createPod(newPod(job, index, countsOf(job, tally.awaited.get(index ?? -1))), job, context)
  })
  return { removed: [], created: succeeded, failure: isNamespaceTerminating(error) ? undefined : error }
}

/** What the pod that takes the place of `failed` knows of those before it. */
function countsOf(job: Job, failed: Pod | undefined): { failures: number; ignored: number } | undefined {
  if (job.spec?.backoffLimitPerIndex === undefined) return undefined
  if (!failed) return { failures: 0, ignored: 0 }
  const ignores = failureAction(job, failed).action === 'Ignore'
  return { failures: earlierFailures(failed) + Number(!ignores), ignored: ignoredFailures(failed) + Number(ignores) }
}

/** Each index that has a limit of its own waits by its own failures. */
function waitOf(failed: Pod | undefined, now: number): number {
  if (!failed) return 0
  return backoffMs({ inRow: earlierFailures(failed) + ignoredFailures(failed) + 1, lastMs: finishedAt(failed) }, now)
}

function pendingIndexes(job: Job, taken: readonly Pod[], { tally, count }: { tally: Tally; count: number }): number[] {
  const busy = new Set(taken.map((pod) => indexOf(pod)))
  const free: number[] = []
  for (const index of tally.completedIndexes.union(tally.failedIndexes).missing(job.spec?.completions ?? 0)) {
    if (free.length >= count) break
    if (!busy.has(index)) free.push(index)
  }
  return free
}

/** At least `count` pods: all that have no index, one that does not exist, or one that another has as well; then the least useful. */
function surplusOf(job: Job, active: readonly Pod[], count: number): Pod[] {
  // Looked for at every pass, and hardly ever there.
  if (count === 0 && !(isIndexed(job) && hasMisfits(job, active))) return []
  const removed: Pod[] = []
  let left = [...active].sort(byUsefulness)
  if (isIndexed(job)) {
    const fits = indexFits(job)
    const kept: Pod[] = []
    for (const pod of left.toReversed()) (fits(pod) ? kept : removed).push(pod)
    left = kept.reverse()
  }
  return [...removed, ...left.slice(0, Math.max(0, count - removed.length))]
}

function hasMisfits(job: Job, active: readonly Pod[]): boolean {
  const fits = indexFits(job)
  return active.some((pod) => !fits(pod))
}

/** Asked of one pod after another: whether its index exists and is nobody's so far. */
function indexFits(job: Job): (pod: Pod) => boolean {
  const seen = new Set<number>()
  return (pod) => {
    const index = indexOf(pod)
    if (index === undefined || index >= (job.spec?.completions ?? 0) || seen.has(index)) return false
    seen.add(index)
    return true
  }
}
