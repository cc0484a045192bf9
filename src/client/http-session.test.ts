import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { StatusError } from '#api/status.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { CODE } from '#lib/http2/frames.ts'
import { SharedTurns } from '#lib/shared-turns.ts'
import { ServerConnection } from '#lib/http2/server-connection.ts'
import type { ServerStream } from '#lib/http2/server-stream.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { HttpSession } from './http-session.ts'

interface Running extends AsyncDisposable {
  session: HttpSession
  connections: ServerConnection[]
  sockets: Set<Socket>
}

/** A server whose answers leave in one write each, head and body. */
async function serve(handle: (stream: ServerStream) => void, clock: Clock = systemClock): Promise<Running> {
  const sockets = new Set<Socket>()
  const connections: ServerConnection[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    connections.push(new ServerConnection(socket, { clock: systemClock, turns: new SharedTurns(1000), serve: handle }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = new HttpSession({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock })
  return {
    session,
    connections,
    sockets,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]()
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const GET = { method: 'GET', path: '/' }
const turn = () => new Promise((resolve) => setImmediate(resolve))
const isUnavailable = (error: unknown) => error instanceof StatusError && error.reason === 'ServiceUnavailable'

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

test('HttpSession asks again what a server that leaves has not begun, on a new connection, and reads on what it has', async () => {
  await using running = await serve((stream) => {
    if (stream.head.path === '/watch') stream.open(200, {}).write('begun')
    else stream.respond(200, {}, stream.takeWhole() ?? 'unread')
  })
  const { session, connections } = running
  for (let round = 0; round < 20; round++) {
    const watch = await session.request({ method: 'GET', path: '/watch' })
    const leaving = connections.at(-1)!
    // Both cross on their way: the server has left when it reads this.
    leaving.leave()
    const answer = await session.request({ method: 'POST', path: '/', body: '{}' })
    assert.equal((await session.readBody(answer)).toString(), '{}', `round ${round}`)
    assert.equal(connections.length, round + 2)
    assert.equal(String((await watch.stream[Symbol.asyncIterator]().next()).value), 'begun')
    watch.stream.close(8)
    for (let i = 0; i < 3; i++) await turn()
  }
  const idle = connections.at(-1)!
  idle.leave()
  assert.equal((await session.request(GET)).status, 200)
})

test('HttpSession opens another connection where the server allows no more requests on one', async () => {
  const held: ServerStream[] = []
  await using running = await serve((stream) => (stream.head.path === '/held' ? void held.push(stream) : stream.respond(200, {})))
  const { session, connections } = running
  assert.equal((await session.request(GET)).status, 200)
  const waiting = Array.from({ length: 600 }, () => session.request({ method: 'GET', path: '/held' }))
  while (held.length < 600) await turn()
  assert.equal((await session.request(GET)).status, 200)
  assert.equal(connections.length, 5, '250 on the first, and 100 on each that has not told how many it takes')
  for (const stream of held) stream.respond(200, {})
  for (const { status } of await Promise.all(waiting)) assert.equal(status, 200)
  assert.equal((await session.request(GET)).status, 200)
  assert.equal(connections.length, 5)
})

test('HttpSession gives up a server that goes on refusing, and one that no longer answers', async () => {
  const asked: string[] = []
  await using refusing = await serve((stream) => {
    asked.push(stream.head.path)
    stream.reset(CODE.refusedStream)
  })
  await assert.rejects(refusing.session.request(GET), isUnavailable)
  assert.equal(asked.length, 4)
  const clock = createVirtualClock()
  await using silent = await serve((stream) => void stream.open(200, {}).write('begun'), clock)
  const watch = await silent.session.request(GET)
  await clock.advance(30_000)
  while (silent.connections.length === 0) await turn()
  for (let i = 0; i < 20; i++) await turn()
  await clock.advance(15_000)
  const chunks = watch.stream[Symbol.asyncIterator]()
  assert.equal(String((await chunks.next()).value), 'begun')
  for (const socket of silent.sockets) socket.pause()
  await clock.advance(30_000)
  await clock.advance(15_000)
  await assert.rejects(async () => chunks.next())
})

test('HttpSession waits for no connection longer than it must', async () => {
  const clock = createVirtualClock()
  const mute = createServer()
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`
  await using session = new HttpSession({ url, clock })
  const stop = new AbortController()
  const aborted = session.request({ ...GET, signal: stop.signal })
  const late = session.request(GET)
  const ends = Promise.all([
    assert.rejects(aborted, (error) => error === stop.signal.reason),
    assert.rejects(late, (error) => isUnavailable(error) && /did not answer in time/.test(String(error))),
  ])
  await turn()
  stop.abort()
  await clock.advance(30_000)
  await ends
  mute.close()
})
