import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import WebSocket, { WebSocketServer } from 'ws'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { createMemoryStore } from '#store/memory.ts'
import { createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'

/** Plays the kubelet: tells the path it was asked, echoes what is streamed. */
async function startKubelet(t: TestContext, pki: Pki) {
  const { serving } = await pki.nodeCertificates('n1', ['127.0.0.1'])
  const asked: string[] = []
  const tls = { cert: serving.certificate, key: serving.key, ca: pki.authority, requestCert: true, rejectUnauthorized: true }
  const server = createServer(tls, (incoming, response) => {
    asked.push(`${(incoming.socket as TLSSocket).getPeerCertificate().subject.CN} ${incoming.url}`)
    if (incoming.url?.includes('waiting'))
      return response.writeHead(400).end('container "waiting" in pod "p" is waiting to start: ContainerCreating')
    response.writeHead(200, { 'content-type': 'text/plain' }).end('hello\n')
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers.authorization ?? 'no credentials'}`)
    if (incoming.headers.upgrade === 'SPDY/3.1') {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n')
      if (head.length > 0) socket.write(head)
      socket.pipe(socket)
    } else if (incoming.url?.startsWith('/attach')) socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone')
    else sockets.handleUpgrade(incoming, socket, head, (one) => one.on('message', (data, binary) => one.send(data, { binary })))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const one of sockets.clients) one.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { asked, port: (server.address() as AddressInfo).port }
}

async function fixture(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'streams-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const pki = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'boat' })
  const kubelet = await startKubelet(t, pki)
  const store = createMemoryStore()
  const server = createApiServer({
    store,
    listen: { host: '127.0.0.1', port: 0, tls: { cert: pki.serving.certificate, key: pki.serving.key, clientCa: pki.authority } },
    extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 }),
  })
  const running = await server.start(new AbortController().signal)
  t.after(() => running[Symbol.asyncDispose]().then(() => store[Symbol.asyncDispose]()))
  const client = server.clientFor({ username: 'admin', groups: ['system:masters'] })
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  await client.create(Node, { metadata: { name: 'n1' } })
  const nodeStatus = (port: number) =>
    server.writer.modify(Node, { name: 'n1' }, (node) => void (node.status = statusOf(port)), { subresource: 'status' })
  await nodeStatus(kubelet.port)
  const create = (name: string, containers: { name: string; image: string }[], nodeName?: string) =>
    client.create(Pod, { metadata: { name, namespace: 'default' }, spec: { containers, ...(nodeName ? { nodeName } : {}) } })
  await create('p', [{ name: 'c', image: 'i' }], 'n1')
  await create(
    'two',
    [
      { name: 'a', image: 'i' },
      { name: 'b', image: 'i' },
    ],
    'n1',
  )
  await create('unbound', [{ name: 'c', image: 'i' }])
  const agent = new Agent({ ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
  t.after(() => agent.destroy())
  const get = async (path: string, headers = {}) => {
    const sent = request(`${server.url}/api/v1/namespaces/default/${path}`, { agent, headers }).end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    const parts: Buffer[] = []
    for await (const part of answer) parts.push(part as Buffer)
    return { code: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }
  }
  const tls = { ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key }
  return { kubelet, server, client, get, agent, tls, nodeStatus }
}

const statusOf = (port: number) => ({
  addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
  daemonEndpoints: { kubeletEndpoint: { Port: port } },
})

test("podLogs streams the kubelet's answer, asking it as the API server", async (t) => {
  const { get, kubelet } = await fixture(t)
  const { code, text, headers } = await get('pods/p/log?follow=true&tailLines=5&timestamps=false')
  assert.deepEqual([code, text, headers['content-type']], [200, 'hello\n', 'text/plain'])
  assert.match(String(headers['audit-id']), /^[0-9a-f-]{36}$/)
  assert.equal(headers['cache-control'], 'no-cache, private')
  assert.equal((await get('pods/p/log?follow=0&timestamps&tailLines=%2B5')).code, 200)
  // As Python's client spells them.
  assert.equal((await get('pods/p/log?follow=False&previous=False&timestamps=True')).code, 200)
  assert.deepEqual(kubelet.asked, [
    'kube-apiserver-kubelet-client /containerLogs/default/p/c?follow=true&tailLines=5',
    'kube-apiserver-kubelet-client /containerLogs/default/p/c?timestamps=true&tailLines=%2B5',
    'kube-apiserver-kubelet-client /containerLogs/default/p/c?timestamps=true',
  ])
  assert.deepEqual([(await get('pods/unbound/log')).code, (await get('pods/unbound/log')).text], [200, ''])
})

test('podLogs, podStreams and proxies dial nobody for pods of simulated nodes', async (t) => {
  const { get, client, kubelet } = await fixture(t)
  await client.create(Node, { metadata: { name: 'made-up', labels: { 'node.sampan.dev/simulated': 'true' } } })
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'made-up' }
  await client.create(Pod, { metadata: { name: 'simulated', namespace: 'default' }, spec })
  for (const path of ['log', 'exec?command=ls&stdout=true']) {
    const { code, text } = await get(`pods/simulated/${path}`, { connection: 'upgrade', upgrade: 'SPDY/3.1' })
    assert.equal(code, 400, path)
    assert.match(text, /node \\"made-up\\" is simulated: it runs no containers/)
  }
  await client.create(Service, { metadata: { name: 'simulated', namespace: 'default' }, spec: { ports: [{ port: 80 }] } })
  await client.create(EndpointSlice, {
    metadata: { name: 'simulated', namespace: 'default', labels: { 'kubernetes.io/service-name': 'simulated' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 80 }],
    endpoints: [{ addresses: ['10.244.0.7'], nodeName: 'made-up' }],
  })
  for (const path of ['pods/simulated/proxy/', 'services/simulated/proxy/', 'services/simulated:80/proxy/x']) {
    const { code, text } = await get(path)
    assert.equal(code, 400, path)
    assert.match(text, /node \\"made-up\\" is simulated: it runs no containers/)
  }
  assert.deepEqual(kubelet.asked, [])
})

const REFUSALS: [path: string, code: number, message: string | RegExp][] = [
  ['pods/no/log', 404, 'pods "no" not found'],
  ['pods/two/log', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
  ['pods/two/log?container=z', 400, 'container z is not valid for pod two'],
  [
    'pods/p/log?tailLines=-1',
    422,
    /^PodLogOptions(\.\S+)? "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0$/,
  ],
  ['pods/no/log?limitBytes=0', 422, /limitBytes: Invalid value: 0: must be greater than 0$/],
  ['pods/p/log?sinceSeconds=0', 422, /sinceSeconds: Invalid value: 0: must be greater than 0$/],
  [
    'pods/p/log?sinceSeconds=0&sinceTime=2026-01-01T00:00:00Z',
    422,
    /"p" is invalid: : Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified$/,
  ],
  ['pods/p/log?stream=Stdout', 422, /stream: Forbidden: may not be specified$/],
  ['pods/p/log?tailLines=', 400, 'strconv.ParseInt: parsing "": invalid syntax'],
  ['pods/p/log?tailLines=1e3', 400, 'strconv.ParseInt: parsing "1e3": invalid syntax'],
  ['pods/p/log?tailLines=9223372036854775808', 400, 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
  ['pods/p/log?sinceTime=2026', 400, 'parsing time "2026" as "2006-01-02T15:04:05Z07:00": cannot parse "2026" as "2006"'],
  ['pods/p/exec?command=ls&stdout=true', 400, 'Upgrade request required'],
  ['pods/unbound/exec?command=ls&stdout=true', 400, 'pod unbound does not have a host assigned'],
]

test('podLogs and podStreams refuse in the words clients know', async (t) => {
  const { get } = await fixture(t)
  for (const [path, code, message] of REFUSALS) {
    const answer = await get(path)
    assert.equal(answer.code, code, path)
    const said = JSON.parse(answer.text).message
    if (typeof message === 'string') assert.equal(said, message)
    else assert.match(said, message)
  }
})

test('podLogs says why when the kubelet refuses or is away', async (t) => {
  const { get, client, nodeStatus } = await fixture(t)
  await client.create(Pod, {
    metadata: { name: 'w', namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'waiting', image: 'i' }] },
  })
  const waiting = JSON.parse((await get('pods/w/log')).text)
  assert.deepEqual(
    [waiting.reason, waiting.message],
    ['BadRequest', 'container "waiting" in pod "p" is waiting to start: ContainerCreating'],
  )
  await nodeStatus(1)
  assert.match(
    JSON.parse((await get('pods/p/log')).text).message,
    /^Get "https:\/\/127\.0\.0\.1:1\/containerLogs\/default\/p\/c": dial tcp 127\.0\.0\.1:1: connect: connection refused$/,
  )
})

function open(t: TestContext, url: string, options: object): WebSocket {
  const socket = new WebSocket(url.replace('https', 'wss'), ['v5.channel.k8s.io'], options as WebSocket.ClientOptions)
  t.after(() => socket.terminate())
  return socket
}

test('podStreams tunnels WebSockets to the kubelet, keeping credentials back', async (t) => {
  const { server, tls, kubelet } = await fixture(t)
  const url = `${server.url}/api/v1/namespaces/default/pods/p/exec?command=cat&command=-n&stdin=true&stdout=True&stderr=False&tty=False`
  const socket = open(t, url, { ...tls, headers: { Cookie: 'secret' } })
  await once(socket, 'open')
  const sent = Buffer.alloc(1_000_000, 'x')
  socket.send(sent)
  const [received] = (await once(socket, 'message')) as [Buffer]
  assert.ok(received.equals(sent))
  assert.deepEqual(kubelet.asked, ['GET /exec/default/p/c?input=1&output=1&command=cat&command=-n no credentials'])
  socket.close(1000)
  await once(socket, 'close')
})

test("podStreams passes the kubelet's refusal of an upgrade on", async (t) => {
  const { server, tls } = await fixture(t)
  const socket = open(t, `${server.url}/api/v1/namespaces/default/pods/p/attach?stdout=true`, tls)
  const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  socket.on('error', () => {})
  assert.equal(answer.statusCode, 404)
  answer.destroy()
})

test('podStreams tunnels SPDY as bytes', async (t) => {
  const { server, agent, kubelet } = await fixture(t)
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' }
  const sent = request(`${server.url}/api/v1/namespaces/default/pods/p/portforward`, { agent, method: 'POST', headers }).end()
  const [answer, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Duplex]
  t.after(() => socket.destroy())
  assert.equal(answer.statusCode, 101)
  socket.write('ping')
  const [echo] = (await once(socket, 'data')) as [Buffer]
  assert.deepEqual([echo.toString(), kubelet.asked], ['ping', ['POST /portForward/default/p no credentials']])
})

test("podStreams takes the right to create for a WebSocket's GET", async (t) => {
  const { server, client, tls } = await fixture(t)
  const { ClusterRole } = await import('#api/kinds/rbac/cluster-role.ts')
  const { ClusterRoleBinding } = await import('#api/kinds/rbac/cluster-role-binding.ts')
  const may = { apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }
  await client.create(ClusterRole, { metadata: { name: 'looker' }, rules: [may] })
  const subjects = [{ kind: 'User', name: 'anna', apiGroup: 'rbac.authorization.k8s.io' }]
  await client.create(ClusterRoleBinding, {
    metadata: { name: 'looker' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'looker' },
    subjects,
  })
  const url = `${server.url}/api/v1/namespaces/default/pods/p/exec?command=ls&stdout=true`
  const socket = open(t, url, { ...tls, headers: { 'Impersonate-User': 'anna' } })
  const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  socket.on('error', () => {})
  assert.equal(answer.statusCode, 403)
  answer.destroy()
})

test('proxies say what is missing', async (t) => {
  const { get, client } = await fixture(t)
  await client.create(Service, { metadata: { name: 's', namespace: 'default' }, spec: { selector: { a: 'b' }, ports: [{ port: 80 }] } })
  const message = async (path: string) => JSON.parse((await get(path)).text).message
  assert.equal(await message('services/s/proxy/'), 'no endpoints available for service "s"')
  assert.equal(await message('services/s:http/proxy/'), 'no service port "http" found for service "s"')
  assert.equal(await message('pods/p/proxy/x'), 'address not allowed')
  const slashless = await get('services/s/proxy')
  assert.deepEqual([slashless.code, slashless.headers.location], [503, undefined])
})

test('proxies reach the kubelet of a node', async (t) => {
  const { server, agent, kubelet } = await fixture(t)
  const sent = request(`${server.url}/api/v1/nodes/n1/proxy/metrics?a=b`, { agent }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  assert.deepEqual([answer.statusCode, kubelet.asked], [200, ['kube-apiserver-kubelet-client /metrics?a=b']])
})
