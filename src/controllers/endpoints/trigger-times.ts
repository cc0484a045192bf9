// When the change that led to an update of endpoints happened: the oldest one since the last sync. Lets others measure how long it took.
import { conditionOf } from '#api/conditions.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Service } from '#api/kinds/core/service.ts'
import { keyOf, keyText } from '#api/object.ts'
import { formatTime } from '#lib/clock.ts'

interface Seen {
  service: number
  pods: Map<string, number>
}

export class TriggerTimes {
  #seen = new Map<string, Seen>()

  /** The time to write into the annotation, or undefined when nothing changed that has a time. */
  next(service: Service, pods: readonly Pod[]): string | undefined {
    const key = keyText(keyOf(service))
    const before = this.#seen.get(key)
    const now: Seen = { service: Date.parse(service.metadata?.creationTimestamp ?? '') || 0, pods: new Map() }
    for (const pod of pods) now.pods.set(pod.metadata?.name ?? '', changedAt(pod))
    this.#seen.set(key, now)

    const times: number[] = []
    if (before?.service !== now.service) times.push(now.service)
    for (const [name, time] of now.pods) {
      const earlier = before?.pods.get(name)
      if (earlier === undefined ? before !== undefined || times.length === 0 : time > earlier) times.push(time)
    }
    const known = times.filter((time) => time > 0)
    return known.length > 0 ? formatTime(Math.min(...known)) : undefined
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}

function changedAt(pod: Pod): number {
  const deleted = Date.parse(pod.metadata?.deletionTimestamp ?? '') || 0
  const ready = conditionOf(pod.status?.conditions, 'Ready')
  const turned = ready ? Date.parse(ready.lastTransitionTime ?? '') || 0 : 0
  return Math.max(deleted, turned || Date.parse(pod.metadata?.creationTimestamp ?? '') || 0)
}
