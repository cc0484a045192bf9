// The pages of a component that runs apart from the API server: health, which everybody may read; metrics, configuration and how it was started, for
// whom the API server lets. HTTPS only.
// Nothing here changes anything, and nothing of it is needed for the component's work.
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { StatusError } from '#api/status.ts'
import { zPages } from '#api/z-pages.ts'
import { programVersion } from '#cli/version.ts'
import type { Client } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { formatMetrics, METRICS_TYPE, type MetricSource } from '#lib/metric-family.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { type HealthCheck, healthPages, type Page } from '#server/endpoints/health-pages.ts'
import { buildVersion } from '#server/endpoints/version.ts'
import { type ProfilePage, profilePages } from '#server/profiling/profile-pages.ts'
import type { CertifiedKey } from '#server/pki/certificate-spec.ts'
import { DelegatedAccess } from './delegated-access.ts'

export interface PagesOptions {
  client: Client
  clock: Clock
  random: Random
  log: Logger
  /** 0: any free port. */
  port: number
  address: string
  /** One of its own, signed by nobody, unless given. */
  tls?: CertifiedKey
  hostName: string
  checks: readonly HealthCheck[]
  metrics: readonly MetricSource[]
  /** As upstream calls it. */
  component: string
  /** As the process was started, by the flags' names. */
  flags: Readonly<Record<string, string>>
  /** What /configz shows. */
  configuration: Readonly<Record<string, unknown>>
}

const AUTHORITY = { namespace: 'kube-system', name: 'extension-apiserver-authentication' }
const AUTHORITY_MS = 60_000
const FIRST_AUTHORITY_MS = 1000
const MOST_CONNECTIONS = 256

export function componentPages(options: PagesOptions): Service & { readonly port: number } {
  const { client, clock, log } = options
  const access = new DelegatedAccess(options)
  const health = healthPages(options.checks)
  const metrics = (): Page => ({
    status: 200,
    type: METRICS_TYPE,
    body: formatMetrics(options.metrics.flatMap((source) => [...source()])),
  })
  const started = zPages({
    component: options.component,
    clock,
    startedAt: clock.now(),
    version: buildVersion(programVersion()),
    flags: options.flags,
    paths: () => [...health.keys(), '/metrics', '/configz', '/statusz', '/flagz'],
  })
  const pageOf = (path: string, request: IncomingMessage): ((query: URLSearchParams) => Page | Promise<Page>) | undefined => {
    if (path === '/metrics') return metrics
    if (path === '/configz') return () => ({ status: 200, type: 'application/json', body: JSON.stringify(options.configuration) })
    const zPage = started.get(path)
    return zPage ? () => ({ status: 200, ...zPage({ accept: request.headers.accept }) }) : health.get(path)
  }
  const profiles = profilePages()
  let bound = 0

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://component')
    await access.admit(request, pathname)
    const profile = profiles(pathname, searchParams, untilClosed(response))
    if (profile) return send(response, await profile)
    const page = pageOf(pathname, request)
    if (!page) return send(response, { status: 404, type: 'text/plain; charset=utf-8', body: '404 page not found\n' })
    // There it sets every count back to nothing.
    if (request.method === 'DELETE' && pathname === '/metrics')
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    send(response, await page(searchParams))
  }

  return {
    name: 'pages',
    get port() {
      return bound
    },
    async start() {
      const { certificate: cert, key } = options.tls ?? (await ownCertificate(options))
      const secure = { cert, key, minVersion: 'TLSv1.2' as const }
      // Whom the cluster's authority vouches for is told once that authority is known; until then nobody is.
      const server = https.createServer({ ...secure, ca: [], requestCert: true, rejectUnauthorized: false })
      server.maxConnections = MOST_CONNECTIONS
      const sockets = new Set<Duplex>()
      server.on('connection', (socket: Duplex) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        respond(request, response).catch((error: unknown) => fail(error, { response, log }))
      })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(options.port, options.address, resolve)
      })
      bound = (server.address() as AddressInfo).port
      const stop = new AbortController()
      const following = followAuthority(client, clock, { signal: stop.signal, changed: (ca) => server.setSecureContext({ ...secure, ca }) })
      return {
        async [Symbol.asyncDispose]() {
          stop.abort(new Error('the pages were closed'))
          const closed = new Promise<void>((resolve) => server.close(() => resolve()))
          for (const socket of sockets) socket.destroy()
          await Promise.all([closed, following])
        },
      }
    },
  }
}

/** Reads again and again whose client certificates the API server takes. */
async function followAuthority(
  client: Client,
  clock: Clock,
  { signal, changed }: { signal: AbortSignal; changed(authority: string): void },
): Promise<void> {
  let known: string | undefined
  while (!signal.aborted) {
    const config = await client.get(ConfigMap, AUTHORITY, { signal }).catch(() => undefined)
    const authority = config?.data?.['client-ca-file']
    if (authority && authority !== known) changed((known = authority))
    await clock.sleep(known ? AUTHORITY_MS : FIRST_AUTHORITY_MS, signal).catch(() => {})
  }
}

async function ownCertificate({ clock, random, address, hostName }: PagesOptions): Promise<CertifiedKey> {
  const { issueAuthority, issueCertificate } = await import('#server/pki/issuer.ts')
  const context = { now: clock.now(), random }
  const authority = issueAuthority(`${hostName}-ca`, context)
  const addresses = [...new Set(['localhost', '127.0.0.1', hostName, address])]
  const own = issueCertificate({ commonName: hostName, addresses, usages: ['server auth'] }, authority, context)
  return { key: own.key, certificate: `${own.certificate.trimEnd()}\n${authority.certificate}` }
}

function untilClosed(response: ServerResponse): AbortSignal {
  const closed = new AbortController()
  response.on('close', () => closed.abort(new Error('nobody waits for it any more')))
  return closed.signal
}

function send(response: ServerResponse, { status, type, headers, body }: Page | ProfilePage): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers }).end(body)
}

function fail(error: unknown, { response, log }: { response: ServerResponse; log: Logger }): void {
  if (!(error instanceof StatusError)) log.error('a page could not be served', { error })
  const told =
    error instanceof StatusError ? error : new StatusError('InternalError', 'Internal error occurred: the API server could not be asked')
  if (response.headersSent) return void response.destroy()
  send(response, { status: told.code, type: 'application/json', body: JSON.stringify(told.toStatus()) })
}
