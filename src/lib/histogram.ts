// One histogram of /metrics, by labels. The number of series is bounded: what would begin one too many is not counted.
import { goFloat } from './go-text.ts'
import type { MetricFamily, MetricSample } from './metric-family.ts'

/** What is counted of one set of labels. Who counts often keeps it. */
export class Series {
  readonly labels: Record<string, string>
  /** The last one: above all bounds. */
  readonly buckets: number[]
  sum = 0
  readonly #bounds: readonly number[]

  constructor(labels: Record<string, string>, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.buckets = [...bounds, Infinity].map(() => 0)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++
    this.buckets[bucket]!++
    this.sum += value
  }

  samples(): MetricSample[] {
    const { labels } = this
    let count = 0
    const parts = this.buckets.map((value, index) => {
      count += value
      const le = index < this.#bounds.length ? goFloat(this.#bounds[index]!) : '+Inf'
      return { labels: { ...labels, le }, value: count, suffix: '_bucket' }
    })
    return [...parts, { labels, value: this.sum, suffix: '_sum' }, { labels, value: count, suffix: '_count' }]
  }
}

const MAX_SERIES = 2000

export interface HistogramOptions {
  name: string
  help: string
  labels: readonly string[]
  /** Upper bounds, in order. */
  bounds: readonly number[]
}

export class Histogram {
  readonly #options: HistogramOptions
  readonly #series = new Map<string, Series>()

  constructor(options: HistogramOptions) {
    this.#options = options
  }

  /** `values`: of the labels, in their order. */
  observe(values: readonly string[], value: number): void {
    this.series(values)?.observe(value)
  }

  /** undefined where there are too many. */
  series(values: readonly string[]): Series | undefined {
    const { labels, bounds } = this.#options
    const key = values.join('\n')
    let series = this.#series.get(key)
    if (!series && this.#series.size < MAX_SERIES) {
      series = new Series(Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), bounds)
      this.#series.set(key, series)
    }
    return series
  }

  family(): MetricFamily {
    const { name, help } = this.#options
    return { name, help, type: 'histogram', samples: [...this.#series.values()].flatMap((series) => series.samples()) }
  }
}
