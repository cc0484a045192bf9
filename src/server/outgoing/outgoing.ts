// The one place from which the server calls strangers: webhooks of every sort. Each call is bounded in time, each answer in size, all connections
// in number; redirects are not followed. Whoever streams or upgrades asks only where to (`resolve`).
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { StatusError } from '#api/status.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import type { Address } from '#lib/dial-error.ts'
import { nextTurn } from '#lib/paced.ts'
import type { Random } from '#lib/random.ts'
import { serviceAddress } from '#server/aggregation/service-address.ts'
import type { BodyReader } from '#server/decoding/body-reader.ts'
import { carryOut } from '#server/decoding/jobs.ts'
import type { ObjectReader } from '#server/request.ts'
import { CallError, connectionError, statusError } from './call-error.ts'
import { type ClientConfig, type Origin, originOf } from './client-config.ts'

/** PEM. */
export interface ClientCredentials {
  certificate: string
  key: string
}

export interface OutgoingRequest {
  method: string
  /** Added to the configuration's own path. */
  path?: string
  query?: URLSearchParams
  headers?: OutgoingHttpHeaders
  body?: string | Uint8Array
  credentials?: ClientCredentials
  timeoutMs: number
  maxBytes?: number
  signal?: AbortSignal
}

export interface OutgoingAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Everything a connection needs; fits what `forward` and `tunnel` take. */
export interface Destination extends Address {
  scheme: 'https'
  agent: Agent
  tls: ConnectionOptions
  origin: Origin
}

const CONNECTIONS_PER_STRANGER = 64
const CONNECTIONS = 512
const IDLE_CONNECTIONS_PER_STRANGER = 4
const IDLE_MS = 30_000
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface OutgoingContext {
  /** Of services; absent: strangers are at addresses alone. */
  reader?: ObjectReader
  random: Random
  /** Strangers live in real time, whatever time the cluster keeps. */
  clock?: Clock
  /** Who reads large answers; absent: whoever asked, at once. */
  bodies?: Pick<BodyReader, 'read'>
}

export class Outgoing implements Disposable {
  readonly #reader: ObjectReader | undefined
  readonly #random: Random
  readonly #clock: Clock
  readonly #agent: Agent
  readonly bodies: OutgoingContext['bodies']

  constructor({ reader, random, clock = systemClock, bodies }: OutgoingContext) {
    this.bodies = bodies
    this.#reader = reader
    this.#random = random
    this.#clock = clock
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: CONNECTIONS_PER_STRANGER,
      maxTotalSockets: CONNECTIONS,
      maxFreeSockets: IDLE_CONNECTIONS_PER_STRANGER,
      timeout: IDLE_MS,
    })
  }

  /** Where and how to connect now; another time it may be another endpoint. Throws CallError. */
  resolve(config: ClientConfig, credentials?: ClientCredentials): Destination {
    const origin = originOf(config)
    const { serverName, port } = origin
    const { namespace = '', name = '' } = config.service ?? {}
    const address = config.service ? this.#addressOf({ namespace, name, port }) : { host: serverName, port }
    const tls: ConnectionOptions = {
      ...authorities(config),
      ...(credentials ? { cert: credentials.certificate, key: credentials.key } : {}),
      servername: isIP(serverName) ? '' : serverName,
      minVersion: 'TLSv1.2',
    }
    return { scheme: 'https', ...address, agent: this.#agent, tls, origin }
  }

  #addressOf(service: { namespace: string; name: string; port: number }): Address {
    if (!this.#reader) throw new CallError('services cannot be called here', { setup: true })
    try {
      return serviceAddress(this.#reader, service, this.#random)
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      const message = error.reason === 'NotFound' ? `service ${JSON.stringify(service.name)} not found` : error.message
      throw new CallError(message, { cause: error })
    }
  }

  /** Whatever answers within the bounds, with whatever status. Throws CallError. */
  async send(config: ClientConfig, request: OutgoingRequest): Promise<OutgoingAnswer> {
    const { origin, path } = originOf(config)
    authorities(config)
    const { method, query } = request
    const target = `${path}${request.path ?? ''}` || '/'
    const pathAndQuery = query && query.size > 0 ? `${target}?${query}` : target
    const verb = method[0] + method.slice(1).toLowerCase()
    const failed = (why: string, cause?: unknown) =>
      new CallError(`${verb} ${JSON.stringify(`${origin}${pathAndQuery}`)}: ${why}`, {
        ...(cause === undefined ? {} : { cause }),
        timedOut: why === TIMED_OUT,
      })
    const deadline = new AbortController()
    using _timer = this.#clock.after(request.timeoutMs, () => deadline.abort())
    const signal = request.signal ? AbortSignal.any([deadline.signal, request.signal]) : deadline.signal
    for (let attempt = 1; ; attempt++) {
      let destination: Destination | undefined
      try {
        destination = this.resolve(config, request.credentials)
        return await this.#exchange(destination, { ...request, target: pathAndQuery, signal })
      } catch (error) {
        if (deadline.signal.aborted) throw failed(TIMED_OUT, error)
        request.signal?.throwIfAborted()
        if (error instanceof CallError) throw failed(error.message, error)
        // Closed by the other side while it lay idle: nothing of the request was taken in.
        if (attempt === 1 && (error as StaleConnection).stale) continue
        throw failed(connectionError(error, destination!), error)
      }
    }
  }

  /** The body of a 2xx answer to a POST of JSON. */
  async post(config: ClientConfig, request: Omit<OutgoingRequest, 'method'>): Promise<Buffer> {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, */*',
      'user-agent': 'kube-apiserver-admission',
      ...request.headers,
    }
    const { status, body } = await this.send(config, { ...request, headers, method: 'POST' })
    if (status < 200 || status > 206) throw statusError(status, body)
    return body
  }

  /** What JSON of a stranger says; where there is much of it nobody else waits meanwhile. Throws SyntaxError. */
  async parse(text: Buffer): Promise<unknown> {
    const job = { read: 'json' } as const
    const { value, fault } = await (this.bodies?.read(job, text) ?? carryOut(job, text))
    if (fault) throw new SyntaxError(fault.message)
    return value
  }

  #exchange(
    { host, port, tls, agent, origin }: Destination,
    request: OutgoingRequest & { target: string; signal: AbortSignal },
  ): Promise<OutgoingAnswer> {
    const { method, target, body, signal, maxBytes = MAX_ANSWER_BYTES } = request
    return new Promise((resolve, reject) => {
      const headers = {
        host: origin.origin.slice('https://'.length),
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...request.headers,
      }
      const sent = httpsRequest({ ...tls, agent, method, host, port, path: target, headers, signal })
      sent.on('error', (error) => {
        const stale = sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
        reject(stale ? Object.assign(error, { stale }) : error)
      })
      sent.on('response', (answer) => void readAnswer(answer, maxBytes).then(resolve, reject))
      void write(sent, body)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

/** Encrypting megabytes at once takes long. */
const PIECE_BYTES = 128 * 1024

async function write(sent: ClientRequest, body: string | Uint8Array = ''): Promise<void> {
  let rest = typeof body === 'string' ? Buffer.from(body) : body
  for (; rest.length > PIECE_BYTES && !sent.destroyed; rest = rest.subarray(PIECE_BYTES)) {
    sent.write(rest.subarray(0, PIECE_BYTES))
    await nextTurn()
  }
  sent.end(rest)
}

const TIMED_OUT = 'context deadline exceeded'

interface StaleConnection extends Error {
  stale?: boolean
}

async function readAnswer(answer: IncomingMessage, maxBytes: number): Promise<OutgoingAnswer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxBytes) {
      answer.destroy()
      throw new CallError(`the answer is larger than the ${maxBytes} bytes allowed`)
    }
    parts.push(part)
  }
  if (!answer.complete) throw new CallError('unexpected EOF')
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }
}

function authorities({ caBundle }: ClientConfig): { ca?: string } {
  if (!caBundle) return {}
  const ca = Buffer.from(caBundle, 'base64').toString('latin1')
  if (!ca.includes('-----BEGIN CERTIFICATE-----'))
    throw new CallError('unable to load root certificates: unable to parse bytes as PEM block', { setup: true })
  return { ca }
}
