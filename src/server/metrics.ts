// What the server counts of itself, and the text form Prometheus reads. Counting is a map and an addition: nothing is formatted before it is asked for.
import type { Call } from './http/call.ts'

export interface MetricFamily {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  /** `suffix` for the parts of a histogram: _bucket, _sum, _count. */
  samples: Iterable<{ labels: Record<string, string>; value: number; suffix?: string }>
}

/** Asked at every scrape. */
export type MetricSource = () => Iterable<MetricFamily>

const BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60]

interface Series {
  labels: Record<string, string>
  buckets: number[]
  sum: number
  codes: Map<number, number>
}

/** Requests by verb, resource and answer. The number of series is bounded by what the server serves. */
export class RequestMetrics {
  #series = new Map<string, Series>()
  #longRunning = new Map<string, { labels: Record<string, string>; value: number }>()
  inFlight = { readOnly: 0, mutating: 0 }

  observe(call: Call, { code, seconds }: { code: number; seconds: number }): void {
    const series = this.#of(call)
    series.codes.set(code, (series.codes.get(code) ?? 0) + 1)
    series.sum += seconds
    const bucket = BUCKETS_SECONDS.findIndex((bound) => seconds <= bound)
    series.buckets[bucket < 0 ? BUCKETS_SECONDS.length : bucket]!++
  }

  /** Watches and streams: how many are open. */
  open(call: Call): Disposable {
    const labels = labelsOf(call)
    const key = keyOf(labels)
    const gauge = this.#longRunning.get(key) ?? { labels, value: 0 }
    this.#longRunning.set(key, gauge)
    gauge.value++
    return { [Symbol.dispose]: () => void gauge.value-- }
  }

  *families(): Generator<MetricFamily> {
    const all = [...this.#series.values()]
    yield {
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and HTTP code.',
      type: 'counter',
      samples: all.flatMap(({ labels, codes }) =>
        [...codes].map(([code, value]) => ({ labels: { ...labels, code: String(code) }, value })),
      ),
    }
    yield {
      name: 'apiserver_request_duration_seconds',
      help: 'Time from the first byte of a request to its answer, without watches and streams.',
      type: 'histogram',
      samples: all.flatMap(({ labels, buckets, sum }) => histogram(labels, buckets, sum)),
    }
    yield {
      name: 'apiserver_longrunning_requests',
      help: 'Watches and streams that are open.',
      type: 'gauge',
      samples: this.#longRunning.values(),
    }
    yield {
      name: 'apiserver_current_inflight_requests',
      help: 'Requests being served now, by kind.',
      type: 'gauge',
      samples: Object.entries(this.inFlight).map(([request_kind, value]) => ({ labels: { request_kind }, value })),
    }
  }

  #of(call: Call): Series {
    const labels = labelsOf(call)
    const key = keyOf(labels)
    let series = this.#series.get(key)
    if (!series) {
      series = { labels, buckets: Array.from({ length: BUCKETS_SECONDS.length + 1 }, () => 0), sum: 0, codes: new Map() }
      this.#series.set(key, series)
    }
    return series
  }
}

const VERBS = new Set(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put', 'head', 'options'])

/** Only what is served becomes a label, and so a series: strangers cannot make up any. */
function labelsOf(call: Call): Record<string, string> {
  const { verb, subresource } = call.info
  const kind = call.resource?.kind
  return {
    verb: VERBS.has(verb) ? verb.toUpperCase() : 'other',
    group: kind?.group ?? '',
    version: kind?.version ?? '',
    resource: kind?.plural ?? '',
    subresource: kind && Object.hasOwn(kind.subresources, subresource) ? subresource : '',
    scope: scopeOf(call),
  }
}

const keyOf = (labels: Record<string, string>): string => Object.values(labels).join(' ')

function scopeOf({ info, resource }: Call): string {
  if (!resource) return ''
  return info.name ? 'resource' : info.namespace ? 'namespace' : 'cluster'
}

function histogram(labels: Record<string, string>, buckets: readonly number[], sum: number) {
  let count = 0
  const parts = buckets.map((value, index) => {
    count += value
    const le = index < BUCKETS_SECONDS.length ? String(BUCKETS_SECONDS[index]) : '+Inf'
    return { labels: { ...labels, le }, value: count, suffix: '_bucket' }
  })
  return [...parts, { labels, value: sum, suffix: '_sum' }, { labels, value: count, suffix: '_count' }]
}

export function formatMetrics(families: Iterable<MetricFamily>): string {
  const lines: string[] = []
  for (const { name, help, type, samples } of families) {
    lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${type}`)
    for (const { labels, value, suffix = '' } of samples) {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`)
      lines.push(`${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`)
    }
  }
  return `${lines.join('\n')}\n`
}

const escape = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** The process, under the names Prometheus' own client libraries use. */
export function processMetrics(startedMs: number): MetricSource {
  return () => {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed, external } = process.memoryUsage()
    const gauge = (name: string, help: string, value: number): MetricFamily => ({
      name,
      help,
      type: 'gauge',
      samples: [{ labels: {}, value }],
    })
    const cpu = { labels: {}, value: (user + system) / 1e6 }
    return [
      { name: 'process_cpu_seconds_total', help: 'Processor time used.', type: 'counter', samples: [cpu] },
      gauge('process_resident_memory_bytes', 'Resident memory.', rss),
      gauge('process_start_time_seconds', 'When the process began, since the epoch.', startedMs / 1000),
      gauge('nodejs_heap_size_used_bytes', 'Used heap.', heapUsed),
      gauge('nodejs_external_memory_bytes', 'Memory outside the heap, object bytes above all.', external),
    ]
  }
}
