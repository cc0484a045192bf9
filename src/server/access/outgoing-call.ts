// Calls to those who help to decide who may come in: issuers and webhooks of the operator's choice. Bounded in time and size; nothing is followed elsewhere.
import { Agent, request } from 'node:https'
import { isIP } from 'node:net'

export interface OutgoingCall {
  url: string
  method: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** PEM; absent: the authorities everyone trusts. */
  ca?: string
  certificate?: string
  key?: string
  serverName?: string
  timeoutMs: number
}

export interface CallAnswer {
  status: number
  body: Buffer
}

/** Throws an Error that says what failed. */
export type Calls = (call: OutgoingCall) => Promise<CallAnswer>

const MAX_BYTES = 1024 * 1024
const CONNECTIONS = 64
const IDLE_MS = 30_000

/** Connections are kept and shared; disposing ends them. */
export function outgoingCalls(): { call: Calls } & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: 4, timeout: IDLE_MS })
  return {
    call: (asked) =>
      new Promise((resolve, reject) => {
        const { hostname, port, pathname, search } = new URL(asked.url)
        const host = hostname.replace(/^\[|\]$/g, '')
        const { body, headers = {} } = asked
        const sent = request(
          {
            agent,
            method: asked.method,
            host,
            port: port === '' ? 443 : Number(port),
            path: pathname + search,
            headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
            servername: asked.serverName ?? (isIP(host) ? '' : host),
            minVersion: 'TLSv1.2',
            signal: AbortSignal.timeout(asked.timeoutMs),
            ...(asked.ca ? { ca: asked.ca } : {}),
            ...(asked.certificate ? { cert: asked.certificate } : {}),
            ...(asked.key ? { key: asked.key } : {}),
          },
          (answer) => {
            const parts: Buffer[] = []
            let size = 0
            answer.on('data', (part: Buffer) => {
              size += part.length
              if (size > MAX_BYTES) answer.destroy(new Error(`the answer is larger than the ${MAX_BYTES} bytes allowed`))
              else parts.push(part)
            })
            answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }))
            answer.on('error', reject)
          },
        )
        sent.on('error', (error) =>
          reject((error as NodeJS.ErrnoException).code === 'ABORT_ERR' ? new Error('context deadline exceeded') : error),
        )
        sent.end(body)
      }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}
