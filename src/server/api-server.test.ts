import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defineKind } from '#api/define-kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { HorizontalPodAutoscaler } from '#api/kinds/autoscaling/horizontal-pod-autoscaler.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { createMemoryStore } from '#store/memory.ts'
import { createApiServer } from './api-server.ts'
import type { RequestAttributes } from './request.ts'
import { startTestServer } from './testing.ts'

const Boat: Kind<KubeObject & { data?: Record<string, string> }> = defineKind({
  group: 'harbour.example',
  version: 'v1',
  kind: 'Boat',
  plural: 'boats',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.ConfigMap',
})

test('server takes new kinds while it runs, and finds their objects again after a restart', async () => {
  const store = createMemoryStore()
  {
    await using t = await startTestServer({ store })
    assert.equal((await t.server.handle({ path: '/apis/harbour.example/v1/boats' })).status, 404)
    t.server.registry.add(Boat as Kind, { storageName: 'harbour.example/boats' })
    await t.client.create(Boat, { metadata: { name: 'sampan', namespace: 'default' }, data: { sails: '1' } })
    assert.equal((await t.server.handle({ path: '/apis/harbour.example/v1' })).json.resources[0].name, 'boats')
    assert.ok((await store.get('/registry/harbour.example/boats/default/sampan'))!.value)
  }
  await using t = await startTestServer({ store })
  t.server.registry.add(Boat as Kind, { storageName: 'harbour.example/boats' })
  assert.equal((await t.client.get(Boat, { namespace: 'default', name: 'sampan' })).data!['sails'], '1')
  t.server.registry.remove(Boat as Kind)
  assert.equal((await t.server.handle({ path: '/apis/harbour.example/v1/boats' })).status, 404)
})

test('server keeps objects as upstream lays them out, without their resourceVersion', async () => {
  await using t = await startTestServer()
  const made = await t.client.create<ConfigMap>(ConfigMap, { metadata: { name: 'a', namespace: 'default' }, data: { x: 'é' } })
  const { value, revision } = (await t.store.get('/registry/configmaps/default/a'))!
  assert.equal(String(revision), made.metadata!.resourceVersion)
  const { metadata, ...rest } = JSON.parse(Buffer.from(value).toString('utf8'))
  assert.deepEqual(rest, { kind: 'ConfigMap', apiVersion: 'v1', data: { x: 'é' } })
  assert.equal(metadata.resourceVersion, undefined)
  assert.equal(metadata.uid, made.metadata!.uid)
})

test('server has a place in the store for every kind, shared only by versions of one kind', () => {
  const server = createApiServer({ store: createMemoryStore() })
  const prefixes = new Map<string, Set<string>>()
  for (const kind of builtinKinds.filter(({ virtual }) => !virtual)) {
    const { prefix } = server.registry.of(kind)
    prefixes.set(prefix!, (prefixes.get(prefix!) ?? new Set()).add(kind.kind))
  }
  for (const [prefix, kinds] of prefixes) assert.equal(kinds.size, 1, prefix)
  const at = (name: string) => server.registry.of(builtinKinds.find(({ plural }) => plural === name)!).prefix
  assert.deepEqual(
    ['nodes', 'services', 'endpoints', 'replicationcontrollers', 'ingresses', 'deployments', 'customresourcedefinitions'].map(at),
    [
      'minions',
      'services/specs',
      'services/endpoints',
      'controllers',
      'ingress',
      'deployments',
      'apiextensions.k8s.io/customresourcedefinitions',
    ].map((name) => `/registry/${name}/`),
  )
})

test('server shows one object in all versions of its kind', async () => {
  await using t = await startTestServer()
  const key = { namespace: 'default', name: 'h' }
  await t.client.create(HorizontalPodAutoscaler, {
    metadata: key,
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, targetCPUUtilizationPercentage: 70 },
  })
  const v2 = await t.client.get(HorizontalPodAutoscalerV2, key)
  assert.equal(v2.apiVersion, 'autoscaling/v2')
  assert.equal(v2.spec!.metrics![0]!.resource!.target.averageUtilization, 70)
  const v1 = (await t.server.handle({ path: '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h' })).json
  assert.deepEqual([v1.apiVersion, v1.spec.targetCPUUtilizationPercentage], ['autoscaling/v1', 70])
  const list = (await t.server.handle({ path: '/apis/autoscaling/v1/horizontalpodautoscalers' })).json
  assert.equal(list.items[0].spec.targetCPUUtilizationPercentage, 70)
})

test('clientFor goes through authorisation and admission', async () => {
  const asked: string[] = []
  const authorizer = {
    authorize({ verb, resource, subresource, namespace, user }: RequestAttributes) {
      asked.push(`${user.username} ${verb} ${resource}${subresource ? `/${subresource}` : ''} ${namespace}`)
      return { allowed: verb !== 'delete', reason: '' }
    },
  }
  const admission = [
    { name: 'label', admit: ({ object }: { object?: KubeObject }) => void (object && (object.metadata!.labels = { seen: 'yes' })) },
  ]
  await using t = await startTestServer({ extensions: () => ({ authorizer, admission }) })
  const client = t.server.clientFor({ username: 'jane', groups: [] })
  const made = await client.create<ConfigMap>(ConfigMap, { metadata: { name: 'a', namespace: 'default' } })
  assert.deepEqual(made.metadata!.labels, { seen: 'yes' })
  await assert.rejects(client.delete(ConfigMap, { namespace: 'default', name: 'a' }), { reason: 'Forbidden' })
  await client.list(Namespace)
  assert.deepEqual(asked, ['jane create configmaps default', 'jane delete configmaps default', 'jane list namespaces '])
})

test('clientFor reads, writes and applies like any client', async () => {
  await using t = await startTestServer()
  const key = { namespace: 'default', name: 'd' }
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'busybox:1' }] } }
  const spec = { selector: { matchLabels: { a: 'b' } }, template }
  const applied = await t.client.patch(
    Deployment,
    key,
    { type: 'apply', patch: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: key, spec } as KubeObject },
    { fieldManager: 'me' },
  )
  assert.equal(applied.metadata!.managedFields![0]!.manager, 'me')
  const updated = await t.client.update(Deployment, { ...applied, spec: { ...applied.spec!, replicas: 4 } })
  assert.deepEqual([updated.spec!.replicas, updated.metadata!.generation], [4, 2])
  await assert.rejects(t.client.update(Deployment, applied), { reason: 'Conflict' })
  const scale = await t.client.get(Deployment, key, { subresource: 'scale' })
  assert.equal((scale as unknown as { kind: string }).kind, 'Scale')
  await t.client.update(Deployment, { ...updated, status: { replicas: 4 } }, { subresource: 'status' })
  assert.equal((await t.client.get(Deployment, key)).status!.replicas, 4)
  assert.equal((await t.client.list(Deployment, { labelSelector: 'x=y' })).items.length, 0)
  await t.client.deleteCollection(Deployment, { namespace: 'default' })
  await assert.rejects(t.client.get(Deployment, key), { reason: 'NotFound', message: 'deployments.apps "d" not found' })
  await assert.rejects(t.client.create(ConfigMap, { metadata: { name: 'x', namespace: 'default' }, dta: {} } as ConfigMap), {
    reason: 'BadRequest',
  })
})

// Its own work, too, may have just written something: it would wait for it, and the server for that.
test('server lets writes end that are under way when it stops', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'stopped-'))
  try {
    await using store = await openEmbeddedStore({ directory })
    const server = createApiServer({ store })
    const running = await server.start(new AbortController().signal)
    const writing = server.clientFor({ username: 'jane', groups: [] }).create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } })
    await running[Symbol.asyncDispose]()
    assert.equal((await writing).metadata?.name, 'a')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('stored resources know their kind however it is handed in', () => {
  const server = createApiServer({ store: createMemoryStore() })
  assert.equal(server.registry.of({ ...ConfigMap }).prefix, '/registry/configmaps/')
  assert.throws(() => server.registry.of(Boat as Kind), /Boat\.harbour\.example is not served here/)
})
