import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { CustomResourceDefinition as Definition, JSONSchemaProps } from '#api/generated/types.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import type { Client } from '#client/client.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { createMemoryStore } from '#store/memory.ts'

const PATH = '/apis/shop.example.com/v1/namespaces/default/widgets'
type Json = Record<string, any>

const SCHEMA: JSONSchemaProps = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1 },
        color: { type: 'string', default: 'red', enum: ['red', 'blue'] },
        note: { type: 'string', nullable: true },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, count: { type: 'integer' } } },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
    status: { type: 'object', properties: { ready: { type: 'integer' } } },
  },
}

function definition(change: (definition: Definition) => void = () => {}): Definition {
  const made: Definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.shop.example.com' },
    spec: {
      group: 'shop.example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList', shortNames: ['wd'], categories: ['all'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: structuredClone(SCHEMA) },
          subresources: { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.ready' } },
          selectableFields: [{ jsonPath: '.spec.color' }],
          additionalPrinterColumns: [
            { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
        },
      ],
    },
  }
  change(made)
  return made
}

async function started(t: TestContext, options: Parameters<typeof startTestServer>[0] = {}) {
  const { server, client, ...rest } = await startTestServer(options)
  t.after(() => rest[Symbol.asyncDispose]())
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await server.handle({
      method,
      path,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, body: parsed(response.body.toString()) }
  }
  return { server, client, ask }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return { text }
  }
}

/** Waits for what a definition comes to. */
async function until(client: Client, name: string, wanted: (definition: Definition) => boolean): Promise<Definition> {
  for await (const { object } of client.watch(CustomResourceDefinition, {
    fieldSelector: `metadata.name=${name}`,
    signal: AbortSignal.timeout(120_000),
  }))
    if (wanted(object as Definition)) return object as Definition
  throw new Error(`${name} never came to be as wanted`)
}

const condition = ({ status }: Definition, type: string) => status?.conditions?.find((one) => one.type === type)
const isEstablished = (one: Definition) => condition(one, 'Established')?.status === 'True'

async function establish(client: Client, change?: (definition: Definition) => void): Promise<Definition> {
  const { metadata } = await client.create(CustomResourceDefinition, definition(change))
  return until(client, metadata!.name!, isEstablished)
}

const widget = (name: string, spec: Json, rest: Json = {}): Json => ({
  apiVersion: 'shop.example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
  ...rest,
})

test('CustomResources establishes a definition and serves its resources', async (t) => {
  const { client, ask } = await started(t)
  const made = await establish(client)
  assert.deepEqual(
    made.status!.conditions!.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['NamesAccepted', 'True', 'NoConflicts'],
      ['Established', 'True', 'InitialNamesAccepted'],
    ],
  )
  assert.deepEqual(made.status!.acceptedNames, made.spec.names)
  assert.deepEqual(made.status!.storedVersions, ['v1'])
  const { body: list } = await ask('GET', '/apis/shop.example.com/v1')
  assert.deepEqual(
    list.resources.map(({ name, shortNames, categories }: Json) => [name, shortNames, categories]),
    [
      ['widgets', ['wd'], ['all']],
      ['widgets/status', undefined, undefined],
      ['widgets/scale', undefined, undefined],
    ],
  )
  const { status, body } = await ask(
    'POST',
    PATH,
    widget('a', { size: 2, free: { any: [1] }, note: null, extra: 1 }, { status: { ready: 9 } }),
  )
  assert.equal(status, 201)
  assert.deepEqual(body.spec, { size: 2, free: { any: [1] }, note: null, color: 'red' })
  assert.equal(body.status, undefined)
  assert.equal(body.metadata.generation, 1)
  const { body: table } = await ask('GET', PATH, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  assert.deepEqual(
    table.columnDefinitions.map(({ name }: Json) => name),
    ['Name', 'Size', 'Age'],
  )
  assert.deepEqual(table.rows[0].cells.slice(0, 2), ['a', 2])
})

test('CustomResources validates as its schema says', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  const { status, body } = await ask('POST', PATH, widget('a', { color: 'green', note: 5, parts: [{ name: 'x' }, { name: 'x' }] }))
  assert.equal(status, 422)
  assert.deepEqual(
    body.details.causes.map(({ field, message }: Json) => `${field}: ${message}`),
    [
      'spec.size: Required value',
      'spec.color: Unsupported value: "green": supported values: "red", "blue"',
      'spec.note: Invalid value: "integer": spec.note in body must be of type string: "integer"',
      'spec.parts[1]: Duplicate value: {"name":"x"}',
    ],
  )
  const strict = await ask('POST', `${PATH}?fieldValidation=Strict`, widget('a', { size: 1, extra: 1 }))
  assert.equal(strict.status, 400)
  assert.match(strict.body.message, /strict decoding error: unknown field "spec\.extra"/)
  const patch = await ask('PATCH', `${PATH}/a`, {}, { 'content-type': 'application/strategic-merge-patch+json' })
  assert.equal(patch.status, 415)
})

test('CustomResources keeps status apart, counts generations and scales', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  const { body: made } = await ask('POST', PATH, widget('a', { size: 2 }))
  const put = await ask('PUT', `${PATH}/a/status`, {
    ...made,
    metadata: { ...made.metadata, labels: { x: 'y' } },
    spec: { size: 9 },
    status: { ready: 1 },
  })
  assert.equal(put.status, 200)
  assert.deepEqual(
    [put.body.spec.size, put.body.status, put.body.metadata.generation, put.body.metadata.labels],
    [2, { ready: 1 }, 1, undefined],
  )
  const scale = await ask('GET', `${PATH}/a/scale`)
  assert.deepEqual([scale.body.kind, scale.body.spec, scale.body.status], ['Scale', { replicas: 2 }, { replicas: 1 }])
  const table = (await ask('GET', `${PATH}/a/scale`, undefined, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' })).body
  assert.deepEqual(
    table.columnDefinitions.map(({ name }: { name: string }) => name),
    ['Name', 'Desired', 'Available', 'Age'],
  )
  assert.deepEqual(table.rows[0].cells.slice(0, 3), ['a', 2, 1])
  const scaled = await ask('PATCH', `${PATH}/a/scale`, { spec: { replicas: 4 } }, { 'content-type': 'application/merge-patch+json' })
  assert.equal(scaled.body.spec.replicas, 4)
  const after = await ask('GET', `${PATH}/a`)
  assert.deepEqual([after.body.spec.size, after.body.metadata.generation, after.body.status], [4, 2, { ready: 1 }])
  const stale = await ask('PUT', `${PATH}/a`, widget('a', { size: 3 }))
  assert.match(stale.body.message, /metadata\.resourceVersion: Invalid value: 0: must be specified for an update/)
})

test('CustomResources lists by selectable fields', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  await ask('POST', PATH, widget('a', { size: 1 }))
  await ask('POST', PATH, widget('b', { size: 1, color: 'blue' }))
  const { body } = await ask('GET', `${PATH}?fieldSelector=spec.color%3Dblue`)
  assert.deepEqual(
    body.items.map(({ metadata }: Json) => metadata.name),
    ['b'],
  )
  assert.equal((await ask('GET', `${PATH}?fieldSelector=spec.size%3D1`)).status, 400)
})

test('CustomResources merges keyed lists in apply', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  const apply = (manager: string, name: string) =>
    ask('PATCH', `${PATH}/a?fieldManager=${manager}`, widget('a', { size: 1, parts: [{ name, count: 1 }] }), {
      'content-type': 'application/apply-patch+yaml',
    })
  assert.equal((await apply('one', 'x')).status, 201)
  const { body } = await apply('two', 'y')
  assert.deepEqual(
    body.spec.parts.map(({ name }: Json) => name),
    ['x', 'y'],
  )
  const { body: less } = await ask('PATCH', `${PATH}/a?fieldManager=one`, widget('a', { size: 1 }), {
    'content-type': 'application/apply-patch+yaml',
  })
  assert.deepEqual(
    less.spec.parts.map(({ name }: Json) => name),
    ['y'],
  )
})

test('CustomResources fills in defaults of what was stored before them', async (t) => {
  const { client, ask } = await started(t)
  await establish(client, ({ spec }) => delete spec.versions[0]!.schema!.openAPIV3Schema!.properties!.spec!.properties!.color!.default)
  const { body: before } = await ask('POST', PATH, widget('a', { size: 1 }))
  assert.equal(before.spec.color, undefined)
  await client.patch(
    CustomResourceDefinition,
    { name: 'widgets.shop.example.com' },
    {
      type: 'json',
      patch: [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color/default', value: 'blue' }],
    },
  )
  assert.equal((await ask('GET', `${PATH}/a`)).body.spec.color, 'blue')
  assert.equal((await ask('GET', PATH)).body.items[0].spec.color, 'blue')
})

test('CustomResources serves several versions of one object, each as it knows it', async (t) => {
  const { client, ask } = await started(t)
  await establish(client, ({ spec }) => {
    const [v1] = spec.versions
    spec.versions = [
      { ...v1!, storage: true },
      { ...structuredClone(v1!), name: 'v1beta1', storage: false, deprecated: true },
      { ...structuredClone(v1!), name: 'v1alpha1', storage: false, served: false },
    ]
    delete spec.versions[1]!.schema!.openAPIV3Schema!.properties!.spec!.properties!.note
  })
  await ask('POST', PATH, widget('a', { size: 1, note: 'n' }))
  const old = await ask('GET', `${PATH.replace('v1/', 'v1beta1/')}/a`)
  assert.deepEqual([old.body.apiVersion, old.body.spec], ['shop.example.com/v1beta1', { size: 1, color: 'red' }])
  assert.match(String(old.headers.warning), /shop\.example\.com\/v1beta1 Widget is deprecated/)
  assert.equal((await ask('GET', `${PATH.replace('v1/', 'v1alpha1/')}/a`)).status, 404)
})

test('CustomResources keeps what the stored version knows, and reads it with the defaults of that version', async (t) => {
  const { client, ask } = await started(t)
  await establish(client, ({ spec }) => {
    const [v1] = spec.versions
    const v2 = { ...structuredClone(v1!), name: 'v2', storage: false, selectableFields: [{ jsonPath: '.spec.later' }] }
    const { properties } = v2.schema!.openAPIV3Schema!.properties!.spec!
    Object.assign(properties!, { color: { type: 'string', default: 'blue' }, later: { type: 'integer', default: 7 } })
    spec.versions = [v1!, v2]
  })
  const second = PATH.replace('/v1/', '/v2/')
  await ask('POST', PATH, widget('a', { size: 1 }))
  assert.deepEqual((await ask('GET', `${second}/a`)).body.spec, { size: 1, color: 'red' })
  // Its own defaults are there while it is written, and what the stored version does not know is gone afterwards.
  const { body } = await ask('POST', second, { ...widget('b', { size: 2, later: 8 }), apiVersion: 'shop.example.com/v2' })
  assert.deepEqual(body.spec, { size: 2, color: 'blue' })
  assert.deepEqual((await ask('GET', `${PATH}/b`)).body.spec, { size: 2, color: 'blue' })
  const found = await ask('GET', `${second}?fieldSelector=spec.later%3D7`)
  assert.deepEqual([found.status, found.body.items], [200, []])
  assert.equal((await ask('GET', `${PATH}?fieldSelector=spec.later%3D7`)).status, 400)
})

test('CustomResources deletes the objects of a deleted definition, then lets it go', async (t) => {
  const { client, ask, server } = await started(t)
  await establish(client)
  await ask('POST', PATH, widget('a', { size: 1 }))
  await ask('POST', PATH, { ...widget('held', { size: 1 }), metadata: { name: 'held', finalizers: ['example.com/hold'] } })
  const name = 'widgets.shop.example.com'
  const { kind } = server.registry.find('shop.example.com', 'v1', 'widgets')!
  const objects = client.watch(kind, { signal: AbortSignal.timeout(120_000) })[Symbol.asyncIterator]()
  const events: string[] = []
  const next = async () => events.push(`${(await objects.next()).value?.type}`)
  for (let count = 0; count < 2; count++) await next()
  await client.delete(CustomResourceDefinition, { name })
  const going = await until(client, name, (one) => condition(one, 'Terminating')?.reason === 'InstanceDeletionInProgress')
  assert.deepEqual(going.metadata!.finalizers, ['customresourcecleanup.apiextensions.k8s.io'])
  const refused = await ask('POST', PATH, widget('b', { size: 1 }))
  assert.deepEqual([refused.status, refused.body.message], [405, 'create not allowed while custom resource definition is terminating'])
  const watching = client.watch(CustomResourceDefinition, {
    resourceVersion: going.metadata!.resourceVersion!,
    signal: AbortSignal.timeout(120_000),
  })
  await ask('PATCH', `${PATH}/held`, { metadata: { finalizers: null } }, { 'content-type': 'application/merge-patch+json' })
  for await (const { type } of watching) if (type === 'DELETED') break
  for (let count = 0; count < 3; count++) await next()
  assert.deepEqual(events, ['ADDED', 'ADDED', 'DELETED', 'MODIFIED', 'DELETED'])
  assert.equal((await ask('GET', PATH)).status, 404)
  assert.equal((await ask('GET', '/apis/shop.example.com/v1')).status, 404)
  await establish(client)
  assert.deepEqual((await ask('GET', PATH)).body.items, [])
})

test('CustomResources tells what is in the way of a deletion, and lets go at once what never was', async (t) => {
  const clock = createVirtualClock()
  const { client, ask } = await started(t, { clock })
  await establish(client)
  await ask('POST', PATH, { ...widget('held', { size: 1 }), metadata: { name: 'held', finalizers: ['example.com/hold'] } })
  const rival = definition((made) => {
    made.metadata!.name = 'gadgets.shop.example.com'
    made.spec.names = { plural: 'gadgets', kind: 'Widget' }
  })
  await client.create(CustomResourceDefinition, rival)
  const refused = await until(client, rival.metadata!.name!, (one) => condition(one, 'Established')?.status === 'False')
  const watching = client.watch(CustomResourceDefinition, {
    resourceVersion: refused.metadata!.resourceVersion!,
    signal: AbortSignal.timeout(120_000),
  })
  await client.delete(CustomResourceDefinition, { name: rival.metadata!.name! })
  const seen: (string | undefined)[] = []
  for await (const { type, object } of watching) {
    seen.push(condition(object as Definition, 'Terminating')?.reason)
    if (type === 'DELETED') break
  }
  assert.ok(seen.includes('NeverEstablished') && !seen.includes('InstanceDeletionInProgress'), seen.join())

  const name = 'widgets.shop.example.com'
  await client.delete(CustomResourceDefinition, { name })
  await until(client, name, (one) => condition(one, 'Terminating')?.reason === 'InstanceDeletionInProgress')
  await clock.advance(60_000)
  const stuck = await until(client, name, (one) => condition(one, 'Terminating')?.reason === 'InstanceDeletionCheck')
  const { status, message } = condition(stuck, 'Terminating')!
  assert.deepEqual([status, message], ['True', 'could not confirm zero CustomResources remaining: timed out waiting for the condition'])
  await ask('PATCH', `${PATH}/held`, { metadata: { finalizers: null } }, { 'content-type': 'application/merge-patch+json' })
  while ((await ask('GET', PATH)).status !== 404) await new Promise((resolve) => setImmediate(resolve))
})

test('CustomResourceDefinition status takes no labels, but lets finalizers go', async (t) => {
  const { client } = await started(t)
  const made = await establish(client, ({ metadata }) => Object.assign(metadata!, { labels: { a: 'b' }, finalizers: ['example.com/hold'] }))
  const metadata = { ...made.metadata, labels: { a: 'c' }, annotations: { x: 'y' }, finalizers: [] }
  const put = await client.update(CustomResourceDefinition, { ...made, metadata }, { subresource: 'status' })
  assert.deepEqual([put.metadata!.labels, put.metadata!.annotations, put.metadata!.finalizers ?? []], [{ a: 'b' }, undefined, []])
})

test('CustomResources grants a name once and passes it on', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  const rival = (made: Definition) => {
    made.metadata!.name = 'gadgets.shop.example.com'
    made.spec.names = { plural: 'gadgets', kind: 'Widget', shortNames: ['wd'] }
  }
  await client.create(CustomResourceDefinition, definition(rival))
  const refused = await until(client, 'gadgets.shop.example.com', (one) => condition(one, 'NamesAccepted')?.status === 'False')
  assert.deepEqual(
    [condition(refused, 'NamesAccepted')!.reason, condition(refused, 'NamesAccepted')!.message, condition(refused, 'Established')!.reason],
    ['ListKindConflict', '"WidgetList" is already in use', 'NotAccepted'],
  )
  assert.equal((await ask('GET', '/apis/shop.example.com/v1/gadgets')).status, 404)
  await client.delete(CustomResourceDefinition, { name: 'widgets.shop.example.com' })
  await until(client, 'gadgets.shop.example.com', isEstablished)
  assert.equal((await ask('GET', '/apis/shop.example.com/v1/gadgets')).status, 200)
})

test('CustomResources serves what is established from the start', async () => {
  await using store = createMemoryStore()
  {
    await using first = await startTestServer({ store })
    await establish(first.client)
    const response = await first.server.handle({
      method: 'POST',
      path: PATH,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(widget('a', { size: 1 })),
    })
    assert.equal(response.status, 201)
  }
  await using second = await startTestServer({ store })
  const response = await second.server.handle({ method: 'GET', path: `${PATH}/a`, headers: {} })
  assert.equal(response.status, 200)
})

test('CustomResources publishes schemas in OpenAPI and takes them back', async (t) => {
  const { client, ask } = await started(t)
  await establish(client)
  const { body: v3 } = await ask('GET', '/openapi/v3/apis/shop.example.com/v1')
  const published = v3.components.schemas['com.example.shop.v1.Widget']
  assert.deepEqual(published.properties.spec.properties.size, { type: 'integer', minimum: 1 })
  assert.deepEqual(published['x-kubernetes-group-version-kind'], [{ group: 'shop.example.com', kind: 'Widget', version: 'v1' }])
  assert.deepEqual(published['x-kubernetes-selectable-fields'], [{ fieldPath: 'spec.color' }])
  assert.ok((await ask('GET', '/openapi/v2')).body.definitions['com.example.shop.v1.Widget'])
  await client.patch(
    CustomResourceDefinition,
    { name: 'widgets.shop.example.com' },
    { type: 'json', patch: [{ op: 'replace', path: '/spec/versions/0/served', value: false }] },
  )
  assert.equal((await ask('GET', '/openapi/v2')).body.definitions['com.example.shop.v1.Widget'], undefined)
})

test('CustomResources ends the watches of a resource that is served no more', async (t) => {
  const { client, ask, server } = await started(t)
  await establish(client)
  await ask('POST', PATH, widget('a', { size: 1 }))
  const kind = server.registry.find('shop.example.com', 'v1', 'widgets')!.kind
  const watching = client.watch(kind, { signal: AbortSignal.timeout(120_000) })[Symbol.asyncIterator]()
  assert.equal((await watching.next()).value?.type, 'ADDED')
  await client.patch(
    CustomResourceDefinition,
    { name: 'widgets.shop.example.com' },
    { type: 'json', patch: [{ op: 'replace', path: '/spec/versions/0/served', value: false }] },
  )
  assert.equal((await watching.next()).done, true)
})

test('CustomResourceDefinition refuses by name what this server cannot do', async (t) => {
  const { ask } = await started(t)
  const post = (change: (definition: Definition) => void) =>
    ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition(change))
  const cases: [RegExp, (definition: Definition) => void][] = [
    [
      /default: Invalid value: "string": .* must be of type integer/,
      ({ spec }) => (spec.versions[0]!.schema!.openAPIV3Schema!.properties!.spec!.properties!.size!.default = 'x'),
    ],
    [
      /selectableFields\[0\]\.jsonPath: Invalid value: "\.spec\.none"/,
      ({ spec }) => (spec.versions[0]!.selectableFields = [{ jsonPath: '.spec.none' }]),
    ],
  ]
  for (const [message, change] of cases) {
    const { status, body } = await post(change)
    assert.equal(status, 422)
    assert.match(body.message, message)
  }
})
