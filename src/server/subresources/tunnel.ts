// An upgrade request (WebSocket, SPDY) handed to a backend and then bytes both ways, unread: whatever the two speak, they speak to each other.
// The backend's refusal of the upgrade passes to the client as it is.
import type { OutgoingHttpHeaders } from 'node:http'
import { connect as connectPlain } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { StatusError } from '#api/status.ts'
import { hostPort } from '#lib/dial-error.ts'
import { passOn } from '#lib/pass-on.ts'
import { SOCKET_TOKEN } from '#server/access/authenticators.ts'
import { connectionError } from '#server/outgoing/call-error.ts'
import type { Exchange } from '#server/request.ts'
import type { Backend } from './forward-http.ts'

const CONNECT_TIMEOUT_MS = 30_000
const WITHHELD = /^(host|authorization|cookie|impersonate-.*|x-remote-.*)$/i

/** Resolves once both sides are joined; rejects, having sent nothing, when the backend cannot be reached. */
export async function tunnel(exchange: Exchange, backend: Backend, path: string, added: OutgoingHttpHeaders = {}): Promise<void> {
  const { upgrade } = exchange
  if (!upgrade) throw new StatusError('BadRequest', 'Upgrade request required')
  const server = await open(backend, exchange.signal).catch((error: unknown) => {
    throw new StatusError('', `error dialing backend: ${connectionError(error, backend)}`, { cause: error })
  })
  const { request, socket: client, head } = upgrade
  server.write(requestHead(request.method ?? 'GET', path, { backend, rawHeaders: request.rawHeaders, added }), 'latin1')
  if (head.length > 0) server.write(head)
  join(client, server)
  exchange.signal.addEventListener('abort', () => server.destroy(), { once: true })
}

function open(backend: Backend, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const { host, port, tls } = backend
    const ready = backend.scheme === 'https' ? 'secureConnect' : 'connect'
    const socket = backend.scheme === 'https' ? connectTls({ ...tls, host, port }) : connectPlain({ host, port })
    const fail = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    const timeout = () => fail(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' }))
    socket.setTimeout(CONNECT_TIMEOUT_MS, timeout)
    socket.once('error', fail)
    socket.once(ready, () => {
      socket.setTimeout(0)
      socket.off('timeout', timeout)
      socket.off('error', fail)
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

interface Head {
  backend: Backend
  rawHeaders: readonly string[]
  added: OutgoingHttpHeaders
}

function requestHead(method: string, path: string, { backend, rawHeaders, added }: Head): string {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${hostPort(backend)}`]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i]!, rawHeaders[i + 1]!]
    if (WITHHELD.test(name)) continue
    const kept = /^sec-websocket-protocol$/i.test(name) ? withoutToken(value) : value
    if (kept) lines.push(`${name}: ${kept}`)
  }
  for (const [name, values] of Object.entries(added)) for (const value of [values ?? []].flat()) lines.push(`${name}: ${value}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Browsers carry the bearer token in the list of protocols; it is for us alone. */
function withoutToken(protocols: string): string {
  return protocols
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !one.startsWith(SOCKET_TOKEN))
    .join(', ')
}

/** What the server has said is passed on even where it breaks off: how a command ended is the last it says. */
function join(client: Duplex, server: Duplex): void {
  client.pipe(server)
  passOn(server, client)
  client.on('error', () => server.destroy())
  client.on('close', () => server.destroy())
}
