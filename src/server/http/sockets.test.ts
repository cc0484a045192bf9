import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import tls from 'node:tls'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { clientCertificates } from '#server/access/authenticators.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createApiServer, type ApiServer } from '#server/api-server.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'

const directory = mkdtempSync(join(tmpdir(), 'sampan-http-'))
let pki: Pki
let server: ApiServer
let running: AsyncDisposable
const seen: string[] = []

before(async () => {
  pki = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'localhost' })
  const { serving, authority } = pki
  server = createApiServer({
    store: createMemoryStore(),
    listen: { tls: { key: serving.key, cert: serving.certificate, clientCa: authority } },
    extensions: () => ({
      authenticators: [clientCertificates()],
      subresources: [
        {
          kind: Pod,
          subresource: 'exec',
          async connect({ attributes }, exchange) {
            seen.push(`${attributes.user.username} ${attributes.verb} ${exchange.query.get('command')}`)
            const { socket } = exchange.upgrade!
            socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n')
            socket.pipe(socket)
          },
        },
      ],
    }),
  })
  running = await server.start(new AbortController().signal)
})

after(async () => {
  await running[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

const credentials = () => ({ ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
const connect = () => http2.connect(server.url, credentials())

async function h2(session: http2.ClientHttp2Session, method: string, path: string, body?: string | Buffer) {
  const stream = session.request(
    { ':method': method, ':path': path, 'content-type': 'application/json' },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(body)
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const ended = once(stream, 'end')
  const [headers] = await once(stream, 'response')
  await ended
  return { status: headers[':status'] as number, headers, text }
}

function h1(method: string, path: string, body?: string): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      server.url + path,
      { ...credentials(), method, agent: false, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

const map = (name: string, data = {}) => JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data })
const MAPS = '/api/v1/namespaces/default/configmaps'

test('listener serves HTTP/2 and HTTP/1.1 on one port, and knows the client by its certificate', async () => {
  const session = connect()
  const created = await h2(session, 'POST', MAPS, map('a'))
  assert.equal(created.status, 201)
  assert.equal(session.alpnProtocol, 'h2')
  const read = await h1('GET', `${MAPS}/a`)
  assert.deepEqual([read.status, read.text], [200, created.text])
  assert.match(String(read.headers['audit-id']), /^[0-9a-f-]{36}$/)
  const head = await h1('HEAD', `${MAPS}/a`)
  assert.deepEqual([head.status, head.text], [405, ''])
  session.close()
})

test('listener keeps a connection of HTTP/1.1 for the next request, also for those that were sent without waiting', async () => {
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  const paths = ['/livez', '/version', '/apis', MAPS, '/nothing', 'https://localhost:6443/version', '*']
  const heads = paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  socket.write(`${heads.join('')}GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
  assert.deepEqual(statuses, ['200', '200', '200', '200', '404', '200', '404', '200'])
})

test('listener asks for an expected body over HTTP/1.1 once it is wanted, and not where it is refused', async () => {
  const said = async (options: tls.ConnectionOptions, send: string, body: string) => {
    const socket = tls.connect({ port: server.port, host: '127.0.0.1', ca: pki.authority, ...options, ALPNProtocols: ['http/1.1'] })
    await once(socket, 'secureConnect')
    socket.write(
      `POST ${MAPS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n${send}\r\n`,
    )
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      if (text.endsWith('100 Continue\r\n\r\n')) socket.write(body)
    }
    return [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
  }
  assert.deepEqual(await said({}, '', map('expected')), ['401'])
  assert.deepEqual(await said(credentials(), 'content-type: application/json\r\n', map('expected')), ['100', '201'])
})

test('listener takes the protocol that a client names, none of others, and no new handshake on a connection', async () => {
  const chosen = async (...protocols: string[]) => {
    const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: protocols })
    await once(socket, 'secureConnect')
    socket.destroy()
    return socket.alpnProtocol
  }
  assert.deepEqual(
    [await chosen('h2', 'http/1.1'), await chosen('http/1.1', 'h2'), await chosen('http/1.1'), await chosen()],
    ['h2', 'h2', 'http/1.1', false],
  )
  await assert.rejects(chosen('h2c', 'spdy/3.1'), /no application protocol/i)
  const old = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] })
  await once(old, 'secureConnect')
  const failed = once(old, 'error')
  old.renegotiate({}, () => {})
  assert.match(String(await failed), /renegotiation/i)
  old.destroy()
})

test('listener refuses clients without a certificate of its authority', async () => {
  const stranger = http2.connect(server.url, { ca: pki.authority })
  const { status, text } = await h2(stranger, 'GET', MAPS)
  assert.equal(status, 401)
  assert.deepEqual(JSON.parse(text), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Unauthorized',
    reason: 'Unauthorized',
    code: 401,
  })
  assert.equal((await h2(stranger, 'GET', '/livez')).status, 200)
  stranger.close()
})

test('listener refuses bodies over 3 MiB and goes on serving', async () => {
  const big = map('big', { filler: 'x'.repeat(3 * 1024 * 1024) })
  const session = connect()
  for (const answer of [await h2(session, 'POST', MAPS, big), await h1('POST', MAPS, big).catch(() => undefined)]) {
    if (!answer) continue
    assert.equal(answer.status, 413)
    assert.equal(JSON.parse(answer.text).message, 'Request entity is too large: limit is 3145728')
  }
  assert.equal((await h2(session, 'GET', '/livez')).text, 'ok')
  session.close()
})

test('listener takes a large body while a large answer is still on its way', async () => {
  const data = { filler: 'x'.repeat(900 * 1024) }
  assert.equal((await h1('POST', MAPS, map('echoed', data))).status, 201)
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  const body = map('echoed', data)
  const put = `PUT ${MAPS}/echoed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  // More answers than the kernel holds, and nobody reads them until the bodies are under way.
  socket.write(`GET ${MAPS}/echoed HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(20))
  await once(socket, 'readable')
  socket.write(put.repeat(3))
  await new Promise(setImmediate)
  let answers = 0
  let end = ''
  for await (const chunk of socket) {
    const text = end + chunk.toString('latin1')
    answers += text.split('HTTP/1.1 200 OK').length - 1
    if (answers === 23) break
    end = text.slice(-'HTTP/1.1 200 O'.length)
  }
  assert.equal(answers, 23)
})

test('listener takes no part of an upload for the whole', async () => {
  const session = connect()
  const stream = session.request({ ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' })
  stream.on('error', () => {})
  stream.write(map('half').slice(0, 20))
  await h2(session, 'GET', '/livez')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  socket.write(`POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"kind"`)
  socket.destroy()
  assert.equal((await h2(session, 'GET', '/livez')).text, 'ok')
  assert.equal(
    JSON.parse((await h2(session, 'GET', MAPS)).text).items.some((one: any) => one.metadata.name === 'half'),
    false,
  )
  session.close()
})

test('listener survives what is no HTTP', async () => {
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write('\0\0nonsense\r\n\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 400/)
  socket.destroy()
})

test('listener serves no second request behind one over HTTP/1.1 whose end can be read in two ways', async () => {
  const second = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'
  const cases: Record<string, string> = {
    'both lengths': `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
    'two lengths': `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: ${second.length}\r\n\r\n${second}`,
    'a length that is no number': `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +0\r\n\r\n${second}`,
    'another coding': `POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, x\r\n\r\n0\r\n\r\n${second}`,
    'a blank before the colon': `POST / HTTP/1.1\r\nhost: x\r\ncontent-length : 0\r\n\r\n${second}`,
    'a chunk longer than can be counted': `POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n${second}`,
    'a chunk without a length': `POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\r\n${second}`,
    'NUL in a head': `GET / HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n${second}`,
    'no host': `GET / HTTP/1.1\r\n\r\n${second}`,
  }
  for (const [what, text] of Object.entries(cases)) {
    const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
    await once(socket, 'secureConnect')
    socket.write(text)
    let answers = ''
    for await (const chunk of socket) answers += chunk
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
    assert.ok(statuses.at(-1) === '400' && !answers.endsWith('ok'), `${what}: ${statuses}`)
  }
})

test('listener hands an upgraded connection to its subresource', async () => {
  await server.clientFor({ username: 'x', groups: [] }).create(Pod, {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'busybox:1' }] },
  })
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', ...credentials(), ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  socket.write('GET /api/v1/namespaces/default/pods/p/exec?command=ls HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n')
  const [head] = await once(socket, 'data')
  assert.match(String(head), /^HTTP\/1\.1 101/)
  socket.write('hello')
  assert.equal(String((await once(socket, 'data'))[0]), 'hello')
  assert.match(seen.at(-1)!, /^\S+ get ls$/)
  socket.destroy()
})

test('listener cuts off a watcher that does not read, and no one else', async () => {
  const client = server.clientFor({ username: 'x', groups: [] })
  await client.create(ConfigMap, { metadata: { name: 'w', namespace: 'watched' }, data: {} })
  const slow = connect()
  const stalled = slow.request({ ':path': '/api/v1/namespaces/watched/configmaps?watch=1' })
  await once(stalled, 'response')
  stalled.pause()
  const fast = connect()
  const watch = fast.request({ ':path': '/api/v1/namespaces/watched/configmaps?watch=1' })
  const told = { events: 0 }
  watch.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) told.events++
  })
  await once(watch, 'response')
  const filler = 'x'.repeat(200_000)
  for (let i = 0; i < 60; i++) {
    await client.patch(ConfigMap, { namespace: 'watched', name: 'w' }, { type: 'merge', patch: { data: { i: String(i), filler } } })
    for (const wanted = i + 2; told.events < wanted; ) await once(watch, 'data')
  }
  assert.equal(told.events, 61)
  let cut = 0
  stalled.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) cut++
  })
  stalled.resume()
  await once(stalled, 'close')
  assert.ok(cut < 61, `the stalled watcher saw ${cut} events`)
  slow.close()
  fast.destroy()
})

test('listener tells a watcher of a burst of changes, whole', async () => {
  const client = server.clientFor({ username: 'x', groups: [] })
  const session = connect()
  const watch = session.request({ ':path': '/api/v1/namespaces/burst/configmaps?watch=1' })
  const told = { events: 0, ended: false }
  watch.on('end', () => (told.ended = true))
  watch.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) told.events++
  })
  await once(watch, 'response')
  const filler = 'x'.repeat(4000)
  const make = (i: number) => client.create(ConfigMap, { metadata: { name: `b${i}`, namespace: 'burst' }, data: { filler } })
  await Promise.all(Array.from({ length: 500 }, (_, i) => make(i)))
  while (told.events < 500 && !told.ended) await Promise.race([once(watch, 'data'), once(watch, 'end')])
  assert.deepEqual(told, { events: 500, ended: false })
  session.destroy()
})

test('listener lists large collections over the wire, whole', async () => {
  const client = server.clientFor({ username: 'x', groups: [] })
  const filler = 'y'.repeat(2000)
  for (let i = 0; i < 300; i++) await client.create(ConfigMap, { metadata: { name: `m${i}`, namespace: 'many' }, data: { filler } })
  const session = connect()
  const [one, two] = await Promise.all([
    h2(session, 'GET', '/api/v1/namespaces/many/configmaps'),
    h1('GET', '/api/v1/namespaces/many/configmaps'),
  ])
  assert.equal(one.text, two.text)
  assert.equal(JSON.parse(one.text).items.length, 300)
  session.close()
})

for (const method of ['GET', 'POST', 'OPTIONS']) {
  test(`listener tells who speaks plain HTTP that it speaks TLS: ${method}`, async () => {
    const socket = net.connect({ port: server.port, host: '127.0.0.1' })
    socket.end(`${method} /livez HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    assert.equal(await text(socket), 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
  })
}

test('listener cuts who speaks neither TLS nor HTTP', async () => {
  const socket = net.connect({ port: server.port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write('nothing that anybody could read')
  socket.resume()
  await once(socket, 'close')
  assert.equal(socket.bytesRead < 16, true)
})
