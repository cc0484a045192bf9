// What the server counts of itself, and the text form Prometheus reads. Counting is a map and an addition: nothing is formatted before it is asked for.
import { Series } from '#lib/histogram.ts'
import type { MetricFamily, MetricSource } from '#lib/metric-family.ts'
import type { BuildVersion } from './endpoints/version.ts'
import type { Call } from './http/call.ts'

const BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

/** What is counted of requests with the same labels. */
interface Counted {
  labels: Record<string, string>
  took: Series
  /** The same, less what requests waited. */
  worked: Series
  codes: Map<number, number>
}

/** Requests by verb, resource and answer. The number of series is bounded by what the server serves. */
export class RequestMetrics {
  #counted = new Map<string, Counted>()
  #longRunning = new Map<string, { labels: Record<string, string>; value: number }>()
  inFlight = { readOnly: 0, mutating: 0 }

  observe(call: Call, { code, seconds, waited = 0 }: { code: number; seconds: number; waited?: number }): void {
    const { codes, took, worked } = this.#of(call)
    codes.set(code, (codes.get(code) ?? 0) + 1)
    took.observe(seconds)
    worked.observe(Math.max(0, seconds - waited))
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
    const all = [...this.#counted.values()]
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
      help: 'Time from the first byte of a request to the end of its answer.',
      type: 'histogram',
      samples: all.flatMap(({ took }) => took.samples()),
    }
    yield {
      name: 'apiserver_request_sli_duration_seconds',
      help: 'The same, without the time in queues and the time that webhooks took.',
      type: 'histogram',
      samples: all.flatMap(({ worked }) => worked.samples()),
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

  #of(call: Call): Counted {
    const labels = labelsOf(call)
    const key = keyOf(labels)
    let counted = this.#counted.get(key)
    if (!counted) {
      const series = () => new Series(labels, BUCKETS_SECONDS)
      counted = { labels, took: series(), worked: series(), codes: new Map() }
      this.#counted.set(key, counted)
    }
    return counted
  }
}

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'])
/** Told by these, and not by their methods. */
const VERBS = new Set(['list', 'watch', 'deletecollection'])
const CONNECTING = new Set(['attach', 'exec', 'portforward', 'proxy'])
const HEALTH = new Set(['/healthz', '/livez', '/readyz'])

/** Only what is served becomes a label, and so a series: strangers cannot make up any. */
function labelsOf(call: Call): Record<string, string> {
  const { path, url } = call.exchange
  const kind = call.resource?.kind
  const subresource = kind && Object.hasOwn(kind.subresources, call.info.subresource) ? call.info.subresource : ''
  return {
    verb: kind && CONNECTING.has(subresource) ? 'CONNECT' : verbOf(call),
    group: kind?.group ?? '',
    version: kind?.version ?? '',
    resource: kind?.plural ?? '',
    subresource: HEALTH.has(path) ? path : subresource,
    scope: scopeOf(call),
    dry_run: kind && url.includes('dryRun=All') ? 'All' : '',
    component: 'apiserver',
  }
}

/** As upstream tells it: by method, but for what one method does in several ways. */
function verbOf({ info, exchange }: Call): string {
  if (VERBS.has(info.verb)) return info.verb.toUpperCase()
  const { method } = exchange
  if (method === 'PATCH' && exchange.headers['content-type']?.startsWith('application/apply-patch')) return 'APPLY'
  return METHODS.has(method) ? method : 'other'
}

const keyOf = (labels: Record<string, string>): string => Object.values(labels).join(' ')

function scopeOf({ info, resource }: Call): string {
  if (!resource) return ''
  return info.name || info.verb === 'create' ? 'resource' : info.namespace ? 'namespace' : 'cluster'
}

/** Which build this is, under the name that tools compare components by. */
export function buildMetrics(version: BuildVersion): MetricSource {
  const labels = {
    build_date: version.buildDate,
    compiler: version.compiler,
    git_commit: version.gitCommit,
    git_tree_state: version.gitTreeState,
    git_version: version.gitVersion,
    go_version: version.goVersion,
    major: version.major,
    minor: version.minor,
    platform: version.platform,
  }
  return () => [{ name: 'kubernetes_build_info', help: 'This build, in labels.', type: 'gauge', samples: [{ labels, value: 1 }] }]
}

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
