// The API server's own /healthz, /livez, /readyz and /metrics/slis.
import { answer } from '#server/http/call.ts'
import type { Endpoint } from './endpoint.ts'
import { type HealthCheck, healthPages } from './health-pages.ts'

export function healthEndpoints(all: readonly HealthCheck[]): Endpoint[] {
  return Array.from(healthPages(all), ([path, page]) => ({
    path,
    serves: (asked) => asked === path,
    async answer(call) {
      const { status, ...rest } = await page(call.exchange.query)
      answer(call, status, rest)
    },
  }))
}
