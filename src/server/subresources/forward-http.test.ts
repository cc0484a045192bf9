import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { forward, textOf } from './forward-http.ts'

/** Answers the first request of each connection and resets the connection at the second. */
async function forgetful(): Promise<AsyncDisposable & { port: number; seen: string[] }> {
  const seen: string[] = []
  const served = new WeakSet<Socket>()
  const server: Server = createServer((request, response) => {
    seen.push(request.method!)
    if (served.has(request.socket)) return request.socket.resetAndDestroy()
    served.add(request.socket)
    response.end('here')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('forward asks once more when a kept connection turns out to be closed, but never sends a body twice', async () => {
  await using server = await forgetful()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (method: string, body?: Readable) =>
    forward(
      { scheme: 'http', host: '127.0.0.1', port: server.port, agent },
      { method, path: '/', headers: {}, ...(body ? { body } : {}), signal: new AbortController().signal },
    )
  assert.equal(await textOf(await ask('GET'), 100), 'here')
  assert.equal(await textOf(await ask('GET'), 100), 'here')
  assert.deepEqual(server.seen, ['GET', 'GET', 'GET'])
  await assert.rejects(ask('POST', Readable.from([Buffer.from('x')])), { code: 'ECONNRESET' })
  agent.destroy()
})
