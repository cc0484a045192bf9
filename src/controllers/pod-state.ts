// What controllers ask of a pod: is it alive, ready, available, and since when.
import { conditionOf, isConditionTrue } from '#api/conditions.ts'
import { isFinished } from '#api/finished-pod.ts'
import type { Pod } from '#api/kinds/core/pod.ts'

/** Neither finished nor on its way out. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !pod.metadata?.deletionTimestamp
}

export function isTerminating(pod: Pod): boolean {
  return !isFinished(pod) && pod.metadata?.deletionTimestamp !== undefined
}

/** What whoever writes a pod's status or a condition of it notes: which spec that is about. */
export function observedGenerationOf({ metadata }: Pod): { observedGeneration?: number } {
  return metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }
}

export function isReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, 'Ready')
}

/** Milliseconds until a pod counts as available: 0 when it does, undefined when it is not even ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = conditionOf(pod.status?.conditions, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  if (!ready.lastTransitionTime) return undefined
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - now)
}

export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return availableInMs(pod, minReadySeconds, now) === 0
}

/** For informers' `by`: the pods of one node. */
export function nodeNameOf({ spec }: Pod): string {
  return spec?.nodeName ?? ''
}
