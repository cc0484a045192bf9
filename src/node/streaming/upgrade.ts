// An HTTP request that asks for another protocol, and how to turn it down.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

export interface Upgrade {
  request: IncomingMessage
  socket: Duplex
  head: Buffer
}

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
}

export function refuseUpgrade({ socket }: Upgrade, status: number, text: string): void {
  const body = Buffer.from(text)
  socket.on('error', () => {})
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
}

export function isWebSocket({ request }: Upgrade): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket'
}

export function isSpdy({ request }: Upgrade): boolean {
  return request.headers.upgrade?.toLowerCase() === 'spdy/3.1'
}
