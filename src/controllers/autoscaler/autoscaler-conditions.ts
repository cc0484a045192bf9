// The conditions of an autoscaler during one pass: set again and again, written once. Each keeps its place and the time its status last changed.
import type { HorizontalPodAutoscalerConditionV2 } from '#api/generated/types.ts'
import { type Clock, formatTime } from '#lib/clock.ts'

export type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited'

export class AutoscalerConditions {
  #list: readonly HorizontalPodAutoscalerConditionV2[]
  readonly #present: readonly HorizontalPodAutoscalerConditionV2[]
  readonly #clock: Clock

  constructor(present: readonly HorizontalPodAutoscalerConditionV2[] | undefined, clock: Clock) {
    this.#present = this.#list = present ?? []
    this.#clock = clock
  }

  get list(): readonly HorizontalPodAutoscalerConditionV2[] {
    return this.#list
  }

  get changed(): boolean {
    const present = this.#present
    return this.#list.length !== present.length || this.#list.some((condition, at) => !isSame(condition, present[at]!))
  }

  set(type: ConditionType, holds: boolean, { reason, message }: { reason: string; message: string }): void {
    const status = holds ? 'True' : 'False'
    const at = this.#list.findIndex((condition) => condition.type === type)
    const present = this.#list[at]
    if (present?.status === status && present.reason === reason && present.message === message) return
    const lastTransitionTime = present?.status === status ? present.lastTransitionTime : formatTime(this.#clock.now())
    const next = { ...present, type, status, ...(lastTransitionTime ? { lastTransitionTime } : {}), reason, message }
    this.#list = present ? this.#list.with(at, next) : [...this.#list, next]
  }
}

function isSame(left: HorizontalPodAutoscalerConditionV2, right: HorizontalPodAutoscalerConditionV2): boolean {
  return (
    left === right ||
    (left.type === right.type &&
      left.status === right.status &&
      left.lastTransitionTime === right.lastTransitionTime &&
      left.reason === right.reason &&
      left.message === right.message)
  )
}
