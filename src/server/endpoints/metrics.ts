// /metrics: everything counted, in Prometheus' text form.
import { notAllowed } from '#server/engine/subresource.ts'
import { answer } from '#server/http/call.ts'
import { formatMetrics, METRICS_TYPE, type MetricSource } from '#lib/metric-family.ts'
import type { Endpoint } from './endpoint.ts'

export function metricsEndpoint(sources: readonly MetricSource[]): Endpoint {
  return {
    path: '/metrics',
    serves: (path) => path === '/metrics',
    answer(call) {
      // There it sets every count back to nothing.
      if (call.exchange.method === 'DELETE') throw notAllowed()
      const body = formatMetrics(sources.flatMap((source) => [...source()]))
      answer(call, 200, { type: METRICS_TYPE, body })
    },
  }
}
