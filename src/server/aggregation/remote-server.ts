// One extension server: the connections to it, and questions asked of it in the cluster's own name. Its certificate must be for NAME.NAMESPACE.svc
// and signed by the APIService's authority, unless the APIService does without.
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Agent, type AgentOptions } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import type { APIServiceSpec } from '#api/generated/types.ts'
import { type Address, dialError } from '#lib/dial-error.ts'
import type { Random } from '#lib/random.ts'
import type { ObjectReader } from '#server/request.ts'
import { type Backend, forward } from '#server/subresources/forward-http.ts'
import { AGGREGATOR, remoteUserHeaders } from './remote-user.ts'
import { serviceAddress, type ServiceReference } from './service-address.ts'

/** The front proxy's certificate: what extension servers know this server by. */
export interface FrontProxy {
  certificate: string
  key: string
}

export interface RemoteContext {
  reader: ObjectReader
  random: Random
  frontProxy: FrontProxy
}

export interface Answered {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

const MAX_CONNECTIONS = 1024
const MAX_IDLE = 25

export class RemoteServer implements Disposable {
  readonly service: ServiceReference
  readonly #context: RemoteContext
  readonly #tls: ConnectionOptions
  readonly #agent: Agent

  constructor({ service, caBundle, insecureSkipTLSVerify }: APIServiceSpec, context: RemoteContext) {
    const { namespace = '', name = '', port = 443 } = service ?? {}
    this.service = { namespace, name, port }
    this.#context = context
    this.#tls = {
      cert: context.frontProxy.certificate,
      key: context.frontProxy.key,
      servername: `${name}.${namespace}.svc`,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: insecureSkipTLSVerify !== true,
      ...(caBundle ? { ca: Buffer.from(caBundle, 'base64').toString() } : {}),
    }
    this.#agent = new Agent({ ...this.#tls, keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: MAX_IDLE } as AgentOptions)
  }

  /** Throws StatusError when nobody is there. */
  backend(): Backend {
    const { reader, random } = this.#context
    return { scheme: 'https', ...serviceAddress(reader, this.service, random), agent: this.#agent, tls: this.#tls }
  }

  /** Asks as the aggregator itself and takes the answer whole, up to a bound. */
  async ask(
    path: string,
    options: { headers?: OutgoingHttpHeaders; signal: AbortSignal; limit: number; backend?: Backend },
  ): Promise<Answered> {
    const { signal, limit, backend = this.backend() } = options
    const headers = { accept: 'application/json', ...options.headers, ...remoteUserHeaders(AGGREGATOR) }
    const answer = await forward(backend, { method: 'GET', path, headers, signal })
    const parts: Buffer[] = []
    let size = 0
    for await (const part of answer as AsyncIterable<Buffer>) {
      size += part.length
      if (size > limit) throw new Error(`the answer to ${path} is larger than ${limit} bytes`)
      parts.push(part)
    }
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

const UNKNOWN_AUTHORITY = 'x509: certificate signed by unknown authority'
const CERTIFICATE_ERRORS: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: 'x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'x509: certificate has expired or is not yet valid',
}

/** Why a server could not be reached, in the words of Go's HTTP client. */
export function reachError(error: unknown, address: Address): string {
  const { code = '', host, cert } = error as NodeJS.ErrnoException & { host?: string; cert?: { subjectaltname?: string } }
  if (Object.hasOwn(CERTIFICATE_ERRORS, code)) return `tls: failed to verify certificate: ${CERTIFICATE_ERRORS[code]}`
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return dialError(error, address)
  const names = (cert?.subjectaltname ?? '').replace(/\b(?:DNS|IP Address):/g, '')
  return `tls: failed to verify certificate: x509: certificate is valid for ${names}, not ${host ?? ''}`
}
