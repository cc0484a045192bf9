import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { httpProbe } from './http.ts'
import type { ProbeTarget } from './outcome.ts'
import { tcpProbe } from './tcp.ts'

const seen: { path: string; agent: string; host: string }[] = []
const answer: RequestListener = (request, response) => {
  const url = new URL(request.url ?? '', 'http://x')
  seen.push({ path: request.url ?? '', agent: request.headers['user-agent'] ?? '', host: request.headers.host ?? '' })
  if (url.pathname === '/away') response.writeHead(302, { location: 'http://other.example/' })
  else if (url.pathname === '/round') response.writeHead(302, { location: '/round' })
  else if (url.pathname === '/moved') response.writeHead(302, { location: '/200' })
  else response.writeHead(Number(url.pathname.slice(1)) || 200)
  response.end('body')
}
const server = createServer(answer)
let port = 0
before(
  () => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => ((port = (server.address() as AddressInfo).port), resolve()))),
)
after(() => server.close())

const target = (own: Partial<ProbeTarget> = {}): ProbeTarget => ({
  podIp: '127.0.0.1',
  containerId: 'c',
  ports: [{ name: 'web', containerPort: port }],
  timeoutMs: 60_000,
  signal: new AbortController().signal,
  ...own,
})

const rows: [path: string, result: string, output: RegExp][] = [
  ['/200', 'success', /^body$/],
  ['/399', 'success', /^body$/],
  ['/404', 'failure', /^HTTP probe failed with statuscode: 404$/],
  ['/moved', 'success', /^body$/],
  ['/away', 'warning', /^Probe terminated redirects, Response body: body$/],
  ['/round', 'failure', /stopped after 10 redirects$/],
]
for (const [path, result, output] of rows) {
  test(`httpProbe ${path} is ${result}`, async () => {
    const outcome = await httpProbe({ path, port: 'web' }, target())
    assert.equal(outcome.result, result)
    assert.match(outcome.output, output)
  })
}

test('httpProbe sends the kubelet’s agent, the query and its own headers', async () => {
  await httpProbe({ path: '/200?a=1', port, httpHeaders: [{ name: 'Host', value: 'shop.example' }] }, target())
  assert.deepEqual(seen.at(-1), { path: '/200?a=1', agent: 'kube-probe/1.36', host: 'shop.example' })
})

test('httpProbe and tcpProbe name a refused connection', async () => {
  // Below those that are handed out: nobody takes it meanwhile.
  const free = 1
  assert.deepEqual(await httpProbe({ path: '/', port: free }, target()), {
    result: 'failure',
    output: `Get "http://127.0.0.1:${free}/": dial tcp 127.0.0.1:${free}: connect: connection refused`,
  })
  assert.deepEqual(await tcpProbe({ port: free }, target()), {
    result: 'failure',
    output: `dial tcp 127.0.0.1:${free}: connect: connection refused`,
  })
})

test('tcpProbe succeeds once connected', async () => {
  assert.deepEqual(await tcpProbe({ port: 'web' }, target()), { result: 'success', output: '' })
})

test('httpProbe refuses a port the container does not have', async () => {
  await assert.rejects(httpProbe({ path: '/', port: 'metrics' }, target()), /couldn't find port: "metrics"/)
})
