// One histogram of /metrics, by labels. The number of series is bounded: what would begin one too many is not counted.
import type { MetricFamily } from './metrics.ts'

interface Series {
  labels: Record<string, string>
  /** The last one: above all bounds. */
  buckets: number[]
  sum: number
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
    const { bounds } = this.#options
    const series = this.#of(values)
    if (!series) return
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    series.buckets[bucket]!++
    series.sum += value
  }

  #of(values: readonly string[]): Series | undefined {
    const { labels, bounds } = this.#options
    const key = values.join('\n')
    let series = this.#series.get(key)
    if (!series && this.#series.size < MAX_SERIES) {
      series = {
        labels: Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])),
        buckets: [...bounds, Infinity].map(() => 0),
        sum: 0,
      }
      this.#series.set(key, series)
    }
    return series
  }

  family(): MetricFamily {
    const { name, help, bounds } = this.#options
    const limits = [...bounds.map(String), '+Inf']
    const samples = [...this.#series.values()].flatMap(({ labels, buckets, sum }) => {
      let count = 0
      const parts = buckets.map((value, index) => {
        count += value
        return { labels: { ...labels, le: limits[index]! }, value: count, suffix: '_bucket' }
      })
      return [...parts, { labels, value: sum, suffix: '_sum' }, { labels, value: count, suffix: '_count' }]
    })
    return { name, help, type: 'histogram', samples }
  }
}
