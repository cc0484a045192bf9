// Times every request, to the end of watches and streams too, and counts its answer. Outermost but for recovery's own: what recovery answers is counted too.
import type { Clock } from '#lib/clock.ts'
import type { RequestMetrics } from '#server/metrics.ts'
import type { Link } from './call.ts'

export function measure(metrics: RequestMetrics, { clock }: { clock: Clock }): Link {
  return async (call, next) => {
    const began = clock.monotonic()
    try {
      await next(call)
    } finally {
      if (call.info)
        metrics.observe(call, { code: call.exchange.status, seconds: (clock.monotonic() - began) / 1000, waited: call.waitedMs / 1000 })
    }
  }
}
