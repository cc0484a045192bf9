// Times the points of a cycle and counts what plugins are asked, for one profile. One pod in ten has each plugin timed, as upstream samples them.
import type { Series } from '#lib/histogram.ts'
import type { Clock } from '#lib/clock.ts'
import type { SchedulerMetrics } from './metrics.ts'

export type MeteredPoint = 'PreEnqueue' | 'PreFilter' | 'Filter' | 'PostFilter' | 'PreScore' | 'Score' | 'Reserve' | 'PreBind' | 'Bind'
export type PointStatus = 'Success' | 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Error'

const SAMPLE = 10

export class Meter {
  readonly #clock: Clock
  readonly #metrics: SchedulerMetrics
  readonly #profile: string
  readonly #points = new Map<string, Series | undefined>()
  readonly #plugins = new Map<string, Series | undefined>()
  readonly #asked = new Map<string, { labels: readonly string[]; count: number }>()
  #pods = 0
  /** Whether plugins of the pod at hand are timed. */
  sampled = false

  constructor(profile: string, { clock, metrics }: { clock: Clock; metrics: SchedulerMetrics }) {
    this.#clock = clock
    this.#metrics = metrics
    this.#profile = profile
    metrics.measure('scheduler_plugin_evaluation_total', () =>
      Array.from(this.#asked.values(), ({ labels, count }): [readonly string[], number] => [labels, count]),
    )
  }

  begin(): void {
    this.sampled = this.#pods++ % SAMPLE === 0
  }

  now(): number {
    return this.#clock.monotonic()
  }

  /** Answers with the time it is. */
  point(point: MeteredPoint, status: PointStatus, since: number): number {
    const now = this.now()
    const key = point + status
    let series = this.#points.get(key)
    if (!series && !this.#points.has(key)) {
      series = this.#metrics.series('scheduler_framework_extension_point_duration_seconds', [point, status, this.#profile])
      this.#points.set(key, series)
    }
    series?.observe((now - since) / 1000)
    return now
  }

  asked(plugin: string, point: 'PreFilter' | 'Filter' | 'PreScore' | 'Score', times = 1): void {
    const key = point + plugin
    const one = this.#asked.get(key)
    if (one) one.count += times
    else this.#asked.set(key, { labels: [plugin, point, this.#profile], count: times })
  }

  /** For samples alone. */
  ran(plugin: string, point: MeteredPoint, { status = 'Success', since }: { status?: PointStatus; since: number }): void {
    const key = point + status + plugin
    let series = this.#plugins.get(key)
    if (!series && !this.#plugins.has(key)) {
      series = this.#metrics.series('scheduler_plugin_execution_duration_seconds', [plugin, point, status])
      this.#plugins.set(key, series)
    }
    series?.observe((this.now() - since) / 1000)
  }
}
