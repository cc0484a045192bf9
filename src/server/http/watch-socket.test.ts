import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import type { Client } from '#client/client.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { clientCertificates } from '#server/access/authenticators.ts'
import { createApiServer, type ApiServer } from '#server/api-server.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'

const directory = mkdtempSync(join(tmpdir(), 'sampan-watch-socket-'))
const MAPS = '/api/v1/namespaces/default/configmaps'
let pki: Pki
let server: ApiServer
let client: Client
let running: AsyncDisposable

before(async () => {
  pki = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'localhost' })
  const { serving, authority } = pki
  server = createApiServer({
    store: createMemoryStore(),
    listen: { tls: { key: serving.key, cert: serving.certificate, clientCa: authority } },
    extensions: () => ({ authenticators: [clientCertificates()] }),
  })
  running = await server.start(new AbortController().signal)
  client = server.clientFor({ username: 'admin', groups: ['system:masters'] })
  await client.create(ConfigMap, { metadata: { name: 'there', namespace: 'default' }, data: { text: 'line\nline' } })
})
after(async () => {
  await running[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

function dial(path: string, { protocols = [], headers = {} }: { protocols?: string[]; headers?: Record<string, string> } = {}): WebSocket {
  const { certificate: cert, key } = pki.admin
  const url = server.url.replace('https', 'wss') + path
  return new WebSocket(url, protocols, { ca: pki.authority, cert, key, headers: { origin: 'http://localhost', ...headers } })
}

async function refusal(socket: WebSocket): Promise<number> {
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  return response.statusCode
}

/** The next `count` messages. */
function next(socket: WebSocket, count: number): Promise<{ data: Buffer; isBinary: boolean }[]> {
  return new Promise((resolve, reject) => {
    const heard: { data: Buffer; isBinary: boolean }[] = []
    socket.on('error', reject)
    socket.on('message', (data: Buffer, isBinary) => {
      if (heard.push({ data, isBinary }) === count) resolve(heard)
    })
  })
}

for (const path of [`${MAPS}?watch=1`, '/api/v1/watch/namespaces/default/configmaps']) {
  test(`a WebSocket to ${path} hears every event as a text of its own`, async () => {
    const socket = dial(path)
    const heard = next(socket, 3)
    await once(socket, 'open')
    await client.create(ConfigMap, { metadata: { name: 'later', namespace: 'default' } })
    await client.delete(ConfigMap, { name: 'later', namespace: 'default' })
    const events = (await heard).map(({ data, isBinary }) => {
      assert.equal(isBinary, false)
      return JSON.parse(String(data))
    })
    assert.deepEqual(
      events.map(({ type, object }) => `${type} ${object.metadata.name}`),
      ['ADDED there', 'ADDED later', 'DELETED later'],
    )
    assert.equal(events[0].object.data.text, 'line\nline')
    socket.close()
    await once(socket, 'close')
  })
}

test('a WebSocket is sent protobuf as binary messages without their length', async () => {
  const socket = dial(`${MAPS}?watch=1`, { headers: { accept: 'application/vnd.kubernetes.protobuf' } })
  const [event] = await next(socket, 1)
  assert.equal(event!.isBinary, true)
  // The first field of a WatchEvent: its type.
  assert.equal(event!.data.subarray(0, 7).toString('latin1'), '\n\x05ADDED')
  socket.terminate()
})

test('a WebSocket ends with its watch', async () => {
  const socket = dial(`${MAPS}?watch=1&timeoutSeconds=1`)
  const [code] = await once(socket, 'close')
  assert.equal(code, 1000)
})

test('a WebSocket for a watch that cannot be is answered as any request', async () => {
  const socket = dial(`${MAPS}?watch=1&resourceVersion=x`)
  assert.equal(await refusal(socket), 500)
})

test('a WebSocket is given the protocol it asks for, but never the token back', async () => {
  const socket = dial(`${MAPS}?watch=1`, { protocols: ['base64url.bearer.authorization.k8s.io.eA', 'base64.binary.k8s.io'] })
  await once(socket, 'open')
  assert.equal(socket.protocol, 'base64.binary.k8s.io')
  socket.terminate()
})

test('a WebSocket from nowhere, or with a choice of protocols, is refused', async () => {
  assert.equal(await refusal(dial(`${MAPS}?watch=1`, { headers: { origin: '' } })), 403)
  assert.equal(await refusal(dial(`${MAPS}?watch=1`, { protocols: ['one', 'two'] })), 400)
})
