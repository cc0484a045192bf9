// What keeps a server busy only together with much that is there before: how long its loop stands still for each. Slow: minutes.
// usage: node bench/crowds.ts [part of a scene's name] [directory for profiles]
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStranger } from '#server/outgoing/testing.ts'
import { markdown } from './figures.ts'
import { ask, start, stop } from './server-process.ts'

const [only = '', profiles = ''] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const server = await start('api-server.ts', [directory, profiles])
const { url, ca, cert, key } = server.ready
await ask(server.child, 'loop')
const agent = new Agent({ keepAlive: true, maxSockets: 32 })
interface Answer {
  status: number
  bytes: number
  /** Of a refusal. */
  text: string
}

async function send(method: string, path: string, body: unknown = '', headers: Record<string, string> = {}): Promise<Answer> {
  const sent = request(`${url}${path}`, { method, ca, cert, key, agent, headers: { 'content-type': 'application/json', ...headers } })
  sent.on('error', () => {})
  sent.end(typeof body === 'string' ? body : JSON.stringify(body))
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  let text = ''
  let bytes = 0
  answer.on('data', (part: Buffer) => {
    bytes += part.length
    if ((answer.statusCode ?? 0) >= 300 && text.length < 300) text += part.toString()
  })
  await once(answer, 'close')
  return { status: answer.statusCode ?? 0, text, bytes }
}
async function many<T>(items: T[], one: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items]
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let i = rest.pop(); i !== undefined; i = rest.pop()) await one(i)
    }),
  )
}
const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const members = (bytes: number) => Object.fromEntries(range(Math.floor(bytes / 19)).map((i) => [`key${i}`, 'value']))
const MAPS = '/api/v1/namespaces/default/configmaps'
const DEFS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const crd = (group: string, plural: string, schema: object, more: object = {}, name = 'v1') => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: {
      plural,
      kind: plural[0]!.toUpperCase() + plural.slice(1, -1),
      singular: plural.slice(0, -1),
      listKind: `${plural[0]!.toUpperCase() + plural.slice(1, -1)}List`,
    },
    versions: [{ name, served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    ...more,
  },
})
const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const ok = (what: string, { status, text }: Answer) => {
  if (status >= 300) throw new Error(`${what}: ${status} ${text}`)
}

const rows: string[][] = []

async function measure(name: string, act: () => Promise<string>, wait = 1500): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300))
  if (profiles) await ask(server.child, 'profile')
  await ask(server.child, 'usage')
  const began = performance.now()
  const told = await act()
  const ms = performance.now() - began
  await new Promise((resolve) => setTimeout(resolve, wait))
  const { stall, turn } = await ask(server.child, 'usage')
  if (profiles) await ask(server.child, `profiled ${name.replaceAll(/[^\w]+/g, '-')}`)
  rows.push([
    `${name}: longest stall`,
    `${turn.toFixed(0)} ms of processor time (${stall.toFixed(0)} ms passed; done in ${ms.toFixed(0)} ms${told})`,
    '50 ms',
  ])
}
const stranger = await startStranger(({ body }) => {
  const { request, apiVersion } = JSON.parse(body)
  return {
    kind: 'ConversionReview',
    apiVersion,
    response: {
      uid: request.uid,
      result: { status: 'Success' },
      convertedObjects: request.objects.map((one: object) => ({ ...one, apiVersion: request.desiredAPIVersion })),
    },
  }
})
const brief = ({ status, bytes }: Answer) => `; ${status}, ${bytes} bytes`
const SCENES: Record<string, () => Promise<void>> = {
  async converted() {
    const versions = ['v1', 'v2'].map((name, i) => ({ name, served: true, storage: i === 0, schema: { openAPIV3Schema: OPEN } }))
    ok(
      'crd',
      await send(
        'POST',
        DEFS,
        crd('c.example', 'turns', OPEN, {
          versions,
          conversion: {
            strategy: 'Webhook',
            webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: `${stranger.url}/c`, caBundle: stranger.caBundle } },
          },
        }),
      ),
    )
    await new Promise((r) => setTimeout(r, 500))
    await many(range(500), async (i) =>
      ok(
        'cr',
        await send('POST', '/apis/c.example/v1/namespaces/default/turns', {
          apiVersion: 'c.example/v1',
          kind: 'Turn',
          metadata: { name: `t${i}` },
          data: members(8000),
        }),
      ),
    )
    await measure('a list of 500 of 8 KB that a webhook converts', async () =>
      brief(await send('GET', '/apis/c.example/v2/namespaces/default/turns')),
    )
    await measure('the same list', async () => brief(await send('GET', '/apis/c.example/v2/namespaces/default/turns')))
    await many(range(20), async (i) =>
      ok(
        'cr',
        await send('POST', '/apis/c.example/v1/namespaces/default/turns', {
          apiVersion: 'c.example/v1',
          kind: 'Turn',
          metadata: { name: `l${i}` },
          data: members(500000),
        }),
      ),
    )
    await measure('a list with 20 of 500 KB that a webhook converts', async () =>
      brief(await send('GET', '/apis/c.example/v2/namespaces/default/turns')),
    )
  },
  async policies() {
    const P = '/apis/admissionregistration.k8s.io/v1'
    const match = { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }] }
    ok(
      'vap',
      await send('POST', `${P}/validatingadmissionpolicies`, {
        metadata: { name: 'all' },
        spec: {
          matchConstraints: match,
          matchConditions: [{ name: 'x', expression: "object.metadata.name.startsWith('cel')" }],
          validations: [{ expression: "!has(object.data) || object.data.all(k, object.data[k] != 'x')" }],
        },
      }),
    )
    ok(
      'vapb',
      await send('POST', `${P}/validatingadmissionpolicybindings`, {
        metadata: { name: 'all' },
        spec: { policyName: 'all', validationActions: ['Deny'] },
      }),
    )
    for (const [name, mutation] of Object.entries({
      apply: {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: 'Object{metadata: Object.metadata{labels: {"a": "b"}}}' },
      },
      json: { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/metadata/labels", value: {"a": "b"}}]' } },
    })) {
      ok(
        'map',
        await send('POST', `${P}/mutatingadmissionpolicies`, {
          metadata: { name },
          spec: {
            matchConstraints: match,
            failurePolicy: 'Fail',
            reinvocationPolicy: 'Never',
            matchConditions: [{ name: 'x', expression: `object.metadata.name.startsWith('${name}')` }],
            mutations: [mutation],
          },
        }),
      )
      ok('mapb', await send('POST', `${P}/mutatingadmissionpolicybindings`, { metadata: { name }, spec: { policyName: name } }))
    }
    await new Promise((r) => setTimeout(r, 1500))
    for (const name of ['cel', 'apply', 'json'])
      for (const size of [900e3, 2.5e6])
        await measure(`a policy (${name}) on ${size / 1000} KB`, async () =>
          brief(await send('POST', MAPS, { metadata: { name: `${name}${size}` }, data: members(size) })),
        )
    for (const name of ['all']) await send('DELETE', `${P}/validatingadmissionpolicybindings/${name}`)
    for (const name of ['apply', 'json']) await send('DELETE', `${P}/mutatingadmissionpolicybindings/${name}`)
  },
  async managers() {
    const managedFields = range(3000).map((i) => ({
      manager: `m${i}`,
      operation: 'Apply',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { [`f:k${i}`]: {}, 'f:shared': {} } },
      time: '2026-01-01T00:00:00Z',
    }))
    await measure('a map of 3,000 managers', async () =>
      brief(
        await send('POST', MAPS, {
          metadata: { name: 'managed', managedFields },
          data: { shared: 'x', ...Object.fromEntries(range(3000).map((i) => [`k${i}`, 'v'])) },
        }),
      ),
    )
    await measure('an apply by one more', async () =>
      brief(
        await send('PATCH', `${MAPS}/managed?fieldManager=x`, 'apiVersion: v1\nkind: ConfigMap\ndata:\n  z: "1"\n', {
          'content-type': 'application/apply-patch+yaml',
        }),
      ),
    )
    await measure('an apply that conflicts with all', async () =>
      brief(
        await send('PATCH', `${MAPS}/managed?fieldManager=x`, 'apiVersion: v1\nkind: ConfigMap\ndata:\n  shared: "1"\n', {
          'content-type': 'application/apply-patch+yaml',
        }),
      ),
    )
    await measure('an update of it', async () =>
      brief(
        await send('PATCH', `${MAPS}/managed?fieldManager=y`, '{"data":{"shared":"2"}}', {
          'content-type': 'application/merge-patch+json',
        }),
      ),
    )
  },
  async watchers() {
    await send('POST', MAPS, { metadata: { name: 'big' }, data: { x: 'y'.repeat(900000) } })
    const aborts: (() => void)[] = []
    const own = new Agent({ keepAlive: false, maxSockets: 2000 })
    for (let i = 0; i < 300; i++) {
      const sent = request(`${url}${MAPS}?watch=1&fieldSelector=metadata.name%3Dbig&resourceVersion=0&allowWatchBookmarks=true`, {
        ca,
        cert,
        key,
        agent: own,
      })
      sent.on('error', () => {})
      sent.on('response', (answer) => answer.on('error', () => {}).resume())
      sent.end()
      aborts.push(() => sent.destroy())
    }
    await new Promise((r) => setTimeout(r, 15000))
    await measure(
      'a change of 900 KB with 300 watchers',
      async () =>
        brief(await send('PATCH', `${MAPS}/big`, '{"metadata":{"labels":{"a":"b"}}}', { 'content-type': 'application/merge-patch+json' })),
      15000,
    )
    for (const abort of aborts) abort()
    await new Promise((r) => setTimeout(r, 1000))
    await send('DELETE', `${MAPS}/big`)
  },
  async tables() {
    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
    await many(range(3), async (i) => void (await send('POST', MAPS, { metadata: { name: `wide${i}` }, data: members(900000) })))
    await measure('a table of maps of 900 KB', async () => brief(await send('GET', MAPS, '', table)))
    await measure('a table with them', async () => brief(await send('GET', `${MAPS}?includeObject=Object`, '', table)))
    await measure('metadata of them', async () =>
      brief(await send('GET', MAPS, '', { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' })),
    )
    await measure('protobuf of them', async () => brief(await send('GET', MAPS, '', { accept: 'application/vnd.kubernetes.protobuf' })))
    await measure('YAML of them', async () => brief(await send('GET', MAPS, '', { accept: 'application/yaml' })))
    await measure('one in protobuf', async () =>
      brief(await send('GET', `${MAPS}/wide1`, '', { accept: 'application/vnd.kubernetes.protobuf' })),
    )
    await measure('one in YAML', async () => brief(await send('GET', `${MAPS}/wide1`, '', { accept: 'application/yaml' })))
    await measure('one, pretty', async () => brief(await send('GET', `${MAPS}/wide1?pretty=true`)))
    await measure('one, gzip', async () => brief(await send('GET', `${MAPS}/wide1`, '', { 'accept-encoding': 'gzip' })))
  },
  async openapi() {
    const field = (i: number) => [
      `field${i}`,
      { type: 'object', description: 'A field. '.repeat(8), properties: { value: { type: 'string', maxLength: 10 } } },
    ]
    const schema = { type: 'object', properties: { spec: { type: 'object', properties: Object.fromEntries(range(200).map(field)) } } }
    await measure(
      '200 definitions of 30 KB',
      async () => {
        await many(range(200), async (i) => ok('crd', await send('POST', DEFS, crd('many.example', `kinds${i}s`, schema))))
        return ''
      },
      5000,
    )
    await measure('OpenAPI v2 after that', async () => brief(await send('GET', '/openapi/v2')), 5000)
    await measure(
      'OpenAPI v2 in protobuf',
      async () => brief(await send('GET', '/openapi/v2', '', { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' })),
      5000,
    )
    await measure('OpenAPI v3 index', async () => brief(await send('GET', '/openapi/v3')))
    await measure('OpenAPI v3 of it', async () => brief(await send('GET', '/openapi/v3/apis/many.example/v1')))
    await measure(
      '300 groups',
      async () => {
        await many(range(300), async (i) => ok('crd', await send('POST', DEFS, crd(`g${i}.example`, 'things', { type: 'object' }))))
        return ''
      },
      5000,
    )
    await measure('discovery of them', async () =>
      brief(await send('GET', '/apis', '', { accept: 'application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList' })),
    )
    await measure(
      'a definition of 900 KB of rules',
      async () =>
        brief(
          await send(
            'POST',
            DEFS,
            crd('rules.example', 'rules', {
              type: 'object',
              properties: Object.fromEntries(
                range(3000).map((i) => [
                  `f${i}`,
                  { type: 'integer', 'x-kubernetes-validations': [{ rule: `self > ${i} && self < ${i + 1000} || self == ${i * 7}` }] },
                ]),
              ),
            }),
          ),
        ),
      3000,
    )
    await measure(
      'a resource of them',
      async () =>
        brief(
          await send('POST', '/apis/rules.example/v1/namespaces/default/rules', {
            apiVersion: 'rules.example/v1',
            kind: 'Rule',
            metadata: { name: 'r' },
            ...Object.fromEntries(range(3000).map((i) => [`f${i}`, i + 1])),
          }),
        ),
      3000,
    )
  },
  async roles() {
    const R = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
    await many(range(3000), async (i) => {
      await send('POST', `${R}/roles`, {
        metadata: { name: `r${i}` },
        rules: [{ apiGroups: [`g${i}`], resources: ['a', 'b'], verbs: ['get'] }],
      })
      await send('POST', `${R}/rolebindings`, {
        metadata: { name: `r${i}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: `r${i}` },
        subjects: [
          { kind: 'User', name: 'bench', apiGroup: 'rbac.authorization.k8s.io' },
          { kind: 'User', name: 'poor', apiGroup: 'rbac.authorization.k8s.io' },
        ],
      })
    })
    const as = { 'impersonate-user': 'poor' }
    await measure('a review of 3,000 roles', async () =>
      brief(await send('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: 'default' } }, as)),
    )
    await measure('a request under them', async () => brief(await send('GET', MAPS, '', as)))
    await measure('a role of 30,000 rules', async () =>
      brief(
        await send('POST', `${R}/roles`, {
          metadata: { name: 'huge' },
          rules: range(30000).map((i) => ({ apiGroups: [`h${i}`], resources: ['a'], verbs: ['get'] })),
        }),
      ),
    )
    await measure('a role escalating 20,000 rules', async () =>
      brief(
        await send(
          'POST',
          `${R}/roles`,
          { metadata: { name: 'esc' }, rules: range(20000).map((i) => ({ apiGroups: [`h${i}`], resources: ['a'], verbs: ['get'] })) },
          as,
        ),
      ),
    )
  },
  async crowds() {
    await many(
      range(10000),
      async (i) =>
        void (await send('POST', '/api/v1/namespaces/created/configmaps', { metadata: { name: `m${i}`, labels: { a: `v${i}` } } })),
    )
    await measure('a list of 10,000 by 5,000 values', async () =>
      brief(
        await send(
          'GET',
          `/api/v1/namespaces/created/configmaps?labelSelector=${encodeURIComponent(
            `a in (${range(2500)
              .map((i) => `v${i * 2}`)
              .join(',')})`,
          )}`,
        ),
      ),
    )
    await measure('deletecollection of 10,000', async () => brief(await send('DELETE', '/api/v1/namespaces/created/configmaps')), 3000)
    const pod = {
      metadata: { name: 'seed' },
      spec: { containers: [{ name: 'c', image: 'i', env: range(40).map((i) => ({ name: `E${i}`, value: 'some value' })) }] },
    }
    ok('pod', await send('POST', '/api/v1/namespaces/listed/pods', pod))
    await ask(server.child, 'fill 50000')
    for (const q of [
      'fieldSelector=spec.nodeName%3Dx',
      'labelSelector=a%3Db',
      'fieldSelector=status.phase%3DRunning&limit=500',
      'limit=500',
    ])
      await measure(`a list of 50,000 pods by ${q}`, async () => brief(await send('GET', `/api/v1/namespaces/listed/pods?${q}`)), 2000)
    await measure(
      'a table of 50,000 pods',
      async () =>
        brief(await send('GET', `/api/v1/namespaces/listed/pods`, '', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })),
      2000,
    )
    await measure(
      'a watch list of 50,000 pods',
      async () =>
        brief(
          await send(
            'GET',
            `/api/v1/namespaces/listed/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=20`,
          ),
        ),
      2000,
    )
  },
}
try {
  for (const [name, scene] of Object.entries(SCENES)) if (name.includes(only)) await scene()
  console.log(markdown(['figure', 'measured', 'bound'], rows))
} finally {
  await stop(server.child)
  await stranger[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
