import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { clientCertificates } from '#server/access/authenticators.ts'
import { createApiServer } from '#server/api-server.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'

test('ApiServer answers what it was asked before it ends, ends watches as if their time were over, and tells clients to go', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-shutdown-'))
  const { serving, authority, admin } = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'localhost' })
  const store = createMemoryStore()
  const server = createApiServer({
    store,
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
