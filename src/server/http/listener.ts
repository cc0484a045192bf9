// One TLS port that speaks HTTP/2 and HTTP/1.1, each by its own protocol server; ALPN decides. Hands exchanges on and bounds what a peer may cost.
import { constants } from 'node:crypto'
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import tls, { type TLSSocket } from 'node:tls'
import { type Clock, systemClock, type Timer } from '#lib/clock.ts'
import { ServerConnection } from '#lib/http2/server-connection.ts'
import type { Logger } from '#lib/log.ts'
import { http } from '#lib/node-http.ts'
import { Arrivals, SharedTurns } from '#lib/shared-turns.ts'
import { Http1Exchange, Http2Exchange, type Peer, type ServedExchange } from './exchange.ts'

export interface TlsFiles {
  key: string | Buffer
  /** Certificate chain of the server. */
  cert: string | Buffer
  /** Authorities whose client certificates are believed. */
  clientCa?: string | Buffer | (string | Buffer)[]
}

export interface ListenOptions {
  host?: string
  /** 0 (default): any free port. */
  port?: number
  /** Further addresses, on the same port. One that is not there yet (a bridge to come) is tried again until it is. */
  alsoOn?: readonly string[]
  tls: TlsFiles
  /** In which the head of a request over HTTP/1.1 must come; 32 s. */
  headersMs?: number
  /** For what has been answered to be read, once the server ends; half a second. */
  lingerMs?: number
}

const MAX_HEADER_BYTES = 256 * 1024
const MAX_CONNECTIONS = 10_000
/** Requests that begin in one turn of the loop: what each does before it has to wait takes up to 0.2 ms. */
const BEGUN_AT_ONCE = 192
/** As upstream's server. */
const IDLE_MS = 90_000
const HEADERS_MS = 32_000
const PROBE_MS = 60_000
const LINGER_MS = 500
const KEEP_ALIVE_MS = 30_000
const HANDSHAKE_MS = 10_000
const RETRY_MS = 500

export class Listener {
  /** One per address; the first is the one asked for. */
  readonly #servers: tls.Server[] = []
  readonly #clock: Clock
  readonly #retries: Timer[] = []
  readonly #closing: Promise<void>[] = []
  readonly #http1: HttpServer
  readonly #serve: (exchange: ServedExchange) => void
  readonly #sockets = new Set<TLSSocket>()
  readonly #connections = new Set<ServerConnection>()
  readonly #turns = new SharedTurns(BEGUN_AT_ONCE)
  /** Over HTTP/1.1, a request a connection. */
  readonly #begun = new Arrivals<ServedExchange>(this.#turns, (exchange) => this.#serve(exchange))
  /** Over HTTP/1.1, that have not all left. */
  readonly #answers = new Set<ServerResponse>()
  #emptied: (() => void) | undefined
  #left = false
  readonly #peers = new WeakMap<Duplex, Peer>()
  readonly #options: ListenOptions
  readonly #log: Logger

  constructor(options: ListenOptions, { serve, log, clock }: { serve(exchange: ServedExchange): void; log: Logger; clock: Clock }) {
    this.#options = options
    this.#log = log
    this.#serve = serve
    this.#clock = clock
    const { headersMs = HEADERS_MS } = options
    this.#http1 = http.createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: 0,
      headersTimeout: headersMs,
      connectionsCheckingInterval: headersMs / 8,
      keepAliveTimeout: IDLE_MS,
    })
    // Node looks after slow heads of requests only where a server listens by itself.
    this.#http1.emit('listening')
    for (const [event, expected] of [
      ['request', false],
      ['checkContinue', true],
    ] as const)
      this.#http1.on(event, (request: IncomingMessage, response: ServerResponse) => {
        this.#answers.add(response)
        response.on('close', () => {
          this.#answers.delete(response)
          if (this.#left) this.#closeIdle()
        })
        this.#begun.add(new Http1Exchange(request, response, { peer: this.#peer(request.socket), expected }))
      })
    this.#http1.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const response = new http.ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket as TLSSocket)
      response.on('finish', () => socket.end())
      socket.on('error', () => socket.destroy())
      serve(new Http1Exchange(request, response, { peer: this.#peer(socket), upgrade: { request, socket, head } }))
    })
    this.#http1.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
      else socket.destroy()
    })
  }

  async listen(): Promise<AddressInfo> {
    const { host = '127.0.0.1', port = 0, alsoOn = [] } = this.#options
    const address = await this.#bind(host, port)
    for (const other of alsoOn) if (other !== host) void this.#bindLater(other, address.port)
    return address
  }

  async #bindLater(host: string, port: number): Promise<void> {
    try {
      await this.#bind(host, port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL')
        this.#retries.push(this.#clock.after(RETRY_MS, () => void this.#bindLater(host, port)))
      else this.#log.error('cannot listen', { host, port, error })
    }
  }

  #bind(host: string, port: number): Promise<AddressInfo> {
    const server = this.#createServer()
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        if (this.#left) server.close()
        server.on('error', (error) => this.#log.error('listener', { error }))
        this.#servers.push(server)
        resolve(server.address() as AddressInfo)
      })
    })
  }

  #createServer(): tls.Server {
    const { key, cert, clientCa } = this.#options.tls
    const server = tls.createServer({
      key,
      cert,
      ...(clientCa ? { ca: clientCa } : {}),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      // HTTP/2 forbids it, and who a client is must not change on the way.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: HANDSHAKE_MS,
    })
    server.maxConnections = MAX_CONNECTIONS
    server.on('secureConnection', (socket) => this.#accept(socket))
    server.on('tlsClientError', refuseHandshake)
    return server
  }

  /** Takes no more connections, and tells those there are to ask no more. */
  leave(): void {
    this.#left = true
    for (const retry of this.#retries.splice(0)) retry.cancel()
    for (const server of this.#servers.splice(0)) this.#closing.push(new Promise<void>((resolve) => server.close(() => resolve())))
    for (const connection of this.#connections) connection.leave()
    this.#closeIdle()
  }

  /** Node takes a connection for idle whose answer has ended but not left. */
  #closeIdle(): void {
    for (const answer of this.#answers) if (answer.writableEnded) return
    this.#http1.close()
  }

  /** Cuts all connections, once what was answered has left. */
  async close(): Promise<void> {
    this.leave()
    if (this.#sockets.size > 0) {
      const emptied = new Promise<void>((resolve) => (this.#emptied = resolve))
      // Peers live in real time, whatever time the cluster has.
      using _timer = systemClock.after(this.#options.lingerMs ?? LINGER_MS, () => {
        for (const socket of this.#sockets) socket.destroy()
      })
      await emptied
    }
    await Promise.all(this.#closing)
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#emptied?.()
    })
    socket.on('error', () => socket.destroy())
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const peer = peerOf(socket)
    this.#peers.set(socket, peer)
    if (socket.alpnProtocol === 'h2') this.#serveHttp2(socket, peer)
    else this.#serveHttp1(socket)
  }

  /**
   * Node reads sockets past their streams unless somebody listens to their data. Read so, TLS does not stop at once when it is told to, and a large body
   * sent right after a large answer breaks the connection.
   */
  #serveHttp1(socket: TLSSocket): void {
    this.#http1.emit('connection', socket)
    socket.on('data', ignore).off('data', ignore)
  }

  #serveHttp2(socket: TLSSocket, peer: Peer): void {
    const connection = new ServerConnection(socket, {
      clock: systemClock,
      turns: this.#turns,
      serve: (stream) => this.#serve(new Http2Exchange(stream, peer)),
    })
    socket.setTimeout(PROBE_MS, () => connection.probe())
    this.#connections.add(connection)
    socket.on('close', () => this.#connections.delete(connection))
  }

  #peer(socket: Duplex): Peer {
    return this.#peers.get(socket) ?? { remoteAddress: '' }
  }
}

function ignore(): void {}

const PLAIN_HTTP = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

/** Who speaks HTTP without TLS is told so, as Go tells it; others are cut. */
function refuseHandshake(error: NodeJS.ErrnoException, socket: TLSSocket): void {
  socket.destroy()
  // The socket below that of TLS, which is gone by now: Node has no name for it.
  const { _parent: plain } = socket as unknown as { _parent?: Duplex | null }
  if (error.code !== 'ERR_SSL_HTTP_REQUEST' || !plain?.writable) return
  plain.on('error', () => plain.destroy())
  plain.end(PLAIN_HTTP, () => plain.destroy())
}

function peerOf(socket: TLSSocket): Peer {
  const remoteAddress = socket.remoteAddress ?? ''
  const certificate = socket.getPeerCertificate()
  if (!certificate || Object.keys(certificate).length === 0) return { remoteAddress }
  if (!socket.authorized) return { remoteAddress, badCertificate: true }
  const { CN = '', O: organizations = [] } = certificate.subject as { CN?: string | string[]; O?: string | string[] }
  return {
    remoteAddress,
    certificate: {
      commonName: [CN].flat().at(-1) ?? '',
      organizations: [organizations].flat(),
      fingerprint: certificate.fingerprint256,
      notAfter: Date.parse(certificate.valid_to),
    },
  }
}
