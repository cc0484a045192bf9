// Which requests last: they are neither timed nor counted like the others.
import { isTrue } from './request-info.ts'
import type { Call } from './call.ts'

const STREAMS = new Set(['attach', 'exec', 'portforward', 'proxy', 'log'])

export function isLongRunning({ info, exchange }: Call): boolean {
  if (!info.isResourceRequest) return exchange.path.startsWith('/debug/pprof/')
  if (info.verb === 'watch') return true
  if (info.subresource === 'log') return isTrue(exchange.query.get('follow'))
  return STREAMS.has(info.subresource)
}
