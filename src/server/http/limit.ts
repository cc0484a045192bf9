// How many requests are served at once. Long-running ones (watches, streams) do not count, nor do the cluster's own administrators.
// A place for priority and fairness later: it is asked where this is.
import type { RequestMetrics } from '#server/metrics.ts'
import { isTrue } from './request-info.ts'
import { answer, type Call, type Link } from './call.ts'

export interface Limits {
  maxReads: number
  maxWrites: number
}

const READS = new Set(['get', 'list', 'watch', 'head', 'options'])
const STREAMS = new Set(['attach', 'exec', 'portforward', 'proxy', 'log'])

export function limit({ maxReads, maxWrites }: Limits, { inFlight }: Pick<RequestMetrics, 'inFlight'>): Link {
  return async (call, next) => {
    if (isLongRunning(call) || call.user.groups.includes('system:masters')) return next()
    const reading = READS.has(call.info.verb)
    if (reading ? inFlight.readOnly >= maxReads : inFlight.mutating >= maxWrites) {
      answer(call, 429, {
        type: 'text/plain; charset=utf-8',
        body: 'Too many requests, please try again later.\n',
        headers: { 'retry-after': '1' },
      })
      return
    }
    if (reading) inFlight.readOnly++
    else inFlight.mutating++
    try {
      await next()
    } finally {
      if (reading) inFlight.readOnly--
      else inFlight.mutating--
    }
  }
}

export function isLongRunning({ info, exchange }: Call): boolean {
  if (!info.isResourceRequest) return false
  if (info.verb === 'watch') return true
  if (info.subresource === 'log') return isTrue(exchange.query.get('follow'))
  return STREAMS.has(info.subresource)
}
