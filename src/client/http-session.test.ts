import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { StatusError } from '#api/status.ts'
import { systemClock } from '#lib/clock.ts'
import { CODE } from '#lib/http2/frames.ts'
import { ServerConnection } from '#lib/http2/server-connection.ts'
import type { ServerStream } from '#lib/http2/server-stream.ts'
import { HttpSession } from './http-session.ts'

/** A server whose answers leave in one write each, head and body. */
async function serve(handle: (stream: ServerStream) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    void new ServerConnection(socket, { clock: systemClock, serve: handle })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = new HttpSession({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock: systemClock })
  return {
    session,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]()
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('HttpSession reads a body that has come whole with its head, at once or later', async () => {
  const sizes = [0, 1, 100, 20_000, 300_000]
  await using running = await serve((stream) => stream.respond(200, {}, 'x'.repeat(Number(stream.head.path.slice(1)))))
  const { session } = running
  for (const size of sizes) {
    const response = await session.request({ method: 'GET', path: `/${size}` })
    assert.equal((await session.readBody(response)).length, size)
    const late = await session.request({ method: 'GET', path: `/${size}` })
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await session.readBody(late)).length, size)
  }
})

test('HttpSession tells a body that was broken off from a whole one', async () => {
  await using running = await serve((stream) => {
    stream.open(200, {}).write('begun')
    setImmediate(() => setImmediate(() => stream.reset(CODE.internal)))
  })
  const { session } = running
  const response = await session.request({ method: 'GET', path: '/' })
  await assert.rejects(session.readBody(response), (error) => !(error instanceof StatusError) || error.reason === 'ServiceUnavailable')
})
