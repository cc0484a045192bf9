import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Service } from '#api/kinds/core/service.ts'
import { systemRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { CallError } from './call-error.ts'
import type { ClientConfig } from './client-config.ts'
import { Outgoing } from './outgoing.ts'
import { startStranger } from './testing.ts'

const nobody = { get: () => undefined, list: () => [], onChange: () => ({ [Symbol.dispose]: () => {} }) }

const call = (config: ClientConfig, { outgoing, ...options }: { outgoing: Outgoing; maxBytes?: number; timeoutMs?: number }) =>
  outgoing.post(config, { timeoutMs: 60_000, body: '{}', query: new URLSearchParams('timeout=5s'), ...options })

const failure = async (promise: Promise<unknown>): Promise<CallError> => {
  const error = await promise.then(
    () => assert.fail('answered'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof CallError, String(error))
  return error
}

test('Outgoing calls a URL with its authority, path, query and body, over connections it keeps', async () => {
  const ports = new Set<number>()
  await using stranger = await startStranger((_call, response) => (ports.add(response.socket!.remotePort!), { ok: true }))
  using outgoing = new Outgoing({ reader: nobody, random: systemRandom })
  const config = { url: `${stranger.url}/hook`, caBundle: stranger.caBundle }
  for (let i = 0; i < 3; i++) assert.deepEqual(JSON.parse(String(await call(config, { outgoing }))), { ok: true })
  assert.equal(ports.size, 1)
  const [{ method, path, body, headers } = assert.fail()] = stranger.calls
  assert.deepEqual([method, path, body, headers['content-type']], ['POST', '/hook?timeout=5s', '{}', 'application/json'])
})

test('Outgoing tells why a call failed as Go does', async () => {
  await using stranger = await startStranger(() => ({}), { names: ['elsewhere.example'] })
  using outgoing = new Outgoing({ reader: nobody, random: systemRandom })
  const { port, caBundle } = stranger
  const at = `https://127.0.0.1:${port}`
  const plain = createServer(
    (socket) =>
      void socket
        .on('error', () => {})
        .resume()
        .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  const plainPort = (plain.address() as AddressInfo).port
  const cases: [ClientConfig, string][] = [
    [{ url: `${at}/x` }, `Post "${at}/x?timeout=5s": tls: failed to verify certificate: x509: certificate signed by unknown authority`],
    [
      { url: `https://localhost:${port}`, caBundle },
      `Post "https://localhost:${port}/?timeout=5s": tls: failed to verify certificate: x509: certificate is valid for elsewhere.example, 127.0.0.1, not localhost`,
    ],
    [
      { url: 'https://127.0.0.1:1/x', caBundle },
      'Post "https://127.0.0.1:1/x?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused',
    ],
    [{ url: at, caBundle: 'AAAA' }, 'unable to load root certificates: unable to parse bytes as PEM block'],
    [
      { url: `https://127.0.0.1:${plainPort}`, caBundle },
      `Post "https://127.0.0.1:${plainPort}/?timeout=5s": http: server gave HTTP response to HTTPS client`,
    ],
    [{ service: { namespace: 'n', name: 's', path: '/p' }, caBundle }, 'Post "https://s.n.svc:443/p?timeout=5s": service "s" not found'],
  ]
  for (const [config, message] of cases) assert.equal((await failure(call(config, { outgoing }))).message, message)
  await new Promise((resolve) => plain.close(resolve))
})

test('Outgoing bounds the time and the size of answers, follows no redirect, and reads refusals', async () => {
  let act: (response: import('node:http').ServerResponse) => unknown = () => undefined
  await using stranger = await startStranger((_call, response) => act(response))
  const clock = createVirtualClock()
  using outgoing = new Outgoing({ reader: nobody, random: systemRandom, clock })
  const config = { url: stranger.url, caBundle: stranger.caBundle }
  const reached = Promise.withResolvers<void>()
  act = () => reached.resolve()
  const hung = failure(call(config, { outgoing }))
  await reached.promise
  await clock.advance(60_000)
  const late = await hung
  assert.deepEqual([late.message, late.timedOut], [`Post "${stranger.url}/?timeout=5s": context deadline exceeded`, true])

  const table: [typeof act, string][] = [
    [() => Buffer.alloc(2000), `Post "${stranger.url}/?timeout=5s": the answer is larger than the 1000 bytes allowed`],
    [
      (r) => void r.writeHead(302, { location: `${stranger.url}/other` }).end(),
      'the server responded with the status code 302 but did not return more information',
    ],
    [(r) => void r.writeHead(500).end('boom'), 'an error on the server ("boom") has prevented the request from succeeding'],
    [(r) => void r.writeHead(404).end('404 page not found'), 'the server could not find the requested resource'],
    [(r) => void r.writeHead(503).end('{"kind":"Status","status":"Failure","message":"tired"}'), 'tired'],
    [(r) => void r.destroy(), `Post "${stranger.url}/?timeout=5s": EOF`],
  ]
  for (const [action, message] of table) {
    act = action
    assert.equal((await failure(call(config, { outgoing, maxBytes: 1000 }))).message, message)
  }
  assert.ok(!stranger.calls.some(({ path }) => path.startsWith('/other')))
})

test('Outgoing finds a service at its ready endpoints, and under the name of the service', async () => {
  await using stranger = await startStranger(() => ({ ok: 1 }), { names: ['hook.default.svc', 'named.default.svc'] })
  await using cluster = await startTestServer()
  const { client, server } = cluster
  using outgoing = new Outgoing({ reader: server.reader, random: systemRandom })
  const { caBundle, port } = stranger
  const meta = (name: string) => ({ name, namespace: 'default' })
  const config = { service: { ...meta('hook'), path: 'hooks', port: 8443 }, caBundle }
  await client.create(Service, {
    metadata: meta('hook'),
    spec: {
      ports: [
        { name: 'a', port: 443 },
        { name: 'b', port: 8443 },
      ],
    },
  } as Service)
  assert.match((await failure(call(config, { outgoing }))).message, /: no endpoints available for service "hook"$/)
  assert.match(
    (await failure(call({ ...config, service: { ...config.service, port: 1 } }, { outgoing }))).message,
    /: no service port 1 found for service "hook"$/,
  )
  const slice = (ready: boolean, address: string) => ({
    metadata: { ...meta(`hook-${ready}`), labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    ports: [{ name: 'b', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready } }],
  })
  await client.create(EndpointSlice, slice(false, '10.0.0.1') as EndpointSlice)
  assert.match((await failure(call(config, { outgoing }))).message, /no endpoints available/)
  await client.create(EndpointSlice, slice(true, '10.0.0.2') as EndpointSlice)
  // Where that is a pod of a simulated node there is nobody.
  const simulated = { labels: { 'node.sampan.dev/simulated': 'true' } }
  await client.create(Node, { metadata: { name: 'simulated', ...simulated } } as Node)
  const fake = { ...slice(true, '10.0.0.3'), metadata: { ...meta('hook-fake'), labels: { 'kubernetes.io/service-name': 'hook' } } }
  const { endpoints: [endpoint] = [] } = fake
  await client.create(EndpointSlice, { ...fake, endpoints: [{ ...endpoint, nodeName: 'simulated' }] } as EndpointSlice)
  for (let i = 0; i < 20; i++) assert.equal(outgoing.resolve(config).host, '10.0.0.2')
  const { host, port: target, tls } = outgoing.resolve(config)
  assert.deepEqual([host, target, tls.servername], ['10.0.0.2', port, 'hook.default.svc'])
  // Reached for real where the name leads outside the cluster.
  await client.create(Service, { metadata: meta('named'), spec: { type: 'ExternalName', externalName: 'localhost' } } as Service)
  const named = { service: { ...meta('named'), path: 'hooks', port }, caBundle }
  assert.deepEqual(JSON.parse(String(await call(named, { outgoing }))), { ok: 1 })
  const [received = assert.fail()] = stranger.calls
  assert.deepEqual([received.headers.host, received.path], [`named.default.svc:${port}`, '/hooks?timeout=5s'])
})
