import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '#api/codec/protobuf-decode.ts'
import { openEnvelope } from '#api/codec/protobuf-envelope.ts'
import { messageNamed } from '#api/codec/protobuf-tables.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startRequests } from '#server/engine/requests.ts'
import { formatMetrics } from '#lib/metric-family.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'

test('discovery answers plain, aggregated, and 304 to who has it', async () => {
  await using t = await startRequests()
  assert.deepEqual((await t.send('GET', '/api')).json.versions, ['v1'])
  const groups = (await t.send('GET', '/apis')).json
  assert.ok(groups.groups.some(({ name }: any) => name === 'apps'))
  const core = (await t.send('GET', '/api/v1')).json
  assert.ok(core.resources.some(({ name }: any) => name === 'pods/eviction'))
  const aggregated = await t.send('GET', '/apis', undefined, { accept: AGGREGATED })
  assert.equal(aggregated.json.kind, 'APIGroupDiscoveryList')
  const again = await t.send('GET', '/apis', undefined, { accept: AGGREGATED, 'if-none-match': String(aggregated.headers['etag']) })
  assert.deepEqual([again.status, again.text], [304, ''])
})

test('discovery is laid out for people', async () => {
  await using t = await startRequests()
  for (const path of ['/api', '/apis', '/apis/apps', '/apis/apps/v1']) {
    const { text, json } = await t.send('GET', path, undefined, { 'user-agent': 'curl/8.5.0' })
    assert.equal(text, JSON.stringify(json, null, 2))
  }
})

test('plain discovery comes in every form there is, and in no other', async () => {
  await using t = await startRequests()
  const accept = 'application/vnd.kubernetes.protobuf,application/json'
  for (const [path, kind, field] of [
    ['/api', 'APIVersions', 'versions'],
    ['/apis', 'APIGroupList', 'groups'],
    ['/apis/apps', 'APIGroup', 'versions'],
    ['/apis/apps/v1', 'APIResourceList', 'resources'],
  ] as const) {
    const { body, headers } = await t.send('GET', path, undefined, { accept })
    assert.equal(headers['content-type'], 'application/vnd.kubernetes.protobuf')
    const envelope = openEnvelope(body)
    assert.equal(envelope.kind, kind)
    const told = decodeMessage(envelope.raw, messageNamed(`meta.v1.${kind}`)!) as any
    assert.deepEqual(told[field].length, (await t.send('GET', path)).json[field].length)
  }
  assert.match((await t.send('GET', '/apis/apps', undefined, { accept: 'application/yaml' })).text, /^apiVersion: v1\nkind: APIGroup\n/)
  assert.equal((await t.send('GET', '/apis/apps', undefined, { accept: 'text/html' })).status, 406)
})

test('OpenAPI v3 is indexed by hash, redirects from an old one, and answers 304', async () => {
  await using t = await startRequests()
  const index = (await t.send('GET', '/openapi/v3')).json
  const url = index.paths['apis/apps/v1'].serverRelativeURL as string
  const document = await t.send('GET', url)
  assert.equal(document.status, 200)
  assert.ok(document.json.components.schemas['io.k8s.api.apps.v1.Deployment'])
  assert.equal(document.headers['cache-control'], 'public, immutable')
  assert.match(String(document.headers.expires), / GMT$/)
  assert.equal((await t.send('GET', url, undefined, { 'if-none-match': String(document.headers['etag']) })).status, 304)
  const old = await t.send('GET', '/openapi/v3/apis/apps/v1?hash=0')
  assert.deepEqual([old.status, old.headers['location']], [301, url])
  assert.equal((await t.send('GET', '/openapi/v3/apis/nothing/v1')).status, 404)
})

test('OpenAPI v2 comes in JSON, or protobuf for those who ask', async () => {
  await using t = await startRequests()
  assert.equal((await t.send('GET', '/openapi/v2')).json.swagger, '2.0')
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
  const { status, headers } = await t.send('GET', '/openapi/v2', undefined, { accept })
  assert.equal(status, 200)
  assert.match(String(headers['content-type']), /protobuf/)
})

test('health tells each check, and leaves out what is excluded', async () => {
  const broken = { name: 'broken', check: () => 'because' }
  await using t = await startRequests({ healthChecks: [broken] })
  const all = await t.send('GET', '/readyz')
  assert.equal(all.status, 500)
  assert.match(all.text, /^\[\+\]ping ok\n.*\[-\]broken failed: reason withheld\n.*readyz check failed\n$/s)
  assert.equal((await t.send('GET', '/readyz?exclude=broken')).text, 'ok')
  assert.match((await t.send('GET', '/livez?verbose&exclude=broken')).text, /\[\+\]broken excluded: ok\n/)
  assert.equal((await t.send('GET', '/healthz/ping')).text, 'ok')
  assert.equal((await t.send('GET', '/healthz/broken')).text, 'internal server error: because\n')
  assert.equal((await t.send('GET', '/healthz/none')).text, '404 page not found\n')
})

test('health is checked by the names that scripts wait for, and counted', async () => {
  await using t = await startRequests()
  const told = async (path: string) => [...(await t.send('GET', path)).text.matchAll(/^\[\+\](\S+) ok$/gm)].map(([, name]) => name)
  const live = await told('/livez?verbose')
  const ready = await told('/readyz?verbose')
  assert.deepEqual(live.slice(0, 3), ['ping', 'log', 'etcd'])
  assert.ok(live.includes('poststarthook/rbac/bootstrap-roles'))
  assert.deepEqual(
    ready.filter((name) => !live.includes(name)),
    ['etcd-readiness', 'informer-sync', 'shutdown'],
  )
  const { paths } = (await t.send('GET', '/')).json
  for (const name of ready) {
    assert.equal((await t.send('GET', `/readyz/${name}`)).text, 'ok')
    assert.ok(paths.includes(`/readyz/${name}`), name)
  }
  const levels = (await t.send('GET', '/metrics/slis')).text
  assert.match(levels, /^kubernetes_healthcheck\{name="etcd",type="livez"\} 1$/m)
  assert.match(levels, /^kubernetes_healthchecks_total\{name="shutdown",type="readyz",status="success"\} 2$/m)
})

test('paths are listed, unknown ones refused as the mux does, other methods as well', async () => {
  await using t = await startRequests()
  const { paths } = (await t.send('GET', '/')).json
  for (const path of ['/api/v1', '/apis/apps', '/healthz', '/metrics', '/openapi/v3', '/version']) assert.ok(paths.includes(path), path)
  const unknown = await t.send('GET', '/nothing')
  assert.deepEqual(
    [unknown.status, unknown.text, unknown.headers['content-type']],
    [404, '404 page not found\n', 'text/plain; charset=utf-8'],
  )
  assert.equal((await t.send('GET', '/apis/no.such/v1/x')).text, '404 page not found\n')
  for (const path of ['/api/nothing', '/api/v1/nothing', '/api/v1/namespaces/default/pods/p/nothing', '/apis/apps/v9', '/api/v1/pods/p']) {
    const { status, json } = await t.send('GET', path)
    assert.deepEqual(
      [status, json.reason, json.message, json.details],
      [404, 'NotFound', 'the server could not find the requested resource', {}],
      path,
    )
  }
  for (const [method, path] of [
    ['POST', '/version'],
    ['PUT', '/api/v1/namespaces/default/pods'],
    ['POST', '/api/v1/pods'],
    ['POST', '/api/v1/namespaces/default/pods/p'],
  ] as const) {
    const { status, json } = await t.send(method, path, {})
    assert.deepEqual(
      [status, json.reason, json.message],
      [405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource'],
    )
  }
})

test('version is that of Kubernetes 1.36', async () => {
  await using t = await startRequests({ sampanVersion: '9.9.9' })
  const { major, minor, gitVersion } = (await t.send('GET', '/version')).json
  assert.deepEqual([major, minor, gitVersion], ['1', '36', 'v1.36.0+sampan9.9.9'])
})

test('metrics count requests by what they were for', async () => {
  await using t = await startRequests({
    metrics: [() => [{ name: 'extra', help: 'More.', type: 'gauge', samples: [{ labels: { a: 'x"\n' }, value: 1 }] }]],
  })
  await t.send('GET', '/api/v1/namespaces/default/pods')
  await t.send('GET', '/api/v1/namespaces/default/pods/none')
  await t.send('GET', '/api/v1/namespaces/default/made-up-by-strangers')
  const { text } = await t.send('GET', '/metrics')
  const count = (labels: string) => new RegExp(`^apiserver_request_total\\{${labels}\\} 1$`, 'm')
  assert.match(
    text,
    count('verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",dry_run="",component="apiserver",code="200"'),
  )
  assert.match(
    text,
    count('verb="GET",group="",version="v1",resource="pods",subresource="",scope="resource",dry_run="",component="apiserver",code="404"'),
  )
  assert.ok(!text.includes('made-up'))
  assert.match(text, /^apiserver_request_duration_seconds_bucket\{verb="LIST".*le="\+Inf"\} 1$/m)
  assert.match(text, /^extra\{a="x\\"\\n"\} 1$/m)
  assert.match(text, /^process_resident_memory_bytes \d+$/m)
  assert.match(text, /^kubernetes_build_info\{.*git_version="v1\.36\.0\+sampan.*major="1",minor="36".*\} 1$/m)
})

test('formatMetrics writes families with their help and type', () => {
  const text = formatMetrics([{ name: 'n', help: 'h', type: 'counter', samples: [{ labels: {}, value: 2 }] }])
  assert.equal(text, '# HELP n h\n# TYPE n counter\nn 2\n')
})

const asked = (kind: string, { version = 'v1beta1', type = 'application/json', group = 'config.k8s.io' } = {}) =>
  `${type};v=${version};g=${group};as=${kind}`

test('statusz and flagz are text, unless the very object is asked for', async () => {
  const clock = createVirtualClock()
  await using t = await startRequests({ clock, flags: { port: '6443', 'audit-log-path': '' }, sampanVersion: '1.2.3' })
  await clock.advance(3_725_000)
  const warning =
    'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
  const page = async (path: string, accept?: string) => t.send('GET', path, undefined, accept === undefined ? {} : { accept })
  for (const accept of [undefined, '', 'text/plain', '*/*', 'text/*', `${asked('Flagz', { version: 'v9' })},*/*`]) {
    const { status, text, headers } = await page('/flagz', accept)
    assert.deepEqual([status, headers['content-type']], [200, 'text/plain; charset=utf-8'])
    assert.equal(text, `\nkube-apiserver flagz\n${warning}\naudit-log-path=\nport=6443\n`)
  }
  const { text } = await page('/statusz')
  const [, title, warned, , started, up, runtime, binary, emulated, paths] = text.split('\n')
  assert.deepEqual([title, warned], ['kube-apiserver statusz', warning])
  assert.match(started!, /^Started: (Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}$/)
  assert.deepEqual(
    [up, runtime, binary, emulated],
    ['Up: 1 hr 02 min 05 sec', `Go version: node${process.versions.node}`, 'Binary version: 1.36.0+sampan1.2.3', 'Emulation version: 1.36'],
  )
  assert.equal(paths, 'Paths: /debug /flagz /healthz /livez /metrics /readyz /statusz /version')
  const status = (await page('/statusz', asked('Statusz'))).json
  assert.deepEqual(Object.keys(status), [
    'kind',
    'apiVersion',
    'metadata',
    'startTime',
    'uptimeSeconds',
    'goVersion',
    'binaryVersion',
    'emulationVersion',
    'paths',
  ])
  assert.deepEqual([status.apiVersion, status.metadata.name, status.uptimeSeconds], ['config.k8s.io/v1beta1', 'kube-apiserver', 3725])
  assert.match(
    (await page('/flagz', asked('Flagz', { type: 'application/yaml', version: 'v1alpha1' }))).text,
    /^apiVersion: config.k8s.io\/v1alpha1\nflags:/,
  )
})

for (const accept of [
  'application/json',
  'application/xml',
  asked('Statusz', { version: 'v9' }),
  asked('Flagz'),
  asked('Statusz', { group: 'meta.k8s.io' }),
  asked('Statusz', { type: 'application/vnd.kubernetes.protobuf' }),
  'application/json;v=v1beta1;g=config.k8s.io',
])
  test(`statusz cannot be had as ${accept}`, async () => {
    await using t = await startRequests()
    const { status, json } = await t.send('GET', '/statusz', undefined, { accept })
    assert.deepEqual([status, json.reason], [406, 'NotAcceptable'])
  })

for (const path of ['/logs', '/logs/', '/debug/pprof/goroutine', '/debug/pprof/trace', '/debug/flags/v'])
  test(`${path} is not here`, async () => {
    await using t = await startRequests()
    assert.equal((await t.send('GET', path)).status, 404)
  })

const [JSON_TYPE, V2, V3] = [
  'application/json',
  'application/com.github.proto-openapi.spec.v2',
  'application/com.github.proto-openapi.spec.v3',
]

for (const [path, accept, expected] of [
  ['/openapi/v2', '', JSON_TYPE],
  ['/openapi/v2', '*/*', JSON_TYPE],
  ['/openapi/v2', 'application/*', JSON_TYPE],
  ['/openapi/v2', 'text/html,application/xhtml+xml,*/*;q=0.8', JSON_TYPE],
  ['/openapi/v2', `${V2}@v1.0+protobuf`, `${V2}.v1.0+protobuf`],
  ['/openapi/v2', `${V2}.v1.0+protobuf;q=1, application/json;q=0.5`, `${V2}.v1.0+protobuf`],
  ['/openapi/v2', `application/json,${V2}@v1.0+protobuf`, JSON_TYPE],
  ['/openapi/v2', 'text/html', 406],
  ['/openapi/v3', 'text/html', JSON_TYPE],
  ['/openapi/v3/apis/apps/v1', '*/*', JSON_TYPE],
  ['/openapi/v3/apis/apps/v1', `${V3}@v1.0+protobuf`, `${V3}.v1.0+protobuf`],
  ['/openapi/v3/apis/apps/v1', `${V3}.v1.0+protobuf,application/json;q=0.1`, `${V3}.v1.0+protobuf`],
  ['/openapi/v3/apis/apps/v1', 'text/html', 406],
] as const) {
  test(`${path} for ${accept || 'whoever says nothing'} is ${expected}`, async () => {
    await using t = await startRequests()
    const { status, headers } = await t.send('GET', path, undefined, accept ? { accept } : {})
    assert.equal(expected === 406 ? status : headers['content-type'], expected)
  })
}
