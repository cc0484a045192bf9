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
    const now: Seen = { service: timeOf(service.metadata?.creationTimestamp), pods: new Map() }
    for (const pod of pods) {
      const turned = timeOf(conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime)
      if (turned > 0) now.pods.set(pod.metadata?.name ?? '', turned)
    }
    this.#seen.set(key, now)
    // A service that was not known has just come, whenever its pods came.
    const changed = [...now.pods].flatMap(([name, time]) => (before && time > (before.pods.get(name) ?? 0) ? [time] : []))
    if (now.service > (before?.service ?? 0)) changed.push(now.service)
    return changed.length > 0 ? formatTime(Math.min(...changed)) : undefined
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}

const timeOf = (text: string | null | undefined): number => Date.parse(text ?? '') || 0
