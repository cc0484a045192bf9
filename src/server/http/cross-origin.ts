// Lets pages of other origins in browsers talk to this server, where the operator names those origins by patterns. Comes before authentication:
// browsers ask without credentials whether they may ask. Says nothing to origins that are not named, which browsers take for a no.
import type { Pattern } from '#lib/pattern/pattern.ts'
import type { Link } from './call.ts'

/** As upstream says it to all whom it lets in. */
const GRANTS = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
  'access-control-allow-headers':
    'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since',
  'access-control-expose-headers': 'Date',
  'access-control-allow-credentials': 'true',
}
/** No origin is longer than a host's name and a bit; patterns are not tried on what a stranger makes up. */
const MAX_ORIGIN_LENGTH = 1024

export function crossOrigin(allowed: readonly Pattern[]): Link {
  return async (call, next) => {
    const { origin } = call.exchange.headers
    if (!origin || origin.length > MAX_ORIGIN_LENGTH || !allowed.some((pattern) => pattern.test(origin))) return next(call)
    Object.assign(call.headers, { 'access-control-allow-origin': origin, ...GRANTS })
    if (call.exchange.method === 'OPTIONS') return call.exchange.send(204, call.headers)
    return next(call)
  }
}
