import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StatusError } from '#api/status.ts'
import { systemClock } from '#lib/clock.ts'
import { attributesOf } from '#server/attributes.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import { audit } from '#server/http/audit.ts'
import type { Call } from '#server/http/call.ts'
import type { ServerExtensions } from '#server/request.ts'
import type { AuditEvent } from './audit-record.ts'
import { type AuditBackend, Auditor } from './auditor.ts'
import { AuditLog } from './log-file.ts'
import { AuditPolicy } from './policy.ts'

const policy = (rules: object[], more: object = {}) => JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules, ...more })

interface Audited {
  more?: object
  extensions?: ServerExtensions
  backend?: Partial<AuditBackend>
}

async function audited(rules: object[], { more = {}, extensions = {}, backend = {} }: Audited = {}) {
  const lines: string[] = []
  const keeping = { name: 'log', failures: 0, write: ({ text }: AuditEvent) => lines.push(text) > 0, async [Symbol.asyncDispose]() {} }
  const auditor = new Auditor(new AuditPolicy(policy(rules, more)), { backends: [{ ...keeping, ...backend }], clock: systemClock })
  const requests = await startRequests({ auditor, extensions: () => extensions })
  return Object.assign(requests, { lines, events: () => lines.map((line) => JSON.parse(line)) })
}

const DAVE = { username: 'dave', groups: ['boats'] }
const asDave: ServerExtensions = {
  authenticators: [{ authenticate: async ({ headers }) => (headers.authorization ? DAVE : undefined) }],
  authorizer: {
    authorize: ({ verb }) => ({ allowed: verb !== 'delete', reason: 'RBAC: says the captain' }),
  },
}

test('audit tells whom a request was made as, and by which constrained right', async () => {
  const authorizer = { authorize: ({ verb }: { verb: string }) => ({ allowed: verb !== 'impersonate-on:user-info:get', reason: '' }) }
  await using server = await audited([{ level: 'Metadata', omitStages: ['RequestReceived'] }], { extensions: { ...asDave, authorizer } })
  const headers = { authorization: 'Bearer x', 'impersonate-user': 'erin', 'impersonate-group': 'OU=a, O=b' }
  await server.send('GET', `${IN_DEFAULT}/configmaps`, undefined, headers)
  await server.send('GET', `${IN_DEFAULT}/configmaps/none`, undefined, headers)
  const [listed, read] = server.events()
  assert.deepEqual(listed.impersonatedUser, { username: 'erin', groups: ['OU=a, O=b', 'system:authenticated'] })
  assert.deepEqual(listed.authenticationMetadata, { impersonationConstraint: 'impersonate:user-info' })
  assert.deepEqual([read.impersonatedUser.username, read.authenticationMetadata], ['erin', undefined])
})

test('audit records what is applied, and leaves managers out of the rows of tables', async () => {
  await using server = await audited([{ level: 'RequestResponse', omitManagedFields: true }], { extensions: asDave })
  const type = { 'content-type': 'application/apply-patch+yaml', authorization: 'Bearer x' }
  const path = `${IN_DEFAULT}/configmaps`
  const body = 'apiVersion: v1\nkind: ConfigMap\ndata: { k: v }\n'
  assert.equal((await server.send('PATCH', `${path}/a?fieldManager=me`, body, type)).status, 201)
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  assert.equal((await server.send('GET', path, undefined, { accept, authorization: 'Bearer x' })).status, 200)
  const [, applied, , listed] = server.events()
  assert.deepEqual(applied.requestObject, { apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'v' } })
  assert.equal(listed.responseObject.kind, 'Table')
  assert.equal(listed.responseObject.rows[0].object.metadata.name, 'a')
  assert.equal(listed.responseObject.rows[0].object.metadata.managedFields, undefined)
})

test('audit records large objects, patches and lists as small ones, and leaves out what nobody would take', async () => {
  await using server = await audited([{ level: 'RequestResponse', omitManagedFields: true, omitStages: ['RequestReceived'] }])
  const data = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`key${i}`, 'some value']))
  const path = `${IN_DEFAULT}/configmaps`
  assert.equal((await server.send('POST', path, configMap('a', data))).status, 201)
  const type = { 'content-type': 'application/merge-patch+json' }
  assert.equal((await server.send('PATCH', `${path}/a`, JSON.stringify({ data: { ...data, key0: 'other' } }), type)).status, 200)
  const listed = await server.send('GET', path)
  const [created, patched, list] = server.events()
  assert.deepEqual([created.requestObject.data, created.responseObject.data], [data, data])
  assert.deepEqual([created.objectRef.name, created.responseObject.metadata.managedFields], ['a', undefined])
  assert.equal(patched.requestObject.data.key0, 'other')
  assert.deepEqual(patched.responseObject.data, { ...data, key0: 'other' })
  assert.deepEqual(list.responseObject.items[0].data, listed.json.items[0].data)
  server.lines.length = 0
  const pad = 'x'.repeat(1_000_000)
  for (let i = 0; i < 26; i++) assert.equal((await server.send('POST', path, configMap(`b${i}`, { pad }))).status, 201)
  server.lines.length = 0
  const all = await server.send('GET', path)
  assert.deepEqual([all.status, all.json.items.length], [200, 27])
  const [told] = server.events()
  assert.deepEqual([told.responseObject, told.annotations], [undefined, { 'audit.k8s.io/truncated': 'true' }])
})

test('audit records a write with its objects, its reason and the identity the client gave it', async () => {
  await using server = await audited([{ level: 'RequestResponse', omitManagedFields: true }], { extensions: asDave })
  const answer = await server.send('POST', `${IN_DEFAULT}/configmaps?fieldManager=me`, configMap('a', { k: 'v' }), {
    authorization: 'Bearer x',
    'user-agent': 'kubectl/v1.36',
    'audit-id': 'my-id',
    'x-forwarded-for': '203.0.113.9',
  })
  assert.equal(answer.status, 201)
  assert.equal(answer.headers['audit-id'], 'my-id')
  const [received, complete] = server.events()
  assert.deepEqual(Object.keys(complete), [
    'kind',
    'apiVersion',
    'level',
    'auditID',
    'stage',
    'requestURI',
    'verb',
    'user',
    'sourceIPs',
    'userAgent',
    'objectRef',
    'responseStatus',
    'requestObject',
    'responseObject',
    'requestReceivedTimestamp',
    'stageTimestamp',
    'annotations',
  ])
  assert.equal(received.stage, 'RequestReceived')
  assert.deepEqual(received.objectRef, { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' })
  assert.equal(received.responseStatus, undefined)
  assert.equal(complete.stage, 'ResponseComplete')
  assert.equal(complete.auditID, 'my-id')
  assert.equal(complete.verb, 'create')
  assert.equal(complete.requestURI, `${IN_DEFAULT}/configmaps?fieldManager=me`)
  assert.deepEqual(complete.user, { username: 'dave', groups: ['boats', 'system:authenticated'] })
  assert.deepEqual(complete.sourceIPs, ['203.0.113.9', '127.0.0.1'])
  assert.deepEqual(complete.objectRef, { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' })
  assert.deepEqual(complete.responseStatus, { metadata: {}, code: 201 })
  assert.deepEqual(complete.requestObject.data, { k: 'v' })
  assert.equal(complete.responseObject.metadata.managedFields, undefined)
  assert.ok(complete.responseObject.metadata.uid)
  assert.match(complete.stageTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  assert.deepEqual(complete.annotations, {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': 'RBAC: says the captain',
  })
})

test('audit tells what is worth noting of credentials that were refused', async () => {
  const authenticators: ServerExtensions['authenticators'] = [
    {
      async authenticate({ annotate }) {
        annotate?.('authentication.k8s.io/legacy-token-invalidated', 's/x')
        throw new StatusError('Unauthorized', 'Unauthorized')
      },
    },
  ]
  await using server = await audited([{ level: 'Metadata' }], { extensions: { ...asDave, authenticators } })
  await server.send('GET', `${IN_DEFAULT}/configmaps/a`)
  assert.deepEqual(server.events()[0].annotations, { 'authentication.k8s.io/legacy-token-invalidated': 's/x' })
})

test('audit records refusals: forbidden, not found, unknown callers', async () => {
  await using server = await audited([{ level: 'Metadata' }], { more: { omitStages: ['RequestReceived'] }, extensions: asDave })
  const headers = { authorization: 'Bearer x' }
  await server.send('DELETE', `${IN_DEFAULT}/configmaps/a`, undefined, headers)
  await server.send('GET', `${IN_DEFAULT}/configmaps/a`, undefined, headers)
  await server.send('GET', `${IN_DEFAULT}/configmaps/a`)
  const [forbidden, missing, unknown] = server.events()
  assert.equal(forbidden.annotations['authorization.k8s.io/decision'], 'forbid')
  assert.deepEqual([forbidden.responseStatus.reason, forbidden.responseStatus.code], ['Forbidden', 403])
  assert.deepEqual([missing.responseStatus.message, missing.stage], ['configmaps "a" not found', 'ResponseComplete'])
  assert.deepEqual(
    [unknown.stage, unknown.responseStatus],
    [
      'ResponseStarted',
      { metadata: {}, status: 'Failure', message: 'Authentication failed, no credentials provided', reason: 'Unauthorized', code: 401 },
    ],
  )
})

test('audit tells when a watch begins and when it ends, and lists whole only at RequestResponse', async () => {
  await using server = await audited([{ level: 'RequestResponse', verbs: ['list'] }, { level: 'Request' }], {
    more: { omitStages: ['RequestReceived'] },
  })
  const begun = server.server.handle({ path: `${IN_DEFAULT}/configmaps?watch=true&timeoutSeconds=1` })
  await begun
  assert.deepEqual(
    server.events().map(({ verb, stage, responseStatus }) => [verb, stage, responseStatus.code]),
    [
      ['watch', 'ResponseStarted', 200],
      ['watch', 'ResponseComplete', 200],
    ],
  )
  await server.send('GET', `${IN_DEFAULT}/configmaps`)
  assert.equal(server.events().at(-1).responseObject.kind, 'ConfigMapList')
  await server.send('GET', `${IN_DEFAULT}/configmaps/a`)
  assert.equal(server.events().at(-1).responseObject, undefined)
})

test('audit records code of this process, and failures nobody foresaw as Panic', async () => {
  const broken = {
    name: 'Broken',
    admit({ object }: { object?: { metadata?: { name?: string } } }) {
      if (object?.metadata?.name === 'boom') throw new Error('boom')
    },
    validate: ({ annotate }: { annotate?(key: string, value: string): void }) => annotate?.('broken.example/said', 'hello'),
  }
  await using server = await audited([{ level: 'Metadata', omitStages: ['RequestReceived'] }], { extensions: { admission: [broken] } })
  await server.client.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } })
  const [local] = server.events()
  assert.equal(local.user.username, 'kubernetes-admin')
  assert.equal(local.requestURI, '/api/v1/namespaces/default/configmaps')
  assert.deepEqual(local.annotations, { 'broken.example/said': 'hello' })
  await server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('boom'))
  assert.deepEqual([server.events()[1].stage, server.events()[1].responseStatus.code], ['Panic', 500])
  await assert.rejects(server.client.get(ConfigMap, { namespace: 'default', name: 'none' }), StatusError)
  assert.equal(server.events()[2].responseStatus.reason, 'NotFound')
})

test('audit holds a request until its arrival is written, and refuses it where a strict backend cannot', async () => {
  const written = Promise.withResolvers<boolean>()
  const told = Promise.withResolvers<void>()
  const slow = {
    strict: true,
    write() {
      told.resolve()
      return written.promise
    },
  }
  await using server = await audited([{ level: 'Metadata' }], { backend: slow })
  const answer = server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  await told.promise
  written.resolve(false)
  const { status, body, headers } = await answer
  assert.deepEqual(
    [status, String(body), headers['content-type']],
    [500, `Internal Server Error: "${IN_DEFAULT}/configmaps": failed to store audit event\n`, 'text/plain; charset=utf-8'],
  )
  await assert.rejects(server.client.create(ConfigMap, { metadata: { name: 'b', namespace: 'default' } }), /failed to store audit event/)
})

test('audit serves a request whose event a backend that is not strict lost', async () => {
  await using server = await audited([{ level: 'Metadata' }], { backend: { write: async () => false } })
  assert.equal((await server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))).status, 201)
})

test('audit tells when an upgraded connection begins, and that it is complete when it ends', async () => {
  const stages: string[] = []
  const told = ({ text }: AuditEvent) => {
    const { stage, responseStatus } = JSON.parse(text)
    return stages.push(`${stage} ${responseStatus?.code}`) > 0
  }
  const backend = { name: 'log', failures: 0, write: told, async [Symbol.asyncDispose]() {} }
  const auditor = new Auditor(new AuditPolicy(policy([{ level: 'Metadata' }])), { backends: [backend], clock: systemClock })
  const socket = new PassThrough()
  const exchange = { url: '/exec', headers: {}, remoteAddress: '', status: 0, upgrade: { socket } }
  const info = { isResourceRequest: true, verb: 'create', subresource: 'exec' }
  const call = { exchange, headers: {}, annotations: new Map(), user: DAVE, info } as unknown as Call
  await audit(auditor)(call, async () => {})
  assert.deepEqual(stages, ['RequestReceived undefined', 'ResponseStarted 101'])
  socket.destroy()
  await once(socket, 'close')
  assert.deepEqual(stages.slice(2), ['ResponseComplete 101'])
})

const about = (over: object) => ({
  ...attributesOf(Pod, { user: { username: 'dave', groups: ['boats'] }, verb: 'get', namespace: 'default', name: 'web' }),
  ...over,
})
const MATCHES: [string, object, object, boolean][] = [
  ['users', { users: ['dave'] }, {}, true],
  ['users', { users: ['eve'] }, {}, false],
  ['groups', { userGroups: ['boats'] }, {}, true],
  ['verbs', { verbs: ['list'] }, {}, false],
  ['a resource without its subresources', { resources: [{ group: '', resources: ['pods'] }] }, { subresource: 'log' }, false],
  ['a subresource', { resources: [{ group: '', resources: ['pods/log'] }] }, { subresource: 'log' }, true],
  ['all subresources of one', { resources: [{ resources: ['pods/*'] }] }, { subresource: 'log' }, true],
  ['one subresource of all', { resources: [{ resources: ['*/scale'] }] }, { subresource: 'scale' }, true],
  ['names', { resources: [{ resources: ['pods'], resourceNames: ['db'] }] }, {}, false],
  ['another group', { resources: [{ group: 'apps' }] }, {}, false],
  ['namespaces', { namespaces: ['kube-system'] }, {}, false],
  ['cluster scope', { namespaces: [''] }, { namespace: '' }, true],
  ['paths', { nonResourceURLs: ['/healthz*'] }, { isResourceRequest: false, path: '/healthz/etcd' }, true],
  ['paths do not match resources', { nonResourceURLs: ['*'] }, {}, false],
]
for (const [what, rule, over, matches] of MATCHES)
  test(`AuditPolicy matches ${what}: ${JSON.stringify(rule)} ${matches}`, () => {
    const decision = new AuditPolicy(policy([{ level: 'Metadata', ...rule }])).decide(about(over))
    assert.equal(decision.level, matches ? 'Metadata' : 'None')
  })

test('AuditPolicy takes the first rule that matches and refuses what makes no sense', () => {
  const first = new AuditPolicy(policy([{ level: 'None', verbs: ['get'] }, { level: 'Request' }]))
  assert.deepEqual([first.decide(about({})).level, first.decide(about({ verb: 'list' })).level], ['None', 'Request'])
  const refused: [string, RegExp][] = [
    [policy([]), /loaded illegal policy with 0 rules/],
    ['kind: Pod', /a Policy of audit.k8s.io\/v1 is needed/],
    [policy([{ level: 'Loud' }]), /Unsupported value: "Loud"/],
    [policy([{ level: 'None', verb: ['get'] }]), /unknown field "rules\[0\].verb"/],
    [policy([{ level: 'None', nonResourceURLs: ['*/x'] }]), /must begin with a '\/' character/],
    [policy([{ level: 'None' }], { omitStages: ['Never'] }), /allowed stages are/],
  ]
  for (const [text, message] of refused) assert.throws(() => new AuditPolicy(text), message)
})

test('AuditLog begins a new file at its size and keeps as many as it may', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-audit-'))
  try {
    let now = Date.parse('2026-01-01T00:00:00Z')
    const clock = { ...systemClock, now: () => (now += 1000), after: (_ms: number, task: () => void) => systemClock.after(0, task) }
    const path = join(directory, 'logs', 'audit.log')
    const options = { path, maxSizeMegabytes: 1, maxAgeDays: 0, maxBackups: 2 }
    const line = 'x'.repeat(700_000)
    for (let round = 0; round < 5; round++) {
      await using log = new AuditLog(options, { clock })
      await log.deliver([line])
    }
    const names = readdirSync(join(directory, 'logs')).toSorted()
    assert.equal(names.length, 3)
    assert.match(names[0]!, /^audit-2026-01-01T00-00-\d\d\.000\.log$/)
    assert.equal(readFileSync(path, 'utf8'), `${line}\n`)
    for (const name of names) assert.equal(statSync(join(directory, 'logs', name)).mode & 0o777, 0o600)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
