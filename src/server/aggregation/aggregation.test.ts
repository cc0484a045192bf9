import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { customDefinition } from '#api/custom/testing.ts'
import { defineKind } from '#api/define-kind.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { systemClock } from '#lib/clock.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { issueAuthority } from '#server/pki/issuer.ts'
import { AUTOMANAGED, Automanaged } from './automanaged.ts'
import { GROUP, startExtensionServer, VERSION } from './testing.ts'
import type { AuditEvent } from '#server/audit/audit-record.ts'
import { Auditor } from '#server/audit/auditor.ts'
import { AuditPolicy } from '#server/audit/policy.ts'
import { ADMIN, cluster, eventually, extended, NAME } from './testing-cluster.ts'

const FLUNDERS = `/apis/${GROUP}/${VERSION}/namespaces/default/flunders`
const AGGREGATED = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }

test('Aggregator registers what the server serves itself, but for the register', async (t) => {
  const { client, get } = await cluster(t)
  const { items } = await client.list(APIService)
  const apps = items.find(({ metadata }) => metadata?.name === 'v1.apps')!
  assert.deepEqual(apps.metadata!.labels, { [AUTOMANAGED]: 'onstart' })
  assert.deepEqual(apps.spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 15 })
  assert.deepEqual(items.find(({ metadata }) => metadata?.name === 'v1.')!.spec, {
    version: 'v1',
    groupPriorityMinimum: 18000,
    versionPriority: 1,
  })
  for (const { metadata, status } of items) assert.equal(status?.conditions?.[0]?.reason, 'Local', metadata?.name)
  assert.ok(!items.some(({ spec }) => spec?.group === 'apiregistration.k8s.io'))
  const table = await get('/apis/apiregistration.k8s.io/v1/apiservices/v1.apps', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  assert.deepEqual(table.rows[0].cells.slice(0, 3), ['v1.apps', 'Local', 'True'])
})

test('Aggregator registers custom resources while they are defined, and brings back what is deleted', async (t) => {
  const { client } = await cluster(t)
  await client.create(CustomResourceDefinition, customDefinition('Boat'))
  const registered = () => client.get(APIService, { name: 'v1.example.com' })
  await eventually(registered)
  const { metadata, spec } = await registered()
  assert.deepEqual(metadata!.labels, { [AUTOMANAGED]: 'true' })
  assert.deepEqual(spec, { group: 'example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 100 })
  await client.delete(APIService, { name: 'v1.example.com' })
  await eventually(async () => assert.notEqual((await registered()).metadata!.uid, metadata!.uid))
  await client.delete(CustomResourceDefinition, { name: 'boats.example.com' })
  await eventually(() => assert.rejects(registered(), { reason: 'NotFound' }))
})

test('proxyTo hands requests on with the user the front proxy vouches for, and the extension server decides as well', async (t) => {
  const { server, client, extension, register } = await extended(t)
  await register()
  const flunder = JSON.stringify({ apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata: { name: 'first' }, spec: {} })
  const type = { 'content-type': 'application/json' }
  const made = await server.handle({ method: 'POST', path: FLUNDERS, body: flunder, headers: type, peer: ADMIN })
  assert.deepEqual([made.status, made.json.metadata.name], [201, 'first'])
  assert.ok(extension.asked.includes(`admin POST ${FLUNDERS}`))
  // Names a client gives itself never pass.
  const forged = { 'x-remote-user': 'system:admin', 'x-remote-group': 'system:masters' }
  const stranger = { certificate: { ...ADMIN.certificate, commonName: 'jane', organizations: [] } }
  await client.create(ClusterRole, {
    metadata: { name: 'flunders' },
    rules: [{ apiGroups: [GROUP], resources: ['flunders'], verbs: ['get'] }],
  })
  const refused = await server.handle({ path: `${FLUNDERS}/first`, headers: forged, peer: stranger })
  assert.deepEqual([refused.status, refused.json.reason], [403, 'Forbidden'])
  await client.create(ClusterRoleBinding, {
    metadata: { name: 'flunders' },
    subjects: [{ kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'flunders' },
  })
  const read = await server.handle({ path: `${FLUNDERS}/first`, headers: forged, peer: stranger })
  assert.equal(read.status, 200)
  assert.equal(extension.asked.at(-1), `jane GET ${FLUNDERS}/first`)
})

test('proxyTo streams watches, over HTTP/2 too, and joins upgrades', async (t) => {
  const { server, pki, register } = await extended(t)
  await register()
  const tls = { ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key }
  const session = http2.connect(server.url, tls)
  t.after(() => session.destroy())
  const watch = session.request({ ':path': `${FLUNDERS}?watch=true` })
  const [head] = (await once(watch, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(head[':status'], 200)
  const body = JSON.stringify({ metadata: { name: 'late' } })
  const post = session.request({ ':method': 'POST', ':path': FLUNDERS, 'content-type': 'application/json' })
  post.end(body)
  const [event] = (await once(watch, 'data')) as [Buffer]
  assert.deepEqual([JSON.parse(String(event)).type, JSON.parse(String(event)).object.metadata.name], ['ADDED', 'late'])
  watch.close()

  const upgrade = request(`${server.url}${FLUNDERS}/late/echo`, {
    ...tls,
    headers: { connection: 'Upgrade', upgrade: 'echo', 'x-remote-user': 'x' },
  })
  upgrade.end()
  const [, socket] = (await once(upgrade, 'upgrade')) as [IncomingMessage, Duplex]
  socket.write('hello')
  assert.equal(String((await once(socket, 'data'))[0]), 'hello')
  socket.destroy()
})

test('discovery and OpenAPI tell of other servers, stale while they do not answer', async (t) => {
  const { get, extension, register, condition, client, server } = await extended(t)
  await register()
  const { groups } = await get('/apis')
  // Only what a metrics server is registered with stands behind it.
  assert.deepEqual([groups.at(-2).name, groups.at(-1).name], [GROUP, 'metrics.k8s.io'])
  assert.deepEqual((await get(`/apis/${GROUP}`)).preferredVersion, { groupVersion: `${GROUP}/${VERSION}`, version: VERSION })
  assert.equal((await get(`/apis/${GROUP}/${VERSION}`)).resources[0].name, 'flunders')
  const versionOf = async () => (await get('/apis', AGGREGATED)).items.find((one: any) => one.metadata.name === GROUP).versions[0]
  const { freshness, resources } = await versionOf()
  assert.equal(freshness, 'Current')
  const kind = { group: '', version: '', kind: 'Flunder' }
  assert.deepEqual(resources[0].subresources, [{ subresource: 'status', responseKind: kind, verbs: ['get', 'patch', 'update'] }])

  const index = (await get('/openapi/v3')).paths
  assert.equal(index[`apis/${GROUP}/${VERSION}`].serverRelativeURL, `/openapi/v3/apis/${GROUP}/${VERSION}?hash=ABC`)
  assert.ok((await get(`/openapi/v3/apis/${GROUP}/${VERSION}`)).paths[`/apis/${GROUP}/${VERSION}/flunders`])
  const { paths, definitions } = await get('/openapi/v2')
  assert.ok(paths[`/apis/${GROUP}/${VERSION}/flunders`] && definitions['com.example.wardle.v1alpha1.Flunder'] && !definitions.unused)
  // The same name, other words: theirs goes by another.
  const reference = definitions['com.example.wardle.v1alpha1.Flunder'].properties.metadata.$ref.split('/').at(-1)
  assert.equal(reference, 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2')
  assert.equal(definitions[reference].description, 'As this server tells it.')

  extension.broken = true
  await server.writer.modify(Service, { namespace: 'default', name: 'wardle' }, (one) => void (one.metadata!.labels = { changed: 'yes' }))
  await eventually(async () => assert.equal((await condition()).reason, 'FailedDiscoveryCheck'))
  assert.equal((await versionOf()).freshness, 'Stale')
  assert.equal((await versionOf()).resources[0].resource, 'flunders')
  const answer = await server.handle({ path: FLUNDERS, peer: ADMIN })
  assert.deepEqual(
    [answer.status, answer.text, answer.headers['content-type']],
    [503, 'service unavailable\n', 'text/plain; charset=utf-8'],
  )
  await client.delete(APIService, { name: NAME })
  assert.equal((await server.handle({ path: FLUNDERS, peer: ADMIN })).status, 404)
  assert.ok(!(await get('/apis')).groups.some(({ name }: any) => name === GROUP))
})

test('OpenAPI v3 is made of v2 for a server that knows no other, and parameters kept by name are said where they are used', async (t) => {
  const { get, extension, register, client, apiService, server } = await extended(t)
  extension.old = true
  await register()
  const root = `apis/${GROUP}/${VERSION}`
  const index = (await get('/openapi/v3')).paths
  const [, hash] = /^\/openapi\/v3\/apis\/[^?]+\?hash=([0-9A-F]{64})$/.exec(index[root].serverRelativeURL)!
  const answer = await server.handle({ path: `/openapi/v3/${root}?hash=${hash}`, peer: ADMIN })
  assert.deepEqual([answer.status, answer.headers.etag, answer.headers['cache-control']], [200, `"${hash}"`, 'public, immutable'])
  const { openapi, info, paths, components } = answer.json
  assert.deepEqual([openapi, info], ['3.0.0', { title: 'Wardle', version: 'v0.1' }])
  const { get: list, post, parameters } = paths[`/${root}/flunders`]
  const schema = { $ref: '#/components/schemas/com.example.wardle.v1alpha1.Flunder' }
  const content = { 'application/json': { schema }, 'application/yaml': { schema } }
  assert.deepEqual(list, { operationId: 'listFlunder', responses: { 200: { description: 'OK', content } } })
  assert.deepEqual(post.requestBody, { content: { 'application/json': { schema } }, required: true })
  assert.deepEqual([post.parameters, post['x-kubernetes-action']], [undefined, 'post'])
  assert.deepEqual(parameters, [{ name: 'pretty', in: 'query', description: 'Pretty.', schema: { type: 'string', uniqueItems: true } }])
  const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
  assert.deepEqual(Object.keys(components.schemas), ['com.example.wardle.v1alpha1.Flunder', meta])
  assert.deepEqual(components.schemas['com.example.wardle.v1alpha1.Flunder'].properties.metadata, {
    allOf: [{ $ref: `#/components/schemas/${meta}` }],
    description: 'Of it.',
  })
  assert.deepEqual(Object.keys(components.securitySchemes), ['BearerToken'])
  const merged = (await get('/openapi/v2')).paths[`/${root}/flunders`]
  assert.equal(merged.parameters[0].name, 'pretty')

  // It learns version 3: its own document is asked for from then on.
  extension.old = false
  await server.writer.modify(Service, { namespace: 'default', name: 'wardle' }, (one) => void (one.metadata!.labels = { changed: 'yes' }))
  await eventually(async () => assert.match((await get('/openapi/v3')).paths[root].serverRelativeURL, /hash=ABC$/))
  assert.deepEqual((await get(`/openapi/v3/${root}`)).paths, { [`/${root}/flunders`]: {} })
  await client.delete(APIService, { name: apiService.metadata!.name! })
  assert.equal((await get('/openapi/v3')).paths[root], undefined)
})

test('discovery of a server that knows aggregated discovery in its first version is told as it tells it', async (t) => {
  const { get, extension, register } = await extended(t)
  const version = { version: VERSION, freshness: 'Current', resources: [{ resource: 'flunders', verbs: ['get'], scope: 'Cluster' }] }
  extension.answers.set('/apis', (request, response) => {
    const wanted = String(request.headers.accept).split(',')
    const type = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
    if (!wanted.includes(type)) return void response.writeHead(406).end()
    const items = [{ metadata: { name: GROUP }, versions: [version] }]
    response.writeHead(200, { 'content-type': type })
    response.end(JSON.stringify({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2beta1', metadata: {}, items }))
  })
  await register()
  const { items } = await get('/apis', AGGREGATED)
  assert.deepEqual(items.find((one: any) => one.metadata.name === GROUP).versions, [version])
})

test('proxyTo waits five seconds for what a server serves', async (t) => {
  const clock = createVirtualClock()
  const { server, extension, register } = await extended(t, { clock })
  await register()
  const root = `/apis/${GROUP}/${VERSION}`
  const held = Promise.withResolvers<void>()
  extension.answers.set(root, () => held.resolve())
  const answering = server.handle({ path: root, peer: ADMIN })
  await held.promise
  await clock.advance(5000)
  const { status, text } = await answering
  assert.deepEqual([status, text], [503, 'error trying to reach service: context deadline exceeded\n'])

  extension.answers.clear()
})

test('proxyTo hands no redirect on', async (t) => {
  const { server, extension, register } = await extended(t)
  await register()
  extension.answers.set(`${FLUNDERS}/elsewhere`, (_request, response) => {
    response.writeHead(302, { location: 'https://elsewhere.example/' }).end('gone')
  })
  extension.answers.set(`${FLUNDERS}/same`, (_request, response) => {
    response.writeHead(304).end()
  })
  const redirected = await server.handle({ path: `${FLUNDERS}/elsewhere`, peer: ADMIN })
  assert.deepEqual(
    [redirected.status, redirected.headers.location, redirected.text],
    [502, undefined, 'the backend attempted to redirect this request, which is not permitted'],
  )
  assert.equal((await server.handle({ path: `${FLUNDERS}/same`, peer: ADMIN })).status, 304)
})

test('proxyTo tells who wants an upgrade that nobody is there', async (t) => {
  const { server, extension, register, pki } = await extended(t)
  await register()
  await extension[Symbol.asyncDispose]()
  const tls = { ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key }
  const upgrade = request(`${server.url}${FLUNDERS}/late/echo`, { ...tls, headers: { connection: 'Upgrade', upgrade: 'echo' } })
  upgrade.end()
  const [answer] = (await once(upgrade, 'response')) as [IncomingMessage]
  const parts = await answer.toArray()
  assert.deepEqual([answer.statusCode, answer.headers['content-type']], [503, 'text/plain; charset=utf-8'])
  assert.match(String(Buffer.concat(parts)), /^dial tcp .*: connect: connection refused\n$/)
})

test('an APIService comes before custom resources of the same group and version', async (t) => {
  const { client, get, register } = await extended(t)
  const version = { name: VERSION, served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }
  const names = { plural: 'boats', singular: 'boat', kind: 'Boat', listKind: 'BoatList' }
  await client.create(CustomResourceDefinition, {
    metadata: { name: `boats.${GROUP}` },
    spec: { group: GROUP, scope: 'Cluster', names, versions: [version] },
  })
  await eventually(() => client.get(APIService, { name: NAME }))
  await client.delete(CustomResourceDefinition, { name: `boats.${GROUP}` })
  await eventually(() => assert.rejects(client.get(APIService, { name: NAME }), { reason: 'NotFound' }))
  await register()
  await client.create(CustomResourceDefinition, {
    metadata: { name: `boats.${GROUP}` },
    spec: { group: GROUP, scope: 'Cluster', names, versions: [version] },
  })
  const own = (await get(`/apis/${GROUP}/${VERSION}`)).resources.map(({ name }: any) => name)
  assert.deepEqual(own, ['flunders', 'flunders/status'])
  // A hand-made object under the name stays its maker's.
  assert.equal((await client.get(APIService, { name: NAME })).metadata!.labels, undefined)
})

test('availability tells what is in the way, in upstream words', async (t) => {
  const { client, condition, apiService, certify, authority, server } = await extended(t)
  const at = (name: string, port = 443): APIService => ({
    ...apiService,
    spec: { ...apiService.spec!, service: { namespace: 'default', name, port } },
  })
  const becomes = (expected: object) => eventually(async () => assert.deepEqual(await condition(), { status: 'False', ...expected }))
  await client.create(APIService, at('web'))
  await becomes({ reason: 'ServiceNotFound', message: 'service/web in "default" is not present' })
  await client.create(Service, { metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ name: 'api', port: 8443 }] } })
  await becomes({ reason: 'ServicePortError', message: 'service/web in "default" is not listening on port 443' })
  await server.writer.modify(Service, { namespace: 'default', name: 'web' }, (one) => void (one.spec!.ports![0]!.port = 443))
  await becomes({ reason: 'EndpointsNotFound', message: 'cannot find endpointslices for service/web in "default"' })
  await client.create(EndpointSlice, {
    metadata: { name: 'web', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'other', port: 1 }],
    endpoints: [{ addresses: ['192.0.2.1'] }],
  })
  await becomes({ reason: 'MissingEndpoints', message: 'endpoints for service/web in "default" have no addresses with port name "api"' })

  // A certificate for another name, then one of another authority.
  const own = server.clientFor({ username: 'admin', groups: ['system:masters'] })
  await using wrong = await startExtensionServer({ client: own, serving: await certify('other.default.svc') })
  const url = `https://localhost:${wrong.port}/apis/${GROUP}/${VERSION}`
  const failing = (why: string) => ({
    reason: 'FailedDiscoveryCheck',
    message: `failing or missing response from ${url}: Get "${url}": tls: failed to verify certificate: x509: ${why}`,
  })
  const change = (edit: (spec: NonNullable<APIService['spec']>) => void) =>
    server.writer.modify(APIService, { name: NAME }, (one) => edit(one.spec!))
  await change((spec) => void (spec.service = { namespace: 'default', name: 'wardle', port: wrong.port }))
  await becomes(failing('certificate is valid for other.default.svc, not wardle.default.svc'))
  const stranger = await issueAuthority('stranger', { now: systemClock.now(), random: systemRandom })
  await change((spec) => void (spec.caBundle = Buffer.from(stranger.certificate).toString('base64')))
  await becomes(failing('certificate signed by unknown authority'))
  await change((spec) => {
    delete spec.caBundle
    spec.insecureSkipTLSVerify = true
  })
  await eventually(async () => assert.deepEqual(await condition(), { status: 'True', reason: 'Passed', message: 'all checks passed' }))
  assert.ok(authority.certificate !== stranger.certificate)
  await change((spec) => {
    delete spec.service
    delete spec.insecureSkipTLSVerify
  })
  await eventually(async () => assert.equal((await condition()).reason, 'Local'))
})

test('metrics.k8s.io is served here until an APIService gives it to a service, which a restart leaves alone', async (t) => {
  const { client, get, server, condition } = await cluster(t)
  const name = 'v1beta1.metrics.k8s.io'
  assert.deepEqual(await condition(name), {
    status: 'True',
    reason: 'Local',
    message: 'Local APIServices are always available',
  })
  assert.deepEqual((await get('/apis/metrics.k8s.io/v1beta1/nodes')).items, [])
  const service = { namespace: 'kube-system', name: 'metrics-server' }
  const given = await client.patch(APIService, { name }, { type: 'merge', patch: { spec: { service, insecureSkipTLSVerify: true } } })
  const isGone = async () => (await server.handle({ path: '/apis/metrics.k8s.io/v1beta1/nodes', peer: ADMIN })).status === 503
  await eventually(async () => assert.ok(await isGone()))

  const { reader, writer } = server
  const again = new Automanaged({ reader, writer, log: silentLogger, builtin: [{ group: 'metrics.k8s.io', version: 'v1beta1' }] })
  await again.start(new AbortController().signal)
  assert.deepEqual((await client.get(APIService, { name })).spec, given.spec)

  await client.patch(APIService, { name }, { type: 'merge', patch: { spec: { service: null, insecureSkipTLSVerify: null } } })
  await eventually(async () => assert.deepEqual((await get('/apis/metrics.k8s.io/v1beta1/nodes')).items, []))
})

test('clients of this process leave audit events of what they ask of extension servers', async (t) => {
  const events: { requestURI: string; stage: string; responseStatus?: { code: number } }[] = []
  const write = ({ text }: AuditEvent) => events.push(JSON.parse(text)) > 0
  const backend = { name: 'log', failures: 0, write, async [Symbol.asyncDispose]() {} }
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata', resources: [{ group: GROUP }] }] }
  const auditor = new Auditor(new AuditPolicy(JSON.stringify(policy)), { backends: [backend], clock: systemClock })
  const { client } = await cluster(t, { auditor })
  const service = { namespace: 'default', name: 'wardle' }
  await client.create(APIService, {
    metadata: { name: NAME },
    spec: { group: GROUP, version: VERSION, groupPriorityMinimum: 1000, versionPriority: 15, insecureSkipTLSVerify: true, service },
  })
  const Flunder = defineKind({ group: GROUP, version: VERSION, kind: 'Flunder', plural: 'flunders', scope: 'Namespaced' })
  await eventually(() => assert.rejects(client.list(Flunder, { namespace: 'default' }), { reason: 'ServiceUnavailable' }))
  const { requestURI, responseStatus } = events.findLast(({ stage }) => stage === 'ResponseComplete')!
  assert.deepEqual([requestURI, responseStatus?.code], [FLUNDERS, 503])
})
