// Accepts WebSockets with the protocol names Kubernetes uses. `ws` refuses names with a slash (`SPDY/3.1+portforward.k8s.io`), so the choice is made
// here and only the answer's header is left to it. The library is loaded with the first WebSocket.
import type { WebSocket } from 'ws'
import { refuseUpgrade, type Upgrade } from './upgrade.ts'

const MESSAGE_LIMIT = 16 * 1024 * 1024

/** The first protocol the client lists that is accepted here; '' in `protocols` accepts clients that name none. undefined: refused. */
export async function acceptWebSocket(
  upgrade: Upgrade,
  protocols: readonly string[],
): Promise<{ socket: WebSocket; protocol: string } | undefined> {
  const { request, socket, head } = upgrade
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  const protocol = offered.find((name) => protocols.includes(name))
  if (protocol === undefined) {
    const names = offered.filter(Boolean).join(' ')
    refuseUpgrade(upgrade, 400, `unable to negotiate protocol: client supports [${names}], server accepts [${protocols.join(' ')}]`)
    return undefined
  }
  const { WebSocketServer } = await import('ws')
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MESSAGE_LIMIT, clientTracking: false })
  delete request.headers['sec-websocket-protocol']
  server.on('headers', (headers) => {
    if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`)
  })
  const accepted = await new Promise<WebSocket | undefined>((resolve) => {
    // A malformed handshake is answered by the library, which then ends the socket.
    socket.once('close', () => resolve(undefined))
    server.handleUpgrade(request, socket, head, resolve)
  })
  accepted?.on('error', () => {})
  return accepted && { socket: accepted, protocol }
}
