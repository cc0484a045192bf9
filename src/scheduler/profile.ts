// How pods of one scheduler name are placed: every plugin in the order it is asked, with the weight of its score.
import type { Plugin } from './plugin.ts'
import type { PreemptionLimits } from './preemption.ts'
import { PLUGINS } from './plugin-table.ts'

export interface Profile {
  readonly schedulerName: string
  /** Cheap and decisive filters first: the first refusal of a node ends its check. */
  readonly plugins: readonly { plugin: Plugin; weight: number }[]
  /** Absent: pods of this profile have nobody evicted for them. */
  readonly preemption?: PreemptionLimits
  /** Of all nodes, how many are enough to choose among; 0 or absent: the more nodes, the fewer. */
  readonly percentageOfNodesToScore?: number
}

export const DEFAULT_SCHEDULER_NAME = 'default-scheduler'

export function defaultProfile(): Profile {
  return {
    schedulerName: DEFAULT_SCHEDULER_NAME,
    plugins: PLUGINS.flatMap(({ make, weight = 0 }) => (make ? [{ plugin: make({}), weight }] : [])),
    preemption: {},
  }
}
