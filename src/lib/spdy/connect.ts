// Opens a SPDY/3.1 connection by HTTP upgrade, as the streaming servers of container runtimes expect it.
import type { Duplex } from 'node:stream'
import { http } from '#lib/node-http.ts'

export interface Upgraded {
  socket: Duplex
  /** What the server chose of the protocols offered. */
  protocol: string
}

const ANSWER_LIMIT = 64 * 1024

/** Rejects with the server's own words when it does not upgrade. */
export function upgradeToSpdy(
  url: string,
  { protocols, signal }: { protocols: readonly string[]; signal?: AbortSignal },
): Promise<Upgraded> {
  const { promise, resolve, reject } = Promise.withResolvers<Upgraded>()
  const request = http.request(url, {
    method: 'POST',
    agent: false,
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': [...protocols], 'content-length': 0 },
    ...(signal ? { signal } : {}),
  })
  request.on('error', reject)
  request.on('upgrade', (response, socket, head) => {
    if (head.length > 0) socket.unshift(head)
    resolve({ socket, protocol: String(response.headers['x-stream-protocol-version'] ?? '') })
  })
  request.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      if (text.length < ANSWER_LIMIT) text += chunk
    })
    response.on('end', () => reject(new Error(`unable to upgrade connection: ${text.trim() || response.statusCode}`)))
    response.on('error', reject)
  })
  request.end()
  return promise
}
