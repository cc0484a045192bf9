// The conditions of an autoscaler during one pass: set again and again, written once. Each keeps its place and the time its status last changed.
import type { HorizontalPodAutoscalerConditionV2 } from '#api/generated/types.ts'
import { type Clock, formatTime } from '#lib/clock.ts'

export type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited'

export class AutoscalerConditions {
  readonly list: HorizontalPodAutoscalerConditionV2[]
  readonly #now: string

  constructor(present: readonly HorizontalPodAutoscalerConditionV2[] | undefined, clock: Clock) {
    this.list = (present ?? []).map((condition) => ({ ...condition }))
    this.#now = formatTime(clock.now())
  }

  set(type: ConditionType, holds: boolean, { reason, message }: { reason: string; message: string }): void {
    const status = holds ? 'True' : 'False'
    const present = this.list.find((condition) => condition.type === type)
    if (!present) this.list.push({ type, status, lastTransitionTime: this.#now, reason, message })
    else Object.assign(present, { ...(present.status === status ? {} : { status, lastTransitionTime: this.#now }), reason, message })
  }
}
