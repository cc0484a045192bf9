// Many of everything a cluster can have many of: namespaces, bindings, policies, webhooks, flow schemas, definitions, versions, watchers, writers, tokens.
import { LoadConnection } from './http2-load.ts'
import { APPLY, definition, DEFINITIONS, MAPS, MERGE } from './scene-parts.ts'
import { many, range, type Turns } from './turns.ts'

const CREATED = '/api/v1/namespaces/created/configmaps'
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const REVIEWS = '/apis/authorization.k8s.io/v1'
const ADMISSION = '/apis/admissionregistration.k8s.io/v1'
const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1'
const DISCOVERY = { accept: 'application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList' }
const apiGroup = 'rbac.authorization.k8s.io'

export async function namespaces(turns: Turns): Promise<void> {
  await turns.measure('10,000 namespaces', () =>
    many(10_000, (i) => turns.must('POST', '/api/v1/namespaces', { metadata: { name: `n${i}` } })),
  )
  await turns.request('a list of them', 'GET', '/api/v1/namespaces')
  await turns.measure('1,000 of them deleted at once', () => many(1000, (i) => turns.must('DELETE', `/api/v1/namespaces/n${i}`)))
  await turns.restart('a start with 10,000 namespaces')
}

export async function bindings(turns: Turns): Promise<void> {
  const subjects = [{ kind: 'User', name: 'poor', apiGroup }]
  const rules = [{ apiGroups: ['none.example'], resources: ['a'], verbs: ['get'] }]
  await turns.must('POST', `${RBAC}/clusterroles`, { metadata: { name: 'some' }, rules })
  const bind = (i: number) => ({ metadata: { name: `b${i}` }, roleRef: { apiGroup, kind: 'ClusterRole', name: 'some' }, subjects })
  await turns.measure('5,000 bindings', () => many(5000, (i) => turns.must('POST', `${RBAC}/clusterrolebindings`, bind(i))))
  const as = { 'impersonate-user': 'poor' }
  await turns.request('a request under them', 'GET', MAPS, '', as)
  await turns.request('a review of them', 'POST', `${REVIEWS}/selfsubjectrulesreviews`, { spec: { namespace: 'default' } }, as)
  const access = { spec: { user: 'poor', resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'default' } } }
  await crowd(turns, '1,000 reviews under them at once', 1000, { path: `${REVIEWS}/subjectaccessreviews`, body: () => access })
  const more = { rules: [...rules, { apiGroups: ['more.example'], resources: ['a'], verbs: ['get'] }] }
  await turns.request('their role changed', 'PATCH', `${RBAC}/clusterroles/some`, more, MERGE)
  await turns.restart('a start with 5,000 bindings')
}

export async function admission(turns: Turns): Promise<void> {
  const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }]
  const validations = [{ expression: "object.metadata.name.startsWith('a') || !object.metadata.name.startsWith('b')" }]
  await turns.measure('1,000 policies and bindings', () =>
    many(1000, async (i) => {
      const metadata = { name: `p${i}` }
      await turns.must('POST', `${ADMISSION}/validatingadmissionpolicies`, {
        metadata,
        spec: { matchConstraints: { resourceRules }, validations },
      })
      const spec = { policyName: `p${i}`, validationActions: ['Deny'] }
      await turns.must('POST', `${ADMISSION}/validatingadmissionpolicybindings`, { metadata, spec })
    }),
  )
  await turns.request('the first create under them', 'POST', MAPS, { metadata: { name: 'a' } })
  await turns.request('the next one', 'POST', MAPS, { metadata: { name: 'a1' } })
  await crowd(turns, '100 creates under them at once', 100, { path: MAPS, body: (i) => ({ metadata: { name: `x${i}` } }) })
  await turns.request(
    'one of them changed',
    'PATCH',
    `${ADMISSION}/validatingadmissionpolicies/p7`,
    { spec: { failurePolicy: 'Ignore' } },
    MERGE,
  )
  await turns.request('a create after that', 'POST', MAPS, { metadata: { name: 'a2' } })
  const webhook = (i: number) => ({
    name: `w${i}.bench.example`,
    clientConfig: { url: 'https://127.0.0.1:1/never' },
    rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }],
    objectSelector: { matchLabels: { asks: `w${i}` } },
    matchConditions: [{ name: 'x', expression: `object.metadata.name == 'w${i}'` }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  })
  await turns.measure('200 webhooks', () =>
    many(200, (i) =>
      turns.must('POST', `${ADMISSION}/mutatingwebhookconfigurations`, { metadata: { name: `w${i}` }, webhooks: [webhook(i)] }),
    ),
  )
  await turns.request('a create past them', 'POST', MAPS, { metadata: { name: 'a3' } })
  await crowd(turns, '100 creates past them at once', 100, { path: MAPS, body: (i) => ({ metadata: { name: `y${i}` } }) })
}

export async function flows(turns: Turns): Promise<void> {
  const schema = (i: number) => ({
    metadata: { name: `f${i}` },
    spec: {
      priorityLevelConfiguration: { name: 'workload-low' },
      matchingPrecedence: 100 + i,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: `u${i}` } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
        },
      ],
    },
  })
  await turns.measure('500 flow schemas', () => many(500, (i) => turns.must('POST', `${FLOW}/flowschemas`, schema(i))))
  await turns.request('a request they share out', 'GET', MAPS, '', { 'impersonate-user': 'u499' })
  await turns.restart('a start with 500 flow schemas')
}

export async function manyKinds(turns: Turns): Promise<void> {
  const schema = { type: 'object', properties: { spec: { type: 'object', properties: { a: { type: 'string' } } } } }
  await turns.measure(
    '1,000 definitions',
    () => many(1000, (i) => turns.must('POST', DEFINITIONS, definition({ group: `g${i % 100}.example`, plural: `kinds${i}s`, schema }))),
    5000,
  )
  await turns.measure('discovery of them', () => turns.send('GET', '/apis', '', DISCOVERY))
  await turns.measure('the same again', () => turns.send('GET', '/apis', '', DISCOVERY))
  await turns.measure('OpenAPI v3, its index', () => turns.send('GET', '/openapi/v3'))
  await turns.measure('OpenAPI v2 of them', () => turns.send('GET', '/openapi/v2'))
  const versions = range(100).map((i) => ({ name: `v${i + 1}`, served: true, storage: i === 0, schema: { openAPIV3Schema: schema } }))
  await turns.measure('one of 100 versions', () =>
    turns.send('POST', DEFINITIONS, definition({ group: 'old.example', plural: 'olds', schema, more: { versions } })),
  )
  const old = '/apis/old.example/v50/namespaces/default/olds'
  await turns.request('a resource of it', 'POST', old, {
    apiVersion: 'old.example/v50',
    kind: 'Old',
    metadata: { name: 'a' },
    spec: { a: 'b' },
  })
  await turns.measure(
    '1,000 definitions are deleted',
    () => many(1000, (i) => turns.send('DELETE', `${DEFINITIONS}/kinds${i}s.g${i % 100}.example`)),
    5000,
  )
}

export async function crowdedWatches(turns: Turns): Promise<void> {
  await many(500, (i) => turns.must('POST', CREATED, { metadata: { name: `m${i}` }, data: { x: 'y'.repeat(200) } }))
  const watch = `${CREATED}?watch=1&resourceVersion=0&allowWatchBookmarks=true`
  const connections = await Promise.all(range(40).map(() => LoadConnection.open(turns.access)))
  await turns.measure(
    '10,000 that begin to watch 500 objects at once',
    async () => void (await Promise.all(connections.flatMap((one) => range(245).map(() => one.open(watch).begun)))),
    10_000,
  )
  await turns.request('a change told to them', 'PATCH', `${CREATED}/m1`, { data: { z: '1' } }, MERGE)
  await turns.measure(
    '100 changes told to them',
    () => many(100, (i) => turns.send('PATCH', `${CREATED}/m${i}`, { data: { z: `${i}` } }, MERGE)),
    5000,
  )
  await turns.measure('all of them leave', async () => connections.forEach((one) => one[Symbol.dispose]()), 5000)
  const { resourceVersion } = (await turns.json(`${CREATED}?limit=1`)).metadata
  await turns.ask('churn 1')
  await turns.measure(
    '4,000 changes',
    () => many(4000, (i) => turns.send('PATCH', `${CREATED}/m${i % 500}`, { data: { z: `z${i}` } }, MERGE)),
    500,
  )
  const later = await Promise.all(range(4).map(() => LoadConnection.open(turns.access)))
  const old = `${CREATED}?watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=3`
  await turns.measure(
    '200 that watch from before them',
    async () => void (await Promise.all(later.flatMap((one) => range(50).map(() => one.open(old).begun)))),
    6000,
  )
  later.forEach((one) => one[Symbol.dispose]())
}

export async function crowdedWrites(turns: Turns): Promise<void> {
  const apply = (i: number) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `d${i}` }, data: { a: 'b' } })
  await turns.measure('an apply of 1,000 documents', () =>
    many(1000, (i) => turns.must('PATCH', `${MAPS}/d${i}?fieldManager=kubectl&force=true`, apply(i), APPLY)),
  )
  const patch = { method: 'PATCH', type: 'application/apply-patch+yaml' }
  await crowd(turns, '3,000 applies of as many objects at once', 3000, {
    ...patch,
    path: (i) => `${MAPS}/e${i}?fieldManager=kubectl`,
    body: (i) => ({ ...apply(i), metadata: { name: `e${i}` } }),
  })
  await crowd(turns, '640 applies of one object at once', 640, {
    ...patch,
    path: (i) => `${MAPS}/crowd?fieldManager=m${i % 64}`,
    body: (i) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'crowd' }, data: { [`k${i % 64}`]: `${i}` } }),
  })
  await crowd(turns, '3,000 creates at once', 3000, { path: CREATED, body: (i) => ({ metadata: { name: `c${i}` }, data: { x: 'y' } }) })
  await crowd(turns, '5,000 reviews of tokens at once', 5000, {
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: (i) => ({ spec: { token: `eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5zdmMifQ.${i}` } }),
  })
  const { status } = await turns.json('/api/v1/namespaces/default/serviceaccounts/default/token', { spec: {} })
  await crowd(turns, '5,000 reviews of a good token at once', 5000, {
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: () => ({ spec: { token: status.token } }),
  })
  const fields = range(500).map((i) => `self.list.all(x, x != 'y${i}')`)
  const rules = fields.slice(0, 20).map((rule) => ({ rule }))
  const list = { type: 'array', maxItems: 20_000, items: { type: 'string', maxLength: 8 } }
  const schema = { type: 'object', properties: { list }, 'x-kubernetes-validations': rules }
  await turns.request(
    'a definition of 20 rules over lists',
    'POST',
    DEFINITIONS,
    definition({ group: 'cel.example', plural: 'lists', schema }),
  )
  const of = (i: number) => ({
    apiVersion: 'cel.example/v1',
    kind: 'List',
    metadata: { name: `l${i}` },
    list: range(20_000).map((k) => `v${k}`),
  })
  await turns.request('a list of 20,000 under them', 'POST', '/apis/cel.example/v1/namespaces/default/lists', of(0))
  await turns.measure(
    '16 of them at once',
    () => many(16, (i) => turns.send('POST', '/apis/cel.example/v1/namespaces/default/lists', of(i + 1))),
    3000,
  )
}

interface Crowd {
  path: string | ((i: number) => string)
  body(i: number): object
  method?: string
  type?: string
}

/** All of them at once, on 16 connections. */
async function crowd(
  turns: Turns,
  name: string,
  count: number,
  { path, body, method = 'POST', type = 'application/json' }: Crowd,
): Promise<void> {
  const connections = await Promise.all(range(16).map(() => LoadConnection.open(turns.access)))
  const bodies = range(count).map((i) => Buffer.from(JSON.stringify(body(i))))
  const refused: number[] = []
  await turns.measure(name, async () => {
    // A connection takes 250 requests at a time.
    const one = async (at: number) => {
      for (let i = at; i < count; i += 16 * 240) {
        const { status } = await connections[i % 16]!.open(typeof path === 'string' ? path : path(i), { method, type, body: bodies[i]! })
          .answer
        if (status >= 300) refused.push(status)
      }
    }
    await Promise.all(range(Math.min(count, 16 * 240)).map(one))
  })
  if (refused.length > 0) console.error(`${name}: ${refused.length} refused, the first with ${refused[0]}`)
  for (const connection of connections) connection[Symbol.dispose]()
}
