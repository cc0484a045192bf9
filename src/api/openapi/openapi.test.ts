import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { ProtobufReader } from '#api/codec/protobuf-reader.ts'
import { defineKind } from '#api/define-kind.ts'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { Schema } from '#api/schema.ts'
import { OpenApi, type OpenApiDocument } from './openapi.ts'

type Json = Record<string, any>
const openapi = new OpenApi(builtinKinds, 'v1.36.0')
const json = (document: OpenApiDocument | undefined): Json => JSON.parse(document!.body.toString())

test('index names every document with a hash that its etag repeats', async () => {
  const { paths } = json(await openapi.index())
  assert.ok(paths['api/v1'] && paths['apis/apps'] && paths.version && paths['.well-known/openid-configuration'])
  for (const root of Object.keys(paths)) {
    const document = await openapi.v3(root)
    const [, hash] = /^\/openapi\/v3\/.*\?hash=(\w+)$/.exec(paths[root].serverRelativeURL)!
    assert.equal(document!.etag, `"${hash}"`, root)
  }
  assert.equal(await openapi.v3('apis/none/v1'), undefined)
})

test('v3 refers only to what it holds', async () => {
  const { paths } = json(await openapi.index())
  for (const root of Object.keys(paths)) {
    const document = await openapi.v3(root)
    const { components } = json(document)
    for (const [, name] of document!.body.toString().matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(Object.hasOwn(components.schemas, name!), `${root}: ${name}`)
    }
  }
})

test('v3 tells kubectl which parameters a patch takes, and how lists merge', async () => {
  const { paths, components } = json(await openapi.v3('apis/apps/v1'))
  const { patch } = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' })
  assert.deepEqual(
    patch.parameters.map(({ name, in: place }: Json) => `${place} ${name}`),
    ['query dryRun', 'query fieldManager', 'query fieldValidation', 'query force'],
  )
  const { containers, volumes } = components.schemas['io.k8s.api.core.v1.PodSpec'].properties
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name')
  assert.equal(volumes['x-kubernetes-patch-strategy'], 'merge,retainKeys')
  assert.deepEqual(components.schemas['io.k8s.api.apps.v1.Deployment']['x-kubernetes-group-version-kind'], [
    { group: 'apps', kind: 'Deployment', version: 'v1' },
  ])
})

const DEFAULTS: [root: string, definition: string, field: string, published: Json][] = [
  ['apis/apps/v1', 'api.apps.v1.Deployment', 'spec', { default: {}, allOf: [{}] }],
  ['apis/apps/v1', 'api.apps.v1.Deployment', 'metadata', { default: {}, allOf: [{}] }],
  ['apis/apps/v1', 'api.apps.v1.DeploymentSpec', 'template', { default: {} }],
  ['apis/apps/v1', 'api.apps.v1.DeploymentSpec', 'replicas', { default: undefined }],
  ['apis/apps/v1', 'apimachinery.pkg.apis.meta.v1.ObjectMeta', 'creationTimestamp', { default: undefined }],
  ['apis/apps/v1', 'apimachinery.pkg.apis.meta.v1.ObjectMeta', 'labels', { additionalProperties: { default: '', type: 'string' } }],
  ['apis/apps/v1', 'apimachinery.pkg.apis.meta.v1.ObjectMeta', 'ownerReferences', { items: { default: {}, allOf: [{}] } }],
  ['apis/apps/v1', 'apimachinery.pkg.apis.meta.v1.OwnerReference', 'uid', { default: '' }],
  ['apis/apps/v1', 'api.core.v1.ContainerPort', 'protocol', { default: 'TCP' }],
  ['apis/apps/v1', 'api.core.v1.ContainerPort', 'containerPort', { default: 0 }],
  ['apis/apps/v1', 'api.core.v1.FileKeySelector', 'optional', { default: false }],
  ['apis/apps/v1', 'api.core.v1.Container', 'resources', { default: {} }],
  ['apis/apps/v1', 'api.core.v1.Container', 'securityContext', { default: undefined }],
  ['apis/apps/v1', 'api.core.v1.ResourceRequirements', 'limits', { default: undefined }],
  ['apis/apiregistration.k8s.io/v1', 'kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec', 'groupPriorityMinimum', { default: 0 }],
]
test('v3 publishes the defaults of Go', async () => {
  for (const [root, definition, field, published] of DEFAULTS) {
    const { properties } = json(await openapi.v3(root)).components.schemas[`io.k8s.${definition}`]
    assert.partialDeepStrictEqual(properties[field], JSON.parse(JSON.stringify(published)), `${definition}.${field}`)
    if ('default' in published) assert.deepEqual(properties[field].default, published['default'], `${definition}.${field}`)
  }
  const { limits } = json(await openapi.v3('api/v1')).components.schemas['io.k8s.api.core.v1.ResourceRequirements'].properties
  assert.equal('default' in limits.additionalProperties, false)
})

test('v3 leaves no field of a kind without a word on it', async () => {
  for (const [root, name] of [
    ['api/v1', 'io.k8s.api.core.v1.Pod'],
    ['api/v1', 'io.k8s.api.core.v1.PodList'],
    ['apis/apps/v1', 'io.k8s.api.apps.v1.Deployment'],
  ] as const) {
    const { properties } = json(await openapi.v3(root)).components.schemas[name]
    for (const [field, { description }] of Object.entries<any>(properties)) assert.ok(description, `${name}.${field}`)
  }
})

const CUSTOM: Schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'What is wanted.',
      properties: { size: { type: 'integer', format: 'int64' } },
      required: ['size'],
    },
  },
}
const widget = (schema: Schema): Kind<any> =>
  Object.defineProperty(
    defineKind({ group: 'stable.example.com', version: 'v1', kind: 'Widget', plural: 'widgets', scope: 'Namespaced' }),
    'schema',
    {
      value: schema,
    },
  )

test('v3 describes custom kinds, their lists, and no protobuf', async () => {
  const custom = new OpenApi([...builtinKinds, widget(CUSTOM)], 'v1.36.0')
  const { paths, components } = json(await custom.v3('apis/stable.example.com/v1'))
  const definition = components.schemas['com.example.stable.v1.Widget']
  assert.deepEqual(Object.keys(definition.properties), ['apiVersion', 'kind', 'metadata', 'spec'])
  assert.equal(definition.properties.spec.description, 'What is wanted.')
  assert.deepEqual(components.schemas['com.example.stable.v1.WidgetList'].properties.items.items, {
    $ref: '#/components/schemas/com.example.stable.v1.Widget',
  })
  const { post } = paths['/apis/stable.example.com/v1/namespaces/{namespace}/widgets']
  assert.equal(post.operationId, 'createStableExampleComV1NamespacedWidget')
  assert.deepEqual(Object.keys(post.responses[201].content), ['application/json', 'application/yaml'])
})

test('v3 wants of an embedded object what it is, v2 tells nothing of one that may hold more', async () => {
  const embedded: Schema = { type: 'object', embeddedResource: true, preserveUnknownFields: true, properties: { kind: { type: 'string' } } }
  const schema: Schema = { type: 'object', properties: { spec: embedded } }
  const custom = new OpenApi([...builtinKinds, widget(schema)], 'v1.36.0')
  const { components } = json(await custom.v3('apis/stable.example.com/v1'))
  const marks = { 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-embedded-resource': true }
  const { description: _, ...v3 } = components.schemas['com.example.stable.v1.Widget'].properties.spec
  assert.deepEqual(v3, { type: 'object', properties: { kind: { type: 'string' } }, required: ['kind', 'apiVersion'], ...marks })
  const { description: __, ...v2 } = json(await custom.v2('json')).definitions['com.example.stable.v1.Widget'].properties.spec
  assert.deepEqual(v2, marks)
})

test('index changes for the group whose kinds change, and for no other', async () => {
  const hashes = async (schema: Schema) => json(await new OpenApi([...builtinKinds, widget(schema)], 'v1.36.0').index()).paths
  const [before, after] = [await hashes(CUSTOM), await hashes({ ...CUSTOM, description: 'Now told.' })]
  const changed = Object.keys(before).filter((root) => before[root].serverRelativeURL !== after[root].serverRelativeURL)
  assert.deepEqual(changed, ['apis/stable.example.com/v1'])
})

test('v2 says the same as protobuf: names, references, extensions', async () => {
  const swagger = json(await openapi.v2('json'))
  const document = fields((await openapi.v2('protobuf')).body)
  assert.equal(document.get(1)![0]!.toString(), '2.0')
  const named = (bytes: Buffer, number: number) =>
    new Map(
      (fields(bytes).get(number) ?? []).map((entry) => [
        fields(entry).get(1)![0]!.toString(),
        fields(entry).get(2)?.[0] ?? Buffer.alloc(0),
      ]),
    )
  const [paths, definitions] = [named(document.get(8)![0]!, 2), named(document.get(9)![0]!, 1)]
  assert.deepEqual([...paths.keys()], Object.keys(swagger.paths))
  assert.deepEqual([...definitions.keys()], Object.keys(swagger.definitions))
  for (const [name, bytes] of definitions) {
    const { description, required, properties } = swagger.definitions[name]
    const definition = fields(bytes)
    assert.equal(definition.get(4)?.[0]?.toString(), description, name)
    assert.deepEqual(definition.get(19)?.map(String), required, name)
    assert.deepEqual(definition.has(25) ? [...named(definition.get(25)![0]!, 1).keys()] : [], Object.keys(properties ?? {}), name)
  }
  const pod = named(fields(definitions.get('io.k8s.api.core.v1.Pod')!).get(25)![0]!, 1)
  assert.equal(fields(pod.get('spec')!).get(1)![0]!.toString(), '#/definitions/io.k8s.api.core.v1.PodSpec')
  const extensions = named(definitions.get('io.k8s.api.core.v1.Pod')!, 31)
  assert.deepEqual(JSON.parse(fields(extensions.get('x-kubernetes-group-version-kind')!).get(2)![0]!.toString()), [
    { group: '', kind: 'Pod', version: 'v1' },
  ])
})

/** Length-delimited fields of a message, by number. */
function fields(bytes: Uint8Array): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>()
  const reader = new ProtobufReader(bytes)
  while (!reader.done) {
    const tag = reader.tag()
    if ((tag & 7) === 2) found.set(tag >>> 3, [...(found.get(tag >>> 3) ?? []), reader.bytes()])
    else reader.skip(tag & 7)
  }
  return found
}

/** The release's published document without its texts, which are not ours to keep. */
const PUBLISHED = new URL('./published-v1.36.json.gz', import.meta.url)

/** Without texts, and without what is not offered here: CBOR, sharding, versions of the future. */
const bare = (value: any): any => {
  if (Array.isArray(value)) return value.filter((one) => !String(one).includes('cbor')).map(bare)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key, inner]) => key !== 'description' || typeof inner === 'object')
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, bare(inner)]))
}

test('v2 agrees with the published document', async () => {
  const theirs: Json = JSON.parse(gunzipSync(readFileSync(PUBLISHED)).toString())
  const ours = json(await openapi.v2('json'))
  const future = (name: string) =>
    /v\d+(alpha|beta)\d+/.test(name) || /\/(logs|internal\.apiserver\.k8s\.io|storagemigration\.k8s\.io)\//.test(name)
  const stable = (from: Json) =>
    Object.keys(from)
      .filter((name) => !future(name))
      .toSorted()
  const missing = ['io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource']
  assert.deepEqual(
    stable(ours.definitions),
    stable(theirs.definitions).filter((name) => !missing.includes(name)),
  )
  assert.deepEqual(stable(ours.paths), stable(theirs.paths))
  for (const name of stable(ours.definitions)) {
    const [a, b] = [bare(ours.definitions[name]), bare(theirs.definitions[name])]
    for (const one of [a, b]) {
      one.required?.sort()
      if (/\.(DeleteOptions|WatchEvent)$/.test(name)) delete one['x-kubernetes-group-version-kind']
    }
    assert.deepEqual(a, b, name)
  }
  const parameters = (list: Json[] | undefined, { parameters: shared }: Json) =>
    (list ?? [])
      .map((one) => JSON.stringify(bare(one.$ref ? shared[one.$ref.split('/').at(-1)] : one)))
      .filter((one) => !one.includes('shardSelector'))
      .toSorted()
  for (const path of stable(ours.paths)) {
    assert.deepEqual(Object.keys(ours.paths[path]).toSorted(), Object.keys(theirs.paths[path]).toSorted(), path)
    for (const method of Object.keys(ours.paths[path])) {
      const [a, b] = [ours.paths[path][method], theirs.paths[path][method]]
      if (method === 'parameters') assert.deepEqual(parameters(a, ours), parameters(b, theirs), path)
      else {
        const whole = (one: Json, from: Json) => ({ ...bare(one), parameters: parameters(one.parameters, from) })
        assert.deepEqual(whole(a, ours), whole(b, theirs), `${method} ${path}`)
      }
    }
  }
})

/** As v2 would say it: no defaults, and a reference with more beside it is the reference. */
const asV2 = (value: any): any => {
  if (Array.isArray(value)) return value.map(asV2)
  if (typeof value !== 'object' || value === null) return value
  const { default: _default, allOf, ...rest } = value
  const own: Json = allOf?.length === 1 ? { ...allOf[0], ...rest } : allOf ? { ...rest, allOf } : rest
  return Object.fromEntries(
    Object.entries(own).map(([key, inner]) => [
      key,
      key === '$ref'
        ? String(inner).replace('#/components/schemas/', '#/definitions/')
        : key === 'properties'
          ? propertiesAsV2(inner as Json)
          : asV2(inner),
    ]),
  )
}
const propertiesAsV2 = (properties: Json): Json => Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, asV2(one)]))

/** Values of two types: v3 has a way to say so, and clients that know it. */
const OF_TWO_TYPES: Record<string, Json> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { oneOf: [{ type: 'string' }, { type: 'number' }] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
}

for (const root of [
  'api/v1',
  'apps/v1',
  'batch/v1',
  'networking.k8s.io/v1',
  'flowcontrol.apiserver.k8s.io/v1',
  'policy/v1',
  'storage.k8s.io/v1',
])
  test(`v3 of ${root} has the types, formats, enums and extensions of the published document`, async () => {
    const theirs: Json = JSON.parse(gunzipSync(readFileSync(PUBLISHED)).toString())
    const { schemas } = json(await openapi.v3(root.startsWith('api') && root !== 'apps/v1' ? root : `apis/${root}`)).components as Json
    let compared = 0
    for (const [name, schema] of Object.entries<Json>(schemas)) {
      const { description: _text, ...published } = theirs.definitions[name] ?? {}
      const two = OF_TWO_TYPES[name]
      if (two) assert.partialDeepStrictEqual(schema, two, name)
      if (two || !theirs.definitions[name]) continue
      const [a, b] = [bare(asV2(schema)), bare(published)]
      for (const one of [a, b]) {
        one.required?.sort()
        if (/\.(DeleteOptions|WatchEvent)$/.test(name)) delete one['x-kubernetes-group-version-kind']
      }
      assert.deepEqual(a, b, name)
      compared++
    }
    assert.ok(compared > 20, String(compared))
  })

/** Upstream says nothing of these, and they have no default. */
const BARE = [
  'IngressRule.http',
  ...['additionalItems', 'additionalProperties', 'example', 'externalDocs', 'items', 'not'].map((one) => `JSONSchemaProps.${one}`),
]

test('v3 has every reference as upstream wraps it: bare only where nothing is said beside it', async () => {
  const theirs: Json = JSON.parse(gunzipSync(readFileSync(PUBLISHED)).toString())
  const bare = new Set<string>()
  let wrapped = 0
  for (const path of Object.keys(json(await openapi.index()).paths)) {
    const { schemas = {} } = json(await openapi.v3(path)).components ?? {}
    for (const [name, { properties = {} }] of Object.entries<Json>(schemas)) {
      for (const [field, ours] of Object.entries<Json>(properties)) {
        if (!theirs.definitions[name]?.properties?.[field]?.$ref) continue
        if (ours.$ref) bare.add(`${name.split('.').at(-1)}.${field}`)
        else {
          assert.ok(ours.allOf[0].$ref && ours.description, `${name}.${field}`)
          wrapped++
        }
      }
    }
  }
  assert.deepEqual([...bare].toSorted(), BARE)
  assert.ok(wrapped > 800, String(wrapped))
})
