// One HTTP request passed on to a backend and its answer passed back as it comes. Hop-by-hop headers and the client's credentials stay here.
import type { Agent as HttpAgent, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { hostPort } from '#lib/dial-error.ts'
import { http } from '#lib/node-http.ts'
import type { Exchange } from '#server/request.ts'

export interface Backend {
  scheme: 'http' | 'https'
  host: string
  port: number
  agent?: HttpAgent | HttpsAgent
  tls?: ConnectionOptions
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])
const CREDENTIALS = /^(authorization|cookie|impersonate-.*|x-remote-.*)$/

/** What of the client's headers a backend may see. */
export function forwardedHeaders(headers: Exchange['headers']): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !name.startsWith(':') && name !== 'host' && !HOP_BY_HOP.has(name) && !CREDENTIALS.test(name))
      kept[name] = value
  return kept
}

export function returnedHeaders(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && !HOP_BY_HOP.has(name)) kept[name] = value
  return kept
}

export interface ForwardOptions {
  method: string
  path: string
  headers: OutgoingHttpHeaders
  /** Absent: no body. */
  body?: Exchange['input']
  signal: AbortSignal
}

/** Asked once more when the backend had just closed the kept connection that was used: it cannot have seen the request. As Go's transport does. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Resolves with the answer's head; rejects when the backend cannot be reached. */
export function forward(backend: Backend, options: ForwardOptions): Promise<IncomingMessage> {
  const { method, path, headers, body, signal } = options
  const { scheme, host, port, agent, tls } = backend
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const sent = { ...tls, method, host, port, path, headers: { host: hostPort(backend), ...headers }, signal, ...(agent ? { agent } : {}) }
  const request = scheme === 'https' ? httpsRequest(sent) : http.request(sent)
  request.on('response', resolve)
  request.on('error', (error: NodeJS.ErrnoException) => {
    const closed = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    if (closed && !body && REPEATABLE.has(method) && !signal.aborted) resolve(forward(backend, options))
    else reject(error)
  })
  if (body) {
    body.on('error', (error) => request.destroy(error))
    body.pipe(request)
  } else request.end()
  return promise
}

/** The whole answer as text, cut off at `limit` bytes. */
export async function textOf(answer: IncomingMessage, limit: number): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part)
    size += part.length
    if (size >= limit) break
  }
  return Buffer.concat(parts).subarray(0, limit).toString()
}
