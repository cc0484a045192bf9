// /metrics: everything counted, in Prometheus' text form.
import { answer } from '#server/http/call.ts'
import type { MetricSource } from '#lib/metric-family.ts'
import { formatMetrics } from '#lib/metric-family.ts'
import type { Endpoint } from './endpoint.ts'

export function metricsEndpoint(sources: readonly MetricSource[]): Endpoint {
  return {
    path: '/metrics',
    serves: (path) => path === '/metrics',
    answer(call) {
      const body = formatMetrics(sources.flatMap((source) => [...source()]))
      answer(call, 200, { type: 'text/plain; version=0.0.4; charset=utf-8', body })
    },
  }
}
