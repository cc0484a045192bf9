// The node's HTTPS API, the kubelet's by path and answer: logs, exec, attach, port-forward, pods, statistics. Every request needs a client certificate
// of the cluster's authority. Serves what the agent and the runtime know and changes nothing itself.
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { StatusError } from '#api/status.ts'
import type { ZPages } from '#api/z-pages.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { admit, allowApiServer, type AuthorizeNodeRequest } from './kubelet/authentication.ts'
import { serveContainerLogs } from './kubelet/container-logs.ts'
import { HttpError } from './kubelet/http-error.ts'
import { kubeletPages } from './kubelet/pages.ts'
import { runCommand, segments, serveUpgrade } from './kubelet/remote-access.ts'
import { createUsageReader } from './kubelet/usage.ts'
import type { PodDirectory, Runtime } from './runtime.ts'
import type { NodeStats } from './stats.ts'
import { refuseUpgrade } from './streaming/upgrade.ts'

export interface KubeletServerOptions {
  directory: PodDirectory
  runtime: Runtime
  /** Usage as the agent reads it; absent: as the runtime tells it. */
  stats?: NodeStats | undefined
  nodeName: string
  /** PEM; `clientCa` is the authority of client certificates. */
  tls: { key: string; cert: string; clientCa: string }
  host?: string
  /** 0: any free port. */
  port?: number
  /** By default the API server's identity and system:masters. */
  authorize?: AuthorizeNodeRequest
  /** What /configz shows. */
  configuration?: object
  /** What /statusz and /flagz tell of the process. Absent: they are not there. */
  process?: Pick<ZPages, 'version' | 'flags'>
  dataDirectory?: string
  clock: Clock
  log: Logger
}

const KUBELET_PORT = 10250
const SOCKET_LISTENERS = 32
/** As long as upstream's kubelet keeps them. */
const IDLE_CONNECTION_MS = 90_000
const DISABLED = new Map([
  ['logs', 'logs endpoint is disabled.'],
  ['debug', 'profiling endpoint is disabled.'],
])

export function createKubeletServer(options: KubeletServerOptions): Service & { readonly port: number } {
  const { clock, log, directory, runtime } = options
  const authorize = options.authorize ?? allowApiServer(['kube-apiserver-kubelet-client'])
  const access = { directory, runtime, clock }
  const pages = kubeletPages({ ...options, usage: createUsageReader(runtime, options.stats) })
  let bound = 0

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await admit(request, authorize)
    const url = new URL(request.url ?? '/', 'https://node')
    const [first = '', ...rest] = segments(url.pathname)
    const reading = request.method === 'GET' || request.method === 'HEAD'
    if (first === 'run' && (request.method === 'POST' || reading)) {
      return send(response, 'text/plain', await runCommand(rest, url.searchParams, access))
    }
    if (['exec', 'attach', 'portForward'].includes(first)) throw new HttpError(400, 'Upgrade request required')
    if (DISABLED.has(first)) throw new HttpError(405, `${DISABLED.get(first)}\n`)
    if (!reading) throw new HttpError(405, '405: Method Not Allowed')
    if (first === 'containerLogs') {
      const [namespace = '', pod = '', container = ''] = rest
      if (!pod) throw new HttpError(400, '{"message": "Missing podID."}')
      if (!container) throw new HttpError(400, '{"message": "Missing container name."}')
      return serveContainerLogs(response, { place: { namespace, pod, container }, query: url.searchParams, directory, clock })
    }
    const page = pages.get(url.pathname.replace(/(.)\/$/, '$1'))
    if (!page) throw new HttpError(404, '404 page not found\n')
    const { type, body } = await page(request.headers.accept)
    send(response, type, body)
  }

  return {
    name: 'kubelet-server',
    get port() {
      return bound
    },
    async start() {
      const { key, cert, clientCa } = options.tls
      const server = https.createServer({ key, cert, ca: clientCa, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
      server.keepAliveTimeout = IDLE_CONNECTION_MS
      const sockets = new Set<Duplex>()
      server.on('secureConnection', (socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      server.on('request', (request, response) => {
        respond(request, response).catch((error: unknown) => fail(error, { response, log }))
      })
      server.on('upgrade', (request, socket, head) => {
        const upgrade = { request, socket, head }
        socket.on('error', () => {})
        // Pipes, the protocol and the idle limit each watch its end.
        socket.setMaxListeners(SOCKET_LISTENERS)
        admit(request, authorize)
          .then(() => serveUpgrade(upgrade, access))
          .catch((error: unknown) => {
            if (!(error instanceof HttpError)) log.error('a stream could not be served', { error, path: request.url?.split('?')[0] })
            refuseUpgrade(upgrade, error instanceof HttpError ? error.status : 500, (error as Error).message)
          })
      })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(options.port ?? KUBELET_PORT, options.host ?? '127.0.0.1', resolve)
      })
      bound = (server.address() as AddressInfo).port
      return {
        async [Symbol.asyncDispose]() {
          const closed = new Promise<void>((resolve) => server.close(() => resolve()))
          for (const socket of sockets) socket.destroy()
          await closed
        },
      }
    },
  }
}

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

function fail(error: unknown, { response, log }: { response: ServerResponse; log: Logger }): void {
  const status = error instanceof HttpError ? error.status : error instanceof StatusError ? error.code : 500
  if (status === 500) log.error('a request to the node failed', { error })
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end((error as Error).message)
}
