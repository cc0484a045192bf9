// Counts and times attempts to place pods, and tells at every scrape how many wait. Decides nothing.
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Clock } from '#lib/clock.ts'
import type { Cluster } from './cluster.ts'
import { Meter } from './meter.ts'
import type { SchedulerMetrics } from './metrics.ts'
import type { QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts'

const MOST_TOLD = 15

export class Attempts {
  readonly #metrics: SchedulerMetrics
  readonly #clock: Clock
  readonly #profileOf: (pod: Pod) => string
  /** When those under way began. */
  readonly #begun = new WeakMap<QueuedPod, number>()

  constructor({ metrics, clock, profileOf }: { metrics: SchedulerMetrics; clock: Clock; profileOf(pod: Pod): string }) {
    this.#metrics = metrics
    this.#clock = clock
    this.#profileOf = profileOf
  }

  meterOf(profile: string): Meter {
    return new Meter(profile, { clock: this.#clock, metrics: this.#metrics })
  }

  entered(queue: string, event: string): void {
    this.#metrics.add('scheduler_queue_incoming_pods_total', [queue, event])
  }

  hinted(plugin: string, { event, helps, tookMs }: { event: string; helps: boolean; tookMs: number }): void {
    const labels = [plugin, event, helps ? 'Queue' : 'QueueSkip']
    this.#metrics.observe('scheduler_queueing_hint_execution_duration_seconds', labels, tookMs / 1000)
  }

  /** `since`: when it began. */
  handled(event: string, since: number): void {
    this.#metrics.observe('scheduler_event_handling_duration_seconds', [event], (this.#clock.monotonic() - since) / 1000)
  }

  /** `bindings`: how many are under way. */
  watch(queue: SchedulingQueue, cluster: Cluster, bindings: () => number): void {
    this.#metrics.measure('scheduler_goroutines', () => [[['binding'], bindings()]])
    this.#metrics.measure('scheduler_inflight_events', () => Array.from(queue.missed, ([event, count]) => [[event], count]))
    this.#metrics.measure('scheduler_pending_pods', () => {
      const { active, backoff, refused, gated } = queue.waiting
      return [
        [['active'], active],
        [['backoff'], backoff],
        [['unschedulable'], refused],
        [['gated'], gated],
      ]
    })
    this.#metrics.measure('scheduler_cache_size', () => {
      const { nodes, pods, assumed } = cluster.sizes
      return [
        [['nodes'], nodes],
        [['pods'], pods],
        [['assumed_pods'], assumed],
      ]
    })
    this.#metrics.measure('scheduler_unschedulable_pods', () =>
      Array.from(queue.refusedPods).flatMap(({ plugins, info: { pod } }) =>
        Array.from(plugins, (plugin): [string[], number] => [[plugin, this.#profileOf(pod)], 1]),
      ),
    )
  }

  begin(queued: QueuedPod): void {
    this.#begun.set(queued, this.#clock.monotonic())
  }

  /** A node was found, or none. */
  searched(queued: QueuedPod): void {
    this.#metrics.observe('scheduler_scheduling_algorithm_duration_seconds', [], this.#seconds(this.#begun.get(queued)))
  }

  ended(queued: QueuedPod, result: 'scheduled' | 'unschedulable' | 'error'): void {
    const labels = [result, this.#profileOf(queued.info.pod)]
    this.#metrics.add('scheduler_schedule_attempts_total', labels)
    this.#metrics.observe('scheduler_scheduling_attempt_duration_seconds', labels, this.#seconds(this.#begun.get(queued)))
    if (result !== 'scheduled') return
    const { attempts, ready } = queued
    this.#metrics.observe('scheduler_pod_scheduling_attempts', [], attempts)
    const told = attempts > MOST_TOLD ? `${MOST_TOLD + 1}+` : String(attempts)
    this.#metrics.observe('scheduler_pod_scheduling_sli_duration_seconds', [told], this.#seconds(ready))
  }

  preempting(): void {
    this.#metrics.add('scheduler_preemption_attempts_total')
  }

  preempted(victims: number): void {
    this.#metrics.observe('scheduler_preemption_victims', [], victims)
  }

  /** Whether they could be told; since when that was tried. */
  evicted(result: 'success' | 'error', since: number): void {
    this.#metrics.observe('scheduler_preemption_goroutines_duration_seconds', [result], this.#seconds(since))
    this.#metrics.add('scheduler_preemption_goroutines_execution_total', [result])
  }

  #seconds(since: number | undefined): number {
    return since === undefined ? 0 : (this.#clock.monotonic() - since) / 1000
  }
}
