// How long keys wait and how long workers are at them, as one queue of many tells it. Where nobody counts it does nothing.
import type { Clock } from '#lib/clock.ts'
import type { Metrics } from '#lib/metrics.ts'
import type { WorkQueue } from './work-queue.ts'

export class WorkTimes {
  readonly #labels: readonly string[]
  readonly #metrics: Metrics | undefined
  readonly #clock: Clock
  readonly #begun = new Map<string, number>()

  constructor(queue: string, { metrics, clock }: { metrics?: Metrics; clock: Clock }) {
    this.#labels = [queue]
    this.#metrics = metrics
    this.#clock = clock
  }

  watch(queue: WorkQueue): void {
    const running = () => Array.from(this.#begun.values(), (since) => (this.#clock.monotonic() - since) / 1000)
    const read = (name: string, value: () => number) => this.#metrics?.measure(name, () => [[this.#labels, value()]])
    read('workqueue_adds_total', () => queue.adds)
    read('workqueue_retries_total', () => queue.retries)
    read('workqueue_depth', () => queue.depth)
    read('workqueue_unfinished_work_seconds', () => running().reduce((sum, one) => sum + one, 0))
    read('workqueue_longest_running_processor_seconds', () => Math.max(0, ...running()))
  }

  begin(key: string, queue: WorkQueue): void {
    if (!this.#metrics) return
    this.#metrics.observe('workqueue_queue_duration_seconds', this.#labels, queue.waitedMs(key) / 1000)
    this.#begun.set(key, this.#clock.monotonic())
  }

  end(key: string): void {
    const since = this.#begun.get(key)
    if (since === undefined) return
    this.#begun.delete(key)
    this.#metrics?.observe('workqueue_work_duration_seconds', this.#labels, (this.#clock.monotonic() - since) / 1000)
  }
}
