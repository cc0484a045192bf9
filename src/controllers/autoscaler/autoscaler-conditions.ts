// The conditions of an autoscaler during one pass: set again and again, written once. Each keeps its place and the time its status last changed.
import type { HorizontalPodAutoscalerConditionV2 } from '#api/generated/types.ts'
import { type Clock, formatTime } from '#lib/clock.ts'

export type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited'

export class AutoscalerConditions {
  readonly list: HorizontalPodAutoscalerConditionV2[]
  readonly #clock: Clock

  constructor(present: readonly HorizontalPodAutoscalerConditionV2[] | undefined, clock: Clock) {
    this.list = (present ?? []).map((condition) => ({ ...condition }))
    this.#clock = clock
  }

  set(type: ConditionType, holds: boolean, { reason, message }: { reason: string; message: string }): void {
    const status = holds ? 'True' : 'False'
    const present = this.list.find((condition) => condition.type === type)
    if (present?.status === status) Object.assign(present, { reason, message })
    else {
      const lastTransitionTime = formatTime(this.#clock.now())
      if (present) Object.assign(present, { status, lastTransitionTime, reason, message })
      else this.list.push({ type, status, lastTransitionTime, reason, message })
    }
  }
}
