// Conformance tests of custom resources, each written from its description and named after it: definitions, OpenAPI, field validation, selectors.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ApiextensionsV1Api, CustomObjectsApi } from '@kubernetes/client-node'
import { type Json, merge, startSuite, type Suite } from './cluster.ts'

let suite: Suite
before(async () => {
  suite = await startSuite({ nodes: 0 })
})
after(() => suite[Symbol.asyncDispose]())

const conformance = (title: string, run: () => Promise<void>) => test(`[sig-api-machinery] ${title} [Conformance]`, run)
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const apply = 'application/apply-patch+yaml'
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
let groups = 0

interface Wanted {
  group?: string
  kind?: string
  versions?: { name: string; schema?: Json; served?: boolean; storage?: boolean; selectableFields?: Json[] }[]
  status?: boolean
}

interface Defined {
  name: string
  group: string
  kind: string
  plural: string
  body: Json
  /** Of the objects, in a namespace. */
  path(namespace: string, version?: string): string
}

function definition({
  group = `e2e-${++groups}.example.com`,
  kind = 'Foo',
  versions = [{ name: 'v1' }],
  status = false,
}: Wanted = {}): Defined {
  const singular = kind.toLowerCase()
  const plural = `${singular}s`
  const name = `${plural}.${group}`
  const body = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name, labels: { e2e: group } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, singular, kind, listKind: `${kind}List` },
      versions: versions.map(({ name: version, schema = open, served = true, storage, ...more }, index) => ({
        name: version,
        served,
        storage: storage ?? index === 0,
        schema: { openAPIV3Schema: schema },
        ...(status ? { subresources: { status: {} } } : {}),
        ...more,
      })),
    },
  }
  return {
    name,
    group,
    kind,
    plural,
    body,
    path: (namespace, version = versions[0]!.name) => `/apis/${group}/${version}/namespaces/${namespace}/${plural}`,
  }
}

async function define(wanted: Wanted = {}): Promise<Defined> {
  const defined = definition(wanted)
  await suite.ok('POST', DEFINITIONS, { body: defined.body })
  await established(defined)
  return defined
}

const established = ({ name, group, plural, body }: Defined) =>
  suite.eventually(`${name} to be served`, async () => {
    const { status } = await suite.ok('GET', `${DEFINITIONS}/${name}`)
    const served = body.spec.versions.filter((one: Json) => one.served)
    const codes = await Promise.all(served.map(async (one: Json) => (await suite.ask('GET', `/apis/${group}/${one.name}/${plural}`)).code))
    return (
      status?.conditions?.some(({ type, status: is }: Json) => type === 'Established' && is === 'True') &&
      codes.every((code) => code === 200)
    )
  })

/** What OpenAPI v3 publishes of one version, found by kind. */
async function published(group: string, version: string, kind: string): Promise<Json | undefined> {
  const { code, body } = await suite.ask('GET', `/openapi/v3/apis/${group}/${version}`)
  if (code !== 200) return undefined
  return Object.values<Json>(body.components.schemas).find((schema) =>
    schema['x-kubernetes-group-version-kind']?.some((one: Json) => one.kind === kind && one.version === version && one.group === group),
  )
}

const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'Specification of Foo',
      properties: {
        bars: {
          type: 'array',
          description: 'List of Bars and their specs.',
          items: {
            type: 'object',
            required: ['name'],
            properties: {
              name: { type: 'string', description: 'Name of Bar.' },
              age: { type: 'string' },
              feeling: { type: 'string', enum: ['Great', 'Down'] },
            },
          },
        },
      },
    },
    status: {
      type: 'object',
      description: 'Status of Foo',
      properties: { bars: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } },
    },
  },
}

const strict = (path: string) => `${path}${path.includes('?') ? '&' : '?'}fieldValidation=Strict`

describe('custom resources', { concurrency: 4 }, () => {
  conformance(
    'CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting custom resource definition objects works',
    async () => {
      const api = suite.kubeconfig.makeApiClient(ApiextensionsV1Api)
      const { name, body } = definition()
      const created = await api.createCustomResourceDefinition({ body: body as any })
      assert.equal(created.metadata!.name, name)
      await api.deleteCustomResourceDefinition({ name })
      await suite.gone(`${DEFINITIONS}/${name}`)
    },
  )

  conformance(
    'CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition listing custom resource definition objects works',
    async () => {
      const made = await Promise.all(['Aa', 'Bb', 'Cc'].map((kind) => define({ kind, group: 'listing.example.com' })))
      const { items } = await suite.ok('GET', `${DEFINITIONS}?labelSelector=e2e%3Dlisting.example.com`)
      assert.deepEqual(items.map(({ metadata }: Json) => metadata.name).sort(), made.map(({ name }) => name).sort())
      await suite.ok('DELETE', `${DEFINITIONS}?labelSelector=e2e%3Dlisting.example.com`)
      for (const { name } of made) await suite.gone(`${DEFINITIONS}/${name}`)
    },
  )

  conformance(
    'CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works',
    async () => {
      const { name } = await define()
      const path = `${DEFINITIONS}/${name}/status`
      const present = await suite.ok('GET', path)
      present.status.conditions.push({ type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from an e2e test' })
      const updated = await suite.ok('PUT', path, { body: present })
      assert.ok(updated.status.conditions.some(({ type }: Json) => type === 'StatusUpdate'))
      const conditions = [
        ...updated.status.conditions,
        { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'Set by an e2e test' },
      ]
      const patched = await suite.ok('PATCH', path, { type: merge, body: { status: { conditions } } })
      assert.ok(patched.status.conditions.some(({ type }: Json) => type === 'StatusPatched'))
    },
  )

  conformance(
    'CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents',
    async () => {
      const { groups: all } = await suite.ok('GET', '/apis')
      const group = all.find(({ name }: Json) => name === 'apiextensions.k8s.io')
      assert.ok(group.versions.some(({ groupVersion }: Json) => groupVersion === 'apiextensions.k8s.io/v1'))
      const own = await suite.ok('GET', '/apis/apiextensions.k8s.io')
      assert.ok(own.versions.some(({ version }: Json) => version === 'v1'))
      const { resources } = await suite.ok('GET', '/apis/apiextensions.k8s.io/v1')
      assert.ok(resources.some(({ name }: Json) => name === 'customresourcedefinitions'))
    },
  )

  conformance(
    'CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for requests and from storage works',
    async () => {
      const namespace = await suite.namespace()
      const schema = (property: Json) => ({ ...open, properties: { a: { type: 'string' }, b: property } })
      const { name, path, group, kind } = await define({ versions: [{ name: 'v1', schema: schema({ type: 'string' }) }] })
      const one = (metadata: string) => ({ apiVersion: `${group}/v1`, kind, metadata: { name: metadata } })
      await suite.ok('POST', path(namespace), { body: one('stored') })
      const withDefault = schema({ type: 'string', default: 'B' })
      await suite.ok('PATCH', `${DEFINITIONS}/${name}`, {
        type: 'application/json-patch+json',
        body: [
          {
            op: 'replace',
            path: '/spec/versions/0/schema/openAPIV3Schema',
            value: { ...withDefault, properties: { ...withDefault.properties, a: { type: 'string', default: 'A' } } },
          },
        ],
      })
      await suite.eventually('the default of what is stored', async () => (await suite.ok('GET', `${path(namespace)}/stored`)).a === 'A')
      const made = await suite.ok('POST', path(namespace), { body: one('new') })
      assert.deepEqual([made.a, made.b], ['A', 'B'])
      const { items } = await suite.ok('GET', path(namespace))
      assert.deepEqual(
        items.map(({ a, b }: Json) => `${a}${b}`),
        ['AB', 'AB'],
      )
    },
  )

  conformance(
    'CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects',
    async () => {
      const namespace = await suite.namespace()
      const { path, group, kind } = await define({ kind: 'Noxu' })
      using told = await suite.watch(path(namespace))
      const objects = suite.kubeconfig.makeApiClient(CustomObjectsApi)
      for (const name of ['name1', 'name2'])
        await objects.createNamespacedCustomObject({
          group,
          version: 'v1',
          namespace,
          plural: 'noxus',
          body: { apiVersion: `${group}/v1`, kind, metadata: { name } },
        })
      for (const name of ['name1', 'name2']) await suite.ok('PATCH', `${path(namespace)}/${name}`, { type: merge, body: { dummy: 'test' } })
      for (const name of ['name1', 'name2']) await suite.ok('DELETE', `${path(namespace)}/${name}`)
      await told.until(['ADDED', 'ADDED', 'MODIFIED', 'MODIFIED', 'DELETED', 'DELETED'])
    },
  )

  conformance(
    'CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector',
    async () => {
      const namespace = await suite.namespace()
      const schema = {
        type: 'object',
        properties: { hostname: { type: 'string' }, spec: { type: 'object', properties: { port: { type: 'integer' } } } },
      }
      const selectableFields = [{ jsonPath: '.hostname' }, { jsonPath: '.spec.port' }]
      const { path, group, kind } = await define({
        kind: 'Host',
        versions: [
          { name: 'v1', schema, selectableFields },
          { name: 'v2', schema, selectableFields },
        ],
      })
      using hosts = await suite.watch(path(namespace), { fieldSelector: 'hostname=host1' })
      using ports = await suite.watch(path(namespace, 'v2'), { fieldSelector: 'spec.port=80' })
      const make = (name: string, hostname: string, port: number) =>
        suite.ok('POST', path(namespace), { body: { apiVersion: `${group}/v1`, kind, metadata: { name }, hostname, spec: { port } } })
      await make('a', 'host1', 80)
      await make('b', 'host1', 8080)
      await make('c', 'host2', 80)
      const names = async (version: string, selector: string) =>
        (await suite.ok('GET', `${path(namespace, version)}?fieldSelector=${encodeURIComponent(selector)}`)).items.map(
          ({ metadata }: Json) => metadata.name,
        )
      for (const version of ['v1', 'v2']) {
        assert.deepEqual(await names(version, 'hostname=host1'), ['a', 'b'])
        assert.deepEqual(await names(version, 'hostname=host1,spec.port=80'), ['a'])
        assert.deepEqual(await names(version, 'spec.port!=80'), ['b'])
      }
      await hosts.until(['ADDED', 'ADDED'])
      await ports.until(['ADDED', 'ADDED'])
      await suite.ok('PATCH', `${path(namespace)}/a`, { type: merge, body: { hostname: 'host9' } })
      await suite.ok('DELETE', `${path(namespace)}/b`)
      await hosts.until(['ADDED', 'ADDED', 'DELETED', 'DELETED'])
      await ports.until(['ADDED', 'ADDED', 'MODIFIED'])
    },
  )

  const openapi = (title: string, run: () => Promise<void>) =>
    conformance(`CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] ${title}`, run)

  openapi('works for CRD with validation schema', async () => {
    const namespace = await suite.namespace()
    const { group, kind, path } = await define({ versions: [{ name: 'v1', schema: SCHEMA }] })
    const schema = await suite.eventually('the schema', () => published(group, 'v1', kind))
    assert.equal(schema.properties.spec.description, 'Specification of Foo')
    assert.deepEqual(schema.properties.spec.properties.bars.items.required, ['name'])
    const v2 = await suite.ok('GET', '/openapi/v2')
    assert.ok(
      Object.values<Json>(v2.definitions).some((one) => one['x-kubernetes-group-version-kind']?.some((id: Json) => id.group === group)),
    )
    const good = { apiVersion: `${group}/v1`, kind, metadata: { name: 'good' }, spec: { bars: [{ name: 'test-bar' }] } }
    await suite.ok('POST', strict(path(namespace)), { body: good })
    for (const [bars, complaint] of [
      [[{ name: 'a', unknown: 'x' }], /unknown field "spec.bars\[0\].unknown"/],
      [[{ age: '10' }], /spec.bars\[0\].name: Required value/],
      [[{ name: 'a', feeling: 'NonExistentValue' }], /Unsupported value: "NonExistentValue"/],
    ] as const) {
      const refused = await suite.ask('POST', strict(path(namespace)), { body: { ...good, metadata: { name: 'bad' }, spec: { bars } } })
      assert.ok(refused.code >= 400, refused.text)
      assert.match(refused.body.message, complaint)
    }
  })

  for (const [title, schema] of [
    ['works for CRD without validation schema', open],
    [
      'works for CRD preserving unknown fields at the schema root',
      { ...open, properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } },
    ],
    [
      'works for CRD preserving unknown fields in an embedded object',
      {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: { dummy: { type: 'string', description: 'Dummy property.' } },
          },
        },
      },
    ],
  ] as const) {
    openapi(title, async () => {
      const namespace = await suite.namespace()
      const { group, kind, path } = await define({ versions: [{ name: 'v1', schema }] })
      const document = await suite.eventually('the schema', () => published(group, 'v1', kind))
      assert.ok(document['x-kubernetes-preserve-unknown-fields'] || document.properties.spec['x-kubernetes-preserve-unknown-fields'])
      const body = { apiVersion: `${group}/v1`, kind, metadata: { name: 'random' }, spec: { a: { b: [{ c: 'd' }] } } }
      await suite.ok('POST', strict(path(namespace)), { body })
      assert.deepEqual((await suite.ok('GET', `${path(namespace)}/random`)).spec, body.spec)
    })
  }

  openapi('works for multiple CRDs of different groups', async () => {
    const all = [await define({ kind: 'Foo' }), await define({ kind: 'Waldo' })]
    for (const { group, kind } of all) await suite.eventually(kind, () => published(group, 'v1', kind))
  })

  openapi('works for multiple CRDs of same group but different versions', async () => {
    const { group } = await define({ versions: [{ name: 'v2' }, { name: 'v3' }] })
    for (const version of ['v2', 'v3']) await suite.eventually(version, () => published(group, version, 'Foo'))
    const other = await define({ group: 'versions.example.com', kind: 'Foo', versions: [{ name: 'v4' }] })
    const more = await define({ group: 'versions.example.com', kind: 'Bar', versions: [{ name: 'v5' }] })
    for (const [one, version] of [
      [other, 'v4'],
      [more, 'v5'],
    ] as const)
      await suite.eventually(version, () => published(one.group, version, one.kind))
  })

  openapi('works for multiple CRDs of same group and version but different kinds', async () => {
    const group = 'kinds.example.com'
    for (const kind of ['Foo', 'Bar']) await define({ group, kind })
    for (const kind of ['Foo', 'Bar']) await suite.eventually(kind, () => published(group, 'v1', kind))
  })

  openapi('updates the published spec when one version gets renamed', async () => {
    const { name, group } = await define({
      versions: [
        { name: 'v2', schema: SCHEMA },
        { name: 'v3', schema: SCHEMA },
      ],
    })
    await suite.ok('PATCH', `${DEFINITIONS}/${name}`, {
      type: 'application/json-patch+json',
      body: [{ op: 'replace', path: '/spec/versions/1/name', value: 'v4' }],
    })
    await suite.eventually('the new version', () => published(group, 'v4', 'Foo'))
    await suite.eventually('the old version to go', async () => (await published(group, 'v3', 'Foo')) === undefined)
    assert.ok(await published(group, 'v2', 'Foo'))
  })

  openapi('removes definition from spec when one version gets changed to not be served', async () => {
    const { name, group } = await define({
      versions: [
        { name: 'v5', schema: SCHEMA },
        { name: 'v6alpha1', schema: SCHEMA },
      ],
    })
    await suite.eventually('both', () => published(group, 'v6alpha1', 'Foo'))
    await suite.ok('PATCH', `${DEFINITIONS}/${name}`, {
      type: 'application/json-patch+json',
      body: [{ op: 'replace', path: '/spec/versions/1/served', value: false }],
    })
    await suite.eventually('the version to go', async () => (await published(group, 'v6alpha1', 'Foo')) === undefined)
    assert.ok(await published(group, 'v5', 'Foo'))
  })

  const validation = (title: string, run: () => Promise<void>) => conformance(`FieldValidation should ${title}`, run)

  validation('detect unknown and duplicate fields of a typed object', async () => {
    const path = `/apis/apps/v1/namespaces/${await suite.namespace()}/deployments`
    const body = (unknown: string) =>
      `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"dep"},"spec":{${unknown}"paused":true,"paused":false,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"n","image":"i"}]}}}}`
    const refused = await suite.ask('POST', strict(path), { body: body('"unknownField":1,') })
    assert.equal(refused.code, 400)
    assert.match(refused.body.message, /strict decoding error: unknown field "spec.unknownField", duplicate field "spec.paused"/)
    const warned = await suite.ask('POST', `${path}?fieldValidation=Warn`, { body: body('"unknownField":1,') })
    assert.equal(warned.code, 201)
    assert.match(String(warned.headers.warning).replaceAll('\\', ''), /unknown field "spec.unknownField".*duplicate field "spec.paused"/)
  })

  validation('detect unknown metadata fields of a typed object', async () => {
    const path = `/apis/apps/v1/namespaces/${await suite.namespace()}/deployments`
    const body = {
      metadata: { name: 'dep', unknownMeta: 'x' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' }, unknownTemplateMeta: 1 }, spec: { containers: [{ name: 'n', image: 'i' }] } },
      },
    }
    const refused = await suite.ask('POST', strict(path), { body: { apiVersion: 'apps/v1', kind: 'Deployment', ...body } })
    assert.match(refused.body.message, /unknown field "metadata.unknownMeta"/)
    assert.match(refused.body.message, /unknown field "spec.template.metadata.unknownTemplateMeta"/)
  })

  const KNOWN = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          foo: { type: 'string' },
          cronSpec: { type: 'string', pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$' },
          ports: {
            type: 'array',
            'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
            'x-kubernetes-list-type': 'map',
            items: {
              type: 'object',
              required: ['containerPort', 'protocol'],
              properties: { containerPort: { type: 'integer' }, protocol: { type: 'string' } },
            },
          },
        },
      },
    },
  }
  const yaml = ({ group, kind }: Defined, spec: string, metadata = '') =>
    `apiVersion: ${group}/v1\nkind: ${kind}\nmetadata:\n  name: mytest\n${metadata}spec:\n${spec}`
  const applied = (defined: Defined, namespace: string, body: string) =>
    suite.ask('PATCH', `${defined.path(namespace)}/mytest?fieldManager=field_validation_test&fieldValidation=Strict`, { type: apply, body })

  validation('create/apply a valid CR for CRD with validation schema', async () => {
    const namespace = await suite.namespace()
    const defined = await define({ versions: [{ name: 'v1', schema: KNOWN }] })
    const made = await applied(
      defined,
      namespace,
      yaml(defined, '  foo: foo1\n  cronSpec: "* * * * */5"\n  ports:\n  - containerPort: 8080\n    protocol: UDP\n'),
    )
    assert.equal(made.code, 201, made.text)
  })

  validation('create/apply a CR with unknown fields for CRD with no validation schema', async () => {
    const namespace = await suite.namespace()
    const defined = await define()
    const made = await applied(defined, namespace, yaml(defined, '  unknown: "yes"\n'))
    assert.equal(made.code, 201, made.text)
  })

  validation('create/apply an invalid CR with extra properties for CRD with validation schema', async () => {
    const namespace = await suite.namespace()
    const defined = await define({ versions: [{ name: 'v1', schema: KNOWN }] })
    const refused = await applied(defined, namespace, yaml(defined, '  foo: foo1\n  extraProperty: arbitrary-value\n'))
    assert.ok(refused.code >= 400, refused.text)
    assert.match(refused.body.message, /strict decoding error: unknown field "spec.extraProperty"|field not declared in schema/)
  })

  validation('detect unknown metadata fields in both the root and embedded object of a CR', async () => {
    const namespace = await suite.namespace()
    const schema = {
      ...KNOWN,
      properties: {
        ...KNOWN.properties,
        embeddedObj: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      },
    }
    const defined = await define({ versions: [{ name: 'v1', schema }] })
    const body = {
      apiVersion: `${defined.group}/v1`,
      kind: defined.kind,
      metadata: { name: 'mytest', unknownField: 'a' },
      spec: {},
      embeddedObj: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', unknownEmbeddedMetaField: 'b' } },
    }
    const refused = await suite.ask('POST', strict(defined.path(namespace)), { body })
    assert.equal(refused.code, 400, refused.text)
    assert.match(refused.body.message, /unknown field "metadata.unknownField"/)
    assert.match(refused.body.message, /unknown field "embeddedObj.metadata.unknownEmbeddedMetaField"/)
  })

  validation('detect duplicates in a CR when preserving unknown fields', async () => {
    const namespace = await suite.namespace()
    const defined = await define({ versions: [{ name: 'v1', schema: { ...KNOWN, ...open } }] })
    const body = `{"apiVersion":"${defined.group}/v1","kind":"${defined.kind}","metadata":{"name":"mytest"},"spec":{"unknown":"uk1","foo":"foo1","foo":"foo2"}}`
    const refused = await suite.ask('POST', strict(defined.path(namespace)), { body })
    assert.equal(refused.code, 400, refused.text)
    assert.match(refused.body.message, /unknown field "spec.unknown"/)
    assert.match(refused.body.message, /duplicate field "spec.foo"/)
  })
})
