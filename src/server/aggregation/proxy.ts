// A request handed on to an extension server and its answer handed back as it comes: bodies and watches stream, upgrades become a tunnel.
// Authentication and authorisation are done; the extension server hears who asks from the front proxy's headers.
import type { OutgoingHttpHeaders } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import { answer, answerHeaders, type Call } from '#server/http/call.ts'
import { type Backend, forward, forwardedHeaders, returnedHeaders } from '#server/subresources/forward-http.ts'
import { tunnel } from '#server/subresources/tunnel.ts'
import { reachError, type RemoteServer } from './remote-server.ts'
import { remoteUserHeaders } from './remote-user.ts'

export interface ProxyTarget {
  server: RemoteServer
  available: boolean
  /** It was thought to be there and is not. */
  wake(): void
}

/** Every client asks what there is, again and again: no server may keep them waiting. */
const DISCOVERY_TIMEOUT_MS = 5000
const DISCOVERY = /^\/apis\/[^/]+\/[^/]+\/?$/

export async function proxyTo(call: Call, { server, available, wake }: ProxyTarget, clock: Clock): Promise<void> {
  const { exchange, user } = call
  const backend = available ? reachable(server) : undefined
  if (!backend) return refuse(call, 'service unavailable')
  const identity = { ...remoteUserHeaders(user), ...forwardedFor(call) }
  if (exchange.upgrade) {
    return tunnel(exchange, backend, exchange.url, identity).catch((error: unknown) => {
      if (!(error instanceof StatusError) || !error.cause) throw error
      wake()
      return refuse(call, reachError(error.cause, backend))
    })
  }

  const { method, input, headers, url } = exchange
  const late = new AbortController()
  using _timer = DISCOVERY.test(exchange.path) ? clock.after(DISCOVERY_TIMEOUT_MS, () => late.abort()) : undefined
  const signal = AbortSignal.any([exchange.signal, late.signal])
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined || !['GET', 'HEAD'].includes(method)
  let returned: Awaited<ReturnType<typeof forward>>
  try {
    const sent = { ...forwardedHeaders(headers), ...identity }
    returned = await forward(backend, { method, path: url, headers: sent, signal, ...(hasBody ? { body: input } : {}) })
  } catch (error) {
    if (exchange.signal.aborted) return exchange.abort()
    wake()
    return refuse(call, `error trying to reach service: ${late.signal.aborted ? 'context deadline exceeded' : reachError(error, backend)}`)
  }
  const { statusCode = 502 } = returned
  if (statusCode >= 300 && statusCode < 400 && returned.headers.location) {
    // Clients would follow it, and show whoever is there their credentials.
    returned.destroy()
    return exchange.send(502, ownHeaders(call), 'the backend attempted to redirect this request, which is not permitted')
  }
  const target = exchange.open(statusCode, { ...ownHeaders(call), ...returnedHeaders(returned.headers) })
  // An answer that breaks off there must not look whole here.
  await pipeline(returned, target).catch(() => exchange.abort())
}

function forwardedFor({ exchange, headers }: Call): OutgoingHttpHeaders {
  const host = exchange.headers.host ?? exchange.headers[':authority']
  const from = [exchange.headers['x-forwarded-for'] ?? [], exchange.remoteAddress].flat().join(', ')
  return {
    'x-forwarded-for': from,
    ...(host ? { 'x-forwarded-host': host } : {}),
    'x-forwarded-proto': 'https',
    'audit-id': headers['audit-id']!,
  }
}

function reachable(server: RemoteServer): Backend | undefined {
  try {
    return server.backend()
  } catch {
    return undefined
  }
}

function refuse(call: Call, why: string): void {
  const headers = { 'x-content-type-options': 'nosniff' }
  answer(call, 503, { type: 'text/plain; charset=utf-8', body: `${why}\n`, headers })
}

/** Of our own: what the extension server does not say better. */
function ownHeaders(call: Call) {
  const { 'cache-control': _cache, ...headers } = answerHeaders(call)
  return headers
}
