import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { systemClock as clock } from '#lib/clock.ts'
import { HttpConnection } from './http-connection.ts'

// What it threw would be nobody's to catch: the test runner reports it against this test.
test('HttpConnection given up before it is there stays quiet when it comes', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    for (const turns of [0, 1, 2]) {
      const arrived = once(server, 'connection')
      const closed = Promise.withResolvers<void>()
      const connection = new HttpConnection({ url: `http://127.0.0.1:${port}`, clock }, () => closed.resolve())
      const [peer] = (await arrived) as [Socket]
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      const ended = once(peer.resume(), 'close')
      connection.destroy()
      await Promise.all([closed.promise, ended])
    }
  } finally {
    server.close()
  }
})
