// How long a Job waits before it tries again: 10 s after a failure, twice as long after each further one, at most 10 minutes.
// What it knows of failures in a row is lost with the process, as upstream's.
import type { Pod } from '#api/kinds/core/pod.ts'
import { finishedAt } from './job-pods.ts'

const FIRST_MS = 10_000
const MOST_MS = 600_000

/** Failures since the last success, and when the last of them was. */
export interface Failures {
  inRow: number
  lastMs: number
}

export function backoffMs({ inRow, lastMs }: Failures, now: number): number {
  if (inRow === 0 || lastMs === 0) return 0
  return Math.max(0, lastMs + Math.min(MOST_MS, FIRST_MS * 2 ** (inRow - 1)) - now)
}

export function failuresAfter(before: Failures = { inRow: 0, lastMs: 0 }, succeeded: readonly Pod[], failed: readonly Pod[]): Failures {
  const lastSuccessMs = lastEnd(succeeded)
  const since = failed.filter((pod) => finishedAt(pod) > lastSuccessMs)
  if (succeeded.length > 0) return { inRow: since.length, lastMs: lastEnd(since) }
  return failed.length === 0 ? before : { inRow: before.inRow + failed.length, lastMs: lastEnd(failed) }
}

function lastEnd(pods: readonly Pod[]): number {
  return Math.max(0, ...pods.map((pod) => finishedAt(pod)))
}
