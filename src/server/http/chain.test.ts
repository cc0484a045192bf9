import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StatusError } from '#api/status.ts'
import { TokenReview } from '#api/kinds/authentication/token-review.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from '#server/engine/requests.ts'
import type { AdmissionPlugin, Authorizer, RequestAttributes, ServerExtensions } from '#server/request.ts'

const asUser = {
  authenticate: async ({ headers }: { headers: Record<string, unknown> }) =>
    headers['x-user'] ? { username: String(headers['x-user']), groups: [] } : undefined,
}

test('chain refuses who may not, in the words clients parse', async () => {
  const asked: RequestAttributes[] = []
  const authorizer = {
    authorize(attributes: RequestAttributes) {
      asked.push(attributes)
      return { allowed: attributes.verb === 'get', reason: 'no role' }
    },
  }
  await using t = await startRequests({ extensions: () => ({ authenticators: [asUser], authorizer }) })
  const { status, json } = await t.send('GET', `${IN_DEFAULT}/pods`, undefined, { 'x-user': 'jane' })
  assert.equal(status, 403)
  assert.equal(
    json.message,
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": no role',
  )
  assert.deepEqual(asked.at(-1)!.user.groups, ['system:authenticated'])
  assert.equal((await t.send('GET', '/metrics', undefined, { 'x-user': 'jane' })).status, 200)
  assert.equal((await t.send('GET', `${IN_DEFAULT}/pods`)).status, 401)
})

test('chain lets who may act as someone else do so', async () => {
  const authorizer = {
    authorize: ({ verb, user, name }: RequestAttributes) => ({
      allowed: verb === 'impersonate' ? name === 'jane' : user.username === 'jane',
      reason: '',
    }),
  }
  await using t = await startRequests({ extensions: () => ({ authenticators: [asUser], authorizer }) })
  const as = (name: string) => t.send('GET', `${IN_DEFAULT}/pods`, undefined, { 'x-user': 'admin', 'impersonate-user': name })
  assert.equal((await as('jane')).status, 200)
  const refused = await as('root')
  assert.deepEqual([refused.status, /cannot impersonate resource "users"/.test(refused.json.message)], [403, true])
})

test('chain answers 429 beyond its limits, but not to administrators', async () => {
  const admins = { authenticate: async () => ({ username: 'a', groups: ['system:masters'] }) }
  for (const [extensions, code] of [
    [{}, 429],
    [{ authenticators: [admins] }, 200],
  ] as [ServerExtensions, number][]) {
    await using t = await startRequests({ seats: 0, extensions: () => extensions })
    const { status, headers } = await t.send('GET', `${IN_DEFAULT}/pods`)
    assert.equal(status, code)
    if (code === 429) assert.equal(headers['retry-after'], '1')
  }
})

test('chain counts watches with long selectors as several, and lets no one have more than so many', async () => {
  await using t = await startRequests({ extensions: () => ({ authenticators: [asUser] }) })
  const stop = new AbortController()
  const url = `${IN_DEFAULT}/configmaps?watch=1&labelSelector=${'%20'.repeat(20_000)}`
  const watch = (user: string) => t.server.handle({ path: url, headers: { 'x-user': user }, signal: stop.signal })
  const allowed = Math.floor(20_000 / (1 + Math.floor(url.length / 512)))
  // They end when they are told to, in the middle of their answers.
  const open = (user: string) => void watch(user).catch(() => {})
  for (let i = 0; i < allowed; i++) open('jane')
  assert.equal((await watch('jane')).status, 429)
  const short = () => t.send('GET', `${IN_DEFAULT}/configmaps?watch=1&timeoutSeconds=1&labelSelector=,`, undefined, { 'x-user': 'john' })
  assert.equal((await short()).status, 400)
  stop.abort()
  await new Promise(setImmediate)
  const again = new AbortController()
  const last = t.server.handle({ path: url, headers: { 'x-user': 'jane' }, signal: again.signal })
  await new Promise(setImmediate)
  again.abort()
  await assert.rejects(last, /Premature close/)
})

test('chain asks admission in order, first those who change, then those who judge', async () => {
  const order: string[] = []
  const plugin = (name: string): AdmissionPlugin => ({
    name,
    admit({ object, operation }) {
      order.push(`${name} admit ${operation}`)
      if (object) object.metadata!.annotations = { ...object.metadata!.annotations, [name]: 'yes' }
    },
    validate({ operation, warn }) {
      order.push(`${name} validate ${operation}`)
      warn(`seen by ${name}`)
    },
  })
  await using t = await startRequests({ extensions: () => ({ admission: [plugin('one'), plugin('two')] }) })
  const { json, headers } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  assert.deepEqual(json.metadata.annotations, { one: 'yes', two: 'yes' })
  assert.deepEqual(order, ['one admit CREATE', 'two admit CREATE', 'one validate CREATE', 'two validate CREATE'])
  assert.deepEqual(headers['warning'] as unknown, ['299 - "seen by one"', '299 - "seen by two"'])
  order.length = 0
  await t.send('DELETE', `${IN_DEFAULT}/configmaps/a`)
  assert.deepEqual(
    order.map((one) => one.split(' ').at(-1)),
    ['DELETE', 'DELETE', 'DELETE', 'DELETE'],
  )
})

test('chain turns what plugins and handlers throw into answers', async () => {
  const admission: AdmissionPlugin[] = [
    {
      name: 'judge',
      validate({ object }) {
        if (object?.metadata?.name === 'refused') throw new StatusError('Forbidden', 'not that name')
        if (object?.metadata?.name === 'broken') throw new TypeError('oops')
      },
    },
  ]
  await using t = await startRequests({ extensions: () => ({ admission }) })
  const post = (name: string) => t.send('POST', `${IN_DEFAULT}/configmaps`, configMap(name))
  assert.deepEqual([(await post('refused')).status, (await post('refused')).json.message], [403, 'not that name'])
  const broken = await post('broken')
  assert.deepEqual([broken.status, broken.json.reason, broken.json.message], [500, 'InternalError', 'Internal error occurred: oops'])
})

test('chain says in plain words that nobody could be asked whether it may', async () => {
  const authorizer: Authorizer = {
    async authorize({ verb }) {
      if (verb === 'list') return { allowed: false, reason: '', error: 'Post "https://hook/": <nobody>' }
      return { allowed: true, reason: '', error: 'one of them failed' }
    },
  }
  await using t = await startRequests({ extensions: () => ({ authorizer }) })
  const { status, text, headers } = await t.send('GET', `${IN_DEFAULT}/configmaps`)
  const said = `Internal Server Error: "${IN_DEFAULT}/configmaps": Post "https://hook/": &lt;nobody&gt;\n`
  assert.deepEqual([status, text, headers['content-type']], [500, said, 'text/plain; charset=utf-8'])
  assert.equal((await t.send('GET', `${IN_DEFAULT}/configmaps/a`)).status, 404, 'who is allowed nonetheless')
})

test('chain undoes what was allocated for a write that failed', async () => {
  const log: string[] = []
  const hook = {
    kind: ConfigMap,
    begin(next: ConfigMap | undefined, previous: ConfigMap | undefined) {
      const what = `${previous ? 'old' : ''}${next ? 'new' : ''}`
      return { commit: () => void log.push(`commit ${what}`), undo: () => void log.push(`undo ${what}`) }
    },
  }
  await using t = await startRequests({ extensions: () => ({ writeHooks: [hook] }) })
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('BAD'))
  await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { data: { x: '1' } })
  await t.send('DELETE', `${IN_DEFAULT}/configmaps/a`)
  assert.deepEqual(log, ['commit new', 'undo new', 'undo new', 'commit oldnew', 'commit old'])
})

test('chain serves subresources and virtual kinds by their handlers', async () => {
  const extensions = (): ServerExtensions => ({
    subresources: [
      {
        kind: Pod,
        subresource: 'eviction',
        async create({ key, object }) {
          assert.equal(object!.kind, 'Eviction')
          return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201, message: key.name }
        },
      },
      { kind: TokenReview, subresource: '', create: async ({ object }) => ({ ...object!, status: { authenticated: true } }) },
      {
        kind: Pod,
        subresource: 'log',
        async connect({ key, query }, exchange) {
          exchange.open(200, { 'content-type': 'text/plain' }).end(`${key.name} ${query.get('container')}`)
        },
      },
    ],
  })
  await using t = await startRequests({ extensions })
  const eviction = { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'p' } }
  const evicted = await t.send('POST', `${IN_DEFAULT}/pods/p/eviction`, eviction)
  assert.deepEqual([evicted.status, evicted.json.message], [201, 'p'])
  assert.equal((await t.send('POST', `${IN_DEFAULT}/pods/p/eviction`, configMap('p'))).status, 400)
  const review = { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: { token: 't' } }
  const reviewed = await t.send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)
  assert.deepEqual([reviewed.status, reviewed.json.status, reviewed.json.spec.token], [201, { authenticated: true }, 't'])
  assert.equal((await t.send('GET', `${IN_DEFAULT}/pods/p/log?container=c`)).text, 'p c')
  assert.equal((await t.send('POST', `${IN_DEFAULT}/pods/p/log`, {})).status, 405)
})

for (const [path, status] of Object.entries({
  '/api': 405,
  '/api/v1': 405,
  '/apis': 200,
  '/apis/apps': 200,
  '/apis/apps/v1': 405,
  '/version': 405,
  '/': 200,
  '/openapi/v2': 200,
  '/openapi/v3': 200,
  '/openapi/v3/apis/apps/v1': 200,
  '/livez': 200,
  '/readyz/ping': 200,
  '/metrics': 200,
  '/metrics/slis': 200,
})) {
  test(`chain answers other methods than GET of ${path} with ${status}, as upstream does`, async () => {
    await using t = await startRequests()
    const read = await t.send('GET', path)
    assert.equal(read.status, 200)
    for (const method of ['HEAD', 'POST', 'PUT', 'PATCH merge', 'OPTIONS']) {
      const { status: answered, text } = await t.send(method, path, method === 'HEAD' ? undefined : { a: 1 })
      assert.deepEqual([method, answered], [method, status])
      if (status === 200 && path !== '/metrics' && path !== '/metrics/slis') assert.equal(text, method === 'HEAD' ? '' : read.text)
    }
  })
}

test('chain sets no metrics back: they are refused to be deleted', async () => {
  await using t = await startRequests()
  assert.equal((await t.send('DELETE', '/metrics')).status, 405)
})

test('chain refuses HEAD of a resource, as upstream does', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  const { status, text } = await t.send('HEAD', `${IN_DEFAULT}/configmaps/a`)
  assert.deepEqual([status, text], [405, ''])
})

test('chain is safe from keys that name prototypes', async () => {
  await using t = await startRequests()
  const body =
    '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","labels":{"__proto__":"x"}},"data":{"__proto__":"1","constructor":"2"},"__proto__":{"polluted":true}}'
  const { status, json } = await t.send('POST', `${IN_DEFAULT}/configmaps`, body)
  assert.ok(status === 201 || status === 422 || status === 400, String(status))
  if (status === 201) assert.equal(Object.getPrototypeOf(json.data), Object.prototype)
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  for (const patch of ['{"__proto__":{"polluted":true}}', '{"metadata":{"__proto__":{"polluted":true}}}']) {
    await t.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, patch)
    await t.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, pod('p', { ['__proto__']: 1 }))
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  }
  await t.send('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('d'))
  await t.send('PATCH strategic', '/apis/apps/v1/namespaces/default/deployments/d', '{"spec":{"template":{"__proto__":{"polluted":true}}}}')
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

test('chain warns of a kind on its way out on reads too', async () => {
  await using t = await startRequests({})
  const { headers } = await t.send('GET', `${IN_DEFAULT}/endpoints`)
  assert.deepEqual(headers['warning'] as unknown, ['299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'])
})
