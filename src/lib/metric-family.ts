// What is counted, and Prometheus' text form of it. Families of which there is nothing to tell are left out, as by Go's client.

export interface MetricFamily {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  /** `suffix` for the parts of a histogram: _bucket, _sum, _count. */
  samples: Iterable<MetricSample>
}

export interface MetricSample {
  labels: Record<string, string>
  value: number
  suffix?: string
  /** Where it was not measured just now. */
  timestampMs?: number
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Asked at every scrape. */
export type MetricSource = () => Iterable<MetricFamily>

export function formatMetrics(families: Iterable<MetricFamily>): string {
  const lines: string[] = []
  for (const { name, help, type, samples } of families) {
    let told = false
    for (const { labels, value, suffix = '', timestampMs } of samples) {
      if (!told) lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${type}`)
      told = true
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`)
      const when = timestampMs === undefined ? '' : ` ${Math.round(timestampMs)}`
      lines.push(`${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${when}`)
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

const escape = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
