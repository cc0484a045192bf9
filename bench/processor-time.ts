// The processor time of another process.
import { readdirSync, readFileSync } from 'node:fs'

/** Seconds of all its threads, by the scheduler's own account: ticks would miss what runs for less than one. */
export function cpuSeconds(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9
}
