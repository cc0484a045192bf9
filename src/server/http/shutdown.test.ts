import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { clientCertificates } from '#server/access/authenticators.ts'
import { createApiServer } from '#server/api-server.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'

test('ApiServer lets all that it told watches over HTTP/1.1 leave before it ends', async () => {
  const { serving, authority } = await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'localhost' })
  const store = createMemoryStore()
  const listen = { tls: { key: serving.key, cert: serving.certificate }, lingerMs: 600_000 }
  const server = createApiServer({ store, listen })
  const running = await server.start(new AbortController().signal)
  const client = server.clientFor({ username: 'x', groups: [] })
  const asked = https.request(`${server.url}${MAPS}?watch=1`, { ca: authority, agent: false }).end()
  const [answer] = await once(asked, 'response')
  // More than the kernel holds, and nobody reads it before the server ends.
  const data = { filler: 'x'.repeat(900_000) }
  for (let n = 0; n < 7; n++) await client.create(ConfigMap, { metadata: { name: `m${n}`, namespace: 'default' }, data })
  const disposed = running[Symbol.asyncDispose]()
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  let events = 0
  for await (const piece of answer) for (const byte of piece) if (byte === 10) events++
  assert.deepEqual([answer.complete, events], [true, 7])
  await disposed
  await store[Symbol.asyncDispose]()
})

test('ApiServer answers what it was asked before it ends, ends watches as if their time were over, and tells clients to go', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-shutdown-'))
  const { serving, authority, admin } = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'localhost' })
  const store = createMemoryStore()
  const server = createApiServer({
    store,
    // What is under way may take as long as it takes.
    clock: createVirtualClock(),
    listen: { tls: { key: serving.key, cert: serving.certificate, clientCa: authority } },
    extensions: () => ({ authenticators: [clientCertificates()] }),
  })
  const running = await server.start(new AbortController().signal)
  const credentials = { ca: authority, cert: admin.certificate, key: admin.key }
  const session = http2.connect(server.url, credentials)
  const watch = session.request({ ':path': `${MAPS}?watch=1` }).resume()
  await once(watch, 'response')
  const kept = https.request(`${server.url}${MAPS}?watch=1`, { ...credentials, agent: false }).end()
  const [keptAnswer] = await once(kept, 'response')
  const post = session.request({ ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' })
  post.write('{"metadata":')
  await new Promise((resolve) => session.ping(resolve))
  const away = once(session, 'goaway')
  const disposed = running[Symbol.asyncDispose]()
  const ended = Promise.all([once(watch, 'close'), once(keptAnswer.resume(), 'end'), once(session, 'close')])
  assert.deepEqual((await away).slice(0, 2), [0, 3])
  post.end('{"name":"late"}}')
  const [headers] = await once(post, 'response')
  assert.equal(headers[':status'], 201)
  assert.equal(JSON.parse((await post.setEncoding('utf8').toArray()).join('')).metadata.name, 'late')
  await Promise.all([disposed, ended])
  assert.deepEqual([watch.rstCode, watch.aborted, keptAnswer.complete], [0, false, true])
  await store[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})
