// Counters, gauges and histograms from one table: who counts names the metric and its labels' values, the table says all the rest.
// The number of series of each is bounded: what would begin one too many is not counted.
import { Histogram, type Series } from './histogram.ts'
import type { MetricFamily } from './metric-family.ts'

export interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  /** Upper bounds of a histogram's buckets, in order. */
  bounds?: readonly number[]
}

export type MetricTable = Readonly<Record<string, MetricDefinition>>

const MAX_SERIES = 2000

export class Metrics<Table extends MetricTable = MetricTable> {
  readonly #table: Table
  readonly #values = new Map<string, Map<string, { labels: readonly string[]; value: number }>>()
  readonly #histograms = new Map<string, Histogram>()
  readonly #readers = new Map<string, (() => Iterable<[labels: readonly string[], value: number]>)[]>()

  constructor(table: Table) {
    this.#table = table
    for (const [name, { type, help, labels = [], bounds = [] }] of Object.entries(table))
      if (type === 'histogram') this.#histograms.set(name, new Histogram({ name, help, labels, bounds }))
  }

  add(name: keyof Table & string, labels: readonly string[] = [], by = 1): void {
    this.#change(name, labels, (value) => value + by)
  }

  set(name: keyof Table & string, labels: readonly string[], value: number): void {
    this.#change(name, labels, () => value)
  }

  observe(name: keyof Table & string, labels: readonly string[], value: number): void {
    this.#histograms.get(name)?.observe(labels, value)
  }

  /** Of a histogram; who counts often keeps it. undefined where there are too many. */
  series(name: keyof Table & string, labels: readonly string[]): Series | undefined {
    return this.#histograms.get(name)?.series(labels)
  }

  /** Values that are asked for at every scrape. */
  measure(name: keyof Table & string, read: () => Iterable<[labels: readonly string[], value: number]>): void {
    this.#readers.set(name, [...(this.#readers.get(name) ?? []), read])
  }

  *families(): Generator<MetricFamily> {
    for (const [name, { type, help, labels: names = [] }] of Object.entries(this.#table)) {
      const histogram = this.#histograms.get(name)
      if (histogram) {
        yield histogram.family()
        continue
      }
      const kept = this.#values.get(name)?.values() ?? []
      const read = (this.#readers.get(name) ?? []).flatMap((one) => Array.from(one(), ([labels, value]) => ({ labels, value })))
      // Those that share their labels are one series.
      const sums = new Map<string, { labels: Record<string, string>; value: number }>()
      for (const { labels, value } of [...kept, ...read]) {
        const key = labels.join('\n')
        const pairs = () => Object.fromEntries(names.map((label, index) => [label, labels[index] ?? '']))
        const sum = sums.get(key) ?? { labels: pairs(), value: 0 }
        sum.value += value
        sums.set(key, sum)
      }
      yield { name, help, type, samples: [...sums.values()] }
    }
  }

  #change(name: string, labels: readonly string[], next: (value: number) => number): void {
    if (!Object.hasOwn(this.#table, name)) return
    const all = this.#values.get(name) ?? new Map<string, { labels: readonly string[]; value: number }>()
    this.#values.set(name, all)
    const key = labels.join('\n')
    const one = all.get(key)
    if (one) one.value = next(one.value)
    else if (all.size < MAX_SERIES) all.set(key, { labels, value: next(0) })
  }
}

/** `count` bounds from `first` on, each `factor` times the one before. */
export function exponentialBounds(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Number((first * factor ** index).toPrecision(12)))
}
