import assert from 'node:assert/strict'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason, StatusError } from '#api/status.ts'
import { createHttpClient } from './http-client.ts'

type Answer = (
  request: { method: string; path: string; body: string; headers: http2.IncomingHttpHeaders },
  stream: http2.ServerHttp2Stream,
) => void

/** An HTTP/2 server without TLS that answers as told, and a client of it. */
async function served(t: { after(fn: () => unknown): void }, answer: Answer, options: { maxBodyBytes?: number; token?: string } = {}) {
  const sessions = new Set<http2.ServerHttp2Session>()
  const server = http2.createServer()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    let body = ''
    stream.setEncoding('utf8')
    stream.on('error', () => {})
    stream.on('data', (chunk: string) => (body += chunk))
    stream.on('end', () => answer({ method: headers[':method']!, path: headers[':path']!, body, headers }, stream))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = createHttpClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options })
  const cut = () => {
    for (const session of sessions) session.destroy()
    sessions.clear()
  }
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    cut()
    await new Promise((resolve) => server.close(resolve))
  })
  return { client, cut }
}

const json = (stream: http2.ServerHttp2Stream, body: unknown, status = 200) => {
  stream.respond({ ':status': status, 'content-type': 'application/json' })
  stream.end(JSON.stringify(body))
}

test('createHttpClient spells paths, queries, methods and patch types as the API does', async (t) => {
  const asked: string[] = []
  const { client } = await served(
    t,
    ({ method, path, headers, body }, stream) => {
      asked.push(`${method} ${path} ${headers['content-type'] ?? ''} ${headers.authorization} ${body}`.replaceAll('  ', ' '))
      json(stream, { items: [] })
    },
    { token: 'secret' },
  )
  await client.get(Pod, { namespace: 'default', name: 'web' })
  await client.list(Deployment, { namespace: 'shop', labelSelector: 'app in (a,b)', limit: 5 })
  await client.list(Node)
  await client.create(Pod, { metadata: { namespace: 'default', name: 'web' } })
  await client.create(
    Pod,
    { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'web' } },
    { namespace: 'default', name: 'web', subresource: 'binding' },
  )
  await client.update(Deployment, { metadata: { namespace: 'shop', name: 'web' } }, { subresource: 'status', fieldManager: 'me' })
  await client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { a: null } }, { dryRun: true })
  await client.patch(Node, { name: 'n1' }, { type: 'apply', patch: { kind: 'Node' }, force: true }, { fieldManager: 'me' })
  await client.delete(Pod, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0, preconditions: { uid: 'u' } })
  await client.deleteCollection(Pod, { namespace: 'default', fieldSelector: 'spec.nodeName=n1' })
  const bearer = 'Bearer secret'
  assert.deepEqual(asked, [
    `GET /api/v1/namespaces/default/pods/web ${bearer} `,
    `GET /apis/apps/v1/namespaces/shop/deployments?labelSelector=app%20in%20(a%2Cb)&limit=5 ${bearer} `,
    `GET /api/v1/nodes ${bearer} `,
    `POST /api/v1/namespaces/default/pods application/json ${bearer} {"metadata":{"namespace":"default","name":"web"}}`,
    `POST /api/v1/namespaces/default/pods/web/binding application/json ${bearer} {"apiVersion":"v1","kind":"Binding","metadata":{"name":"web"}}`,
    `PUT /apis/apps/v1/namespaces/shop/deployments/web/status?fieldManager=me application/json ${bearer} {"metadata":{"namespace":"shop","name":"web"}}`,
    `PATCH /api/v1/nodes/n1?dryRun=All application/merge-patch+json ${bearer} {"a":null}`,
    `PATCH /api/v1/nodes/n1?fieldManager=me&force=true application/apply-patch+yaml ${bearer} {"kind":"Node"}`,
    `DELETE /api/v1/namespaces/default/pods/web application/json ${bearer} {"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"u"}}`,
    `DELETE /api/v1/namespaces/default/pods?fieldSelector=spec.nodeName%3Dn1 application/json ${bearer} {"apiVersion":"v1","kind":"DeleteOptions"}`,
  ])
})

test('createHttpClient throws what the server refused with', async (t) => {
  const { client } = await served(t, ({ path }, stream) => {
    if (path.endsWith('/plain')) {
      stream.respond({ ':status': 503 })
      return stream.end('try later')
    }
    const error = new StatusError('NotFound', 'pods "web" not found', { details: { name: 'web', kind: 'pods' } })
    json(stream, error.toStatus(), error.code)
  })
  const error = await client.get(Pod, { namespace: 'default', name: 'web' }).catch((thrown: unknown) => thrown)
  assert.ok(hasReason(error, 'NotFound'))
  assert.equal(error.message, 'pods "web" not found')
  assert.deepEqual(error.details, { name: 'web', kind: 'pods' })
  await assert.rejects(
    client.get(Pod, { namespace: 'default', name: 'plain' }),
    (thrown) => hasReason(thrown, 'ServiceUnavailable') && thrown.message === 'try later',
  )
  assert.throws(() => client.get(Pod, { namespace: 'default', name: '..' }), /may not be/)
})

test('createHttpClient opens a new connection after the old one broke', async (t) => {
  const { client, cut } = await served(t, (_, stream) => json(stream, { metadata: { name: 'n1' } }))
  await client.get(Node, { name: 'n1' })
  cut()
  const again = async () => client.get(Node, { name: 'n1' }).catch(() => client.get(Node, { name: 'n1' }))
  assert.equal((await again()).metadata?.name, 'n1')
})

test('createHttpClient refuses answers past its bound', async (t) => {
  const { client } = await served(t, (_, stream) => json(stream, { items: ['x'.repeat(5000)] }), { maxBodyBytes: 1000 })
  await assert.rejects(client.list(Pod), (error) => hasReason(error, 'RequestEntityTooLarge'))
})

test('createHttpClient watches: whole events however cut, Expired thrown, the end when the connection breaks', async (t) => {
  let mode = 'split'
  const { client, cut } = await served(t, (_, stream) => {
    stream.respond({ ':status': 200 })
    const line = `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'wäb', resourceVersion: '5' } } })}\n`
    if (mode === 'expired')
      return stream.end(`${JSON.stringify({ type: 'ERROR', object: new StatusError('Expired', 'too old').toStatus() })}\n`)
    const bytes = Buffer.from(line)
    stream.write(bytes.subarray(0, 40))
    setImmediate(() => stream.write(Buffer.concat([bytes.subarray(40), bytes])))
  })
  const signal = new AbortController().signal
  const names: (string | undefined)[] = []
  for await (const event of client.watch(Pod, { resourceVersion: '4', signal })) {
    names.push((event.object as Pod).metadata?.name)
    if (names.length === 2) cut()
  }
  assert.deepEqual(names, ['wäb', 'wäb'])
  mode = 'expired'
  const reading = async () => {
    for await (const event of client.watch(Pod, { resourceVersion: '1', signal })) assert.fail(`got ${event.type}`)
  }
  await assert.rejects(reading, (error) => hasReason(error, 'Expired'))
})

test('createHttpClient ends a watch when its signal aborts', async (t) => {
  const { client } = await served(t, (_, stream) => {
    stream.respond({ ':status': 200 })
    stream.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })}\n`)
  })
  const stop = new AbortController()
  let events = 0
  for await (const event of client.watch(Pod, { signal: stop.signal })) {
    assert.equal(event.type, 'BOOKMARK')
    events++
    stop.abort()
  }
  assert.equal(events, 1)
})
