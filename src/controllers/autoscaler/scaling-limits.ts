// From what the metrics want to what is done: recommendations are steadied over a window, and changes kept to the pace that policies allow. What was
// recommended and done is remembered here alone: after a restart it begins anew, as upstream's does.
import type { HPAScalingRulesV2, HorizontalPodAutoscalerBehaviorV2 } from '#api/generated/types.ts'

const DOWNSCALE_STABILIZATION_SECONDS = 300

interface Recommendation {
  replicas: number
  at: number
}

interface Change {
  /** Never negative. */
  by: number
  at: number
  outdated: boolean
}

export interface Limits {
  current: number
  desired: number
  min: number
  max: number
  now: number
}

export interface Verdict {
  reason: string
  message: string
}

export interface Limited extends Verdict {
  replicas: number
}

const WITHIN: Verdict = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' }
const TOO_MANY: Verdict = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' }
const TOO_FEW: Verdict = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' }
const TOO_FAST_UP: Verdict = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
}
const TOO_FAST_DOWN: Verdict = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
}
const STEADY: Verdict = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
const WERE_HIGHER: Verdict = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
}
const WERE_LOWER: Verdict = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
}

/** What is remembered of one autoscaler. */
export class ScalingHistory {
  #recommendations: Recommendation[] = []
  #ups: Change[] = []
  #downs: Change[] = []

  /** What was there before anything was recommended counts as the first recommendation. */
  begin(replicas: number, now: number): void {
    if (this.#recommendations.length === 0) this.#recommendations.push({ replicas, at: now })
  }

  /** Without behaviour: the highest of the last five minutes. */
  stabilize(desired: number, now: number): Limited {
    const cutoff = now - DOWNSCALE_STABILIZATION_SECONDS * 1000
    let replicas = desired
    for (const recommendation of this.#recommendations)
      if (recommendation.at >= cutoff && recommendation.replicas > replicas) replicas = recommendation.replicas
    this.#remember(desired, now, cutoff)
    return { replicas, ...(replicas === desired ? STEADY : WERE_HIGHER) }
  }

  stabilizeBy({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehaviorV2, { current, desired, now }: Limits): Limited {
    const upCutoff = now - (scaleUp?.stabilizationWindowSeconds ?? 0) * 1000
    const downCutoff = now - (scaleDown?.stabilizationWindowSeconds ?? DOWNSCALE_STABILIZATION_SECONDS) * 1000
    let lowest = desired
    let highest = desired
    for (const { replicas, at } of this.#recommendations) {
      if (at > upCutoff) lowest = Math.min(lowest, replicas)
      if (at > downCutoff) highest = Math.max(highest, replicas)
    }
    this.#remember(desired, now, Math.min(upCutoff, downCutoff))
    const replicas = Math.min(Math.max(current, lowest), highest)
    return { replicas, ...(replicas === desired ? STEADY : desired >= current ? WERE_LOWER : WERE_HIGHER) }
  }

  /** At the pace the behaviour's policies allow. */
  limitBy({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehaviorV2, { current, desired, min, max, now }: Limits): Limited {
    if (desired > current) {
      const pace = Math.max(current, this.#paceUp(scaleUp, current, now))
      const most = Math.min(max, pace)
      if (desired > most) return { replicas: most, ...(max > pace ? TOO_FAST_UP : TOO_MANY) }
    } else if (desired < current) {
      const pace = Math.min(current, this.#paceDown(scaleDown, current, now))
      const least = Math.max(min, pace)
      if (desired < least) return { replicas: least, ...(min < pace ? TOO_FAST_DOWN : TOO_FEW) }
    }
    return { replicas: desired, ...WITHIN }
  }

  /** Only who has a behaviour has a pace to keep. */
  scaled(behavior: HorizontalPodAutoscalerBehaviorV2 | undefined, from: number, to: number, now: number): void {
    if (!behavior) return
    const up = to > from
    const changes = up ? this.#ups : this.#downs
    const longestMs = Math.max(0, ...((up ? behavior.scaleUp : behavior.scaleDown)?.policies ?? []).map((one) => one.periodSeconds)) * 1000
    for (const change of changes) if (change.at < now - longestMs) change.outdated = true
    const change: Change = { by: Math.abs(to - from), at: now, outdated: false }
    const free = changes.findLastIndex(({ outdated }) => outdated)
    if (free < 0) changes.push(change)
    else changes[free] = change
  }

  /** The last of those that are too old to matter makes room. */
  #remember(replicas: number, now: number, cutoff: number): void {
    const old = this.#recommendations.findLastIndex(({ at }) => at < cutoff)
    if (old < 0) this.#recommendations.push({ replicas, at: now })
    else this.#recommendations[old] = { replicas, at: now }
  }

  #paceUp(rules: HPAScalingRulesV2 | undefined, current: number, now: number): number {
    if (rules?.selectPolicy === 'Disabled') return current
    const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
      const start = this.#atStart(current, periodSeconds, now)
      // Rounded up: a share of little must not be nothing.
      return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100))
    })
    return rules?.selectPolicy === 'Min' ? Math.min(...proposals) : Math.max(...proposals)
  }

  #paceDown(rules: HPAScalingRulesV2 | undefined, current: number, now: number): number {
    if (rules?.selectPolicy === 'Disabled') return current
    const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
      const start = this.#atStart(current, periodSeconds, now)
      return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100))
    })
    return rules?.selectPolicy === 'Min' ? Math.max(...proposals) : Math.min(...proposals)
  }

  #atStart(current: number, periodSeconds: number, now: number): number {
    const within = (changes: readonly Change[]) =>
      changes.reduce((sum, { at, by }) => (at > now - periodSeconds * 1000 ? sum + by : sum), 0)
    return current - within(this.#ups) + within(this.#downs)
  }
}

/** Without behaviour: twice as many at once, or four. */
export function limitByRange({ current, desired, min, max }: Limits): Limited {
  const pace = Math.max(2 * current, 4)
  const most = Math.min(max, pace)
  if (desired < min) return { replicas: min, ...TOO_FEW }
  if (desired > most) return { replicas: most, ...(max > pace ? TOO_FAST_UP : TOO_MANY) }
  return { replicas: desired, ...WITHIN }
}
