// What is asked of V8 at rest and under load. At rest, and while a cluster starts, the young generation stays as small as it is: what a start leaves
// behind would make it grow for nothing. Under load it may grow, where fewer collections save a fifth of the work, and what is called again and again is
// compiled for good sooner. Afterwards V8 makes it smaller by itself. Its bounds are flags of the process (see the launcher) and cannot change once it runs.
import { setFlagsFromString } from 'node:v8'
import type { Clock, Timer } from '#lib/clock.ts'

export const AT_REST: readonly string[] = ['--semi-space-growth-factor=1']
/** V8 takes code that was kept only under the flags it was made under. */
export const AT_START: readonly string[] = [...AT_REST, '--invocation-count-for-turbofan=3000']
export const UNDER_LOAD: readonly string[] = ['--semi-space-growth-factor=2', '--invocation-count-for-turbofan=1000']

const LOOK_MS = 2000
/** Of a core. A start is over before it has taken as much of two seconds. */
const LOAD = 0.5

export function tune(flags: readonly string[]): void {
  for (const flag of flags) setFlagsFromString(flag)
}

export interface Tuning extends Timer {
  /** Does something under the flags of the start. */
  asAtStart(work: () => void): void
}

/** At rest first, then as the processor time of this process tells. */
export function tuneByLoad(clock: Clock, { cpuMs = ownCpuMs, apply = tune } = {}): Tuning {
  let flags = AT_REST
  let before = cpuMs()
  let sinceLoad = AT_START
  apply(flags)
  const timer = clock.every(LOOK_MS, () => {
    const now = cpuMs()
    const wanted = now - before > LOOK_MS * LOAD ? UNDER_LOAD : AT_REST
    before = now
    if (wanted === flags) return
    flags = wanted
    if (flags === UNDER_LOAD) sinceLoad = UNDER_LOAD
    apply(flags)
  })
  return {
    ...timer,
    asAtStart(work) {
      apply(AT_START)
      try {
        work()
      } finally {
        apply([...sinceLoad, ...flags])
      }
    },
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
