import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import type { MetricSpecV2 } from '#api/generated/types.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { startAll } from '#lib/service.ts'
import { systemClock } from '#lib/clock.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { cluster, eventually } from '#server/aggregation/testing-cluster.ts'
import { controllerServices } from '#controllers/controllers.ts'
import { autoscaleFleet, conditionsOf, createDefinition, createFleet, createReadyPod, Fleet } from './testing-target.ts'

const CUSTOM = '/apis/custom.metrics.k8s.io/v1beta2'
const EXTERNAL = '/apis/external.metrics.k8s.io/v1beta1'

/** An adapter beside the cluster: answers what `answers` holds for a path; `broken`: says so, in plain text. */
async function adapted(
  t: TestContext,
  answers: Record<string, { describedObject?: { name: string }; value: string }[]>,
  { broken = false } = {},
) {
  const made = await cluster(t)
  const { client, server, certify, authority } = made
  const asked: string[] = []
  const serving = await certify('metrics.default.svc')
  const adapter = createServer({ cert: serving.certificate, key: serving.key }, (request, response) => {
    const url = new URL(request.url ?? '', 'https://adapter')
    const items = answers[url.pathname]
    const isRoot = url.pathname === CUSTOM || url.pathname === EXTERNAL
    if (items) asked.push(decodeURIComponent(`${url.pathname}${url.search}`))
    if (broken && !isRoot) return void response.writeHead(503, { 'content-type': 'text/plain' }).end('out of order')
    const timestamp = new Date(systemClock.now()).toISOString()
    const body = items
      ? { kind: 'MetricValueList', metadata: {}, items: items.map((item) => ({ timestamp, ...item })) }
      : isRoot
        ? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: url.pathname.slice('/apis/'.length), resources: [] }
        : { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'not here', reason: 'NotFound', code: 404 }
    response.writeHead(items || isRoot ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  adapter.listen(0, '127.0.0.1')
  await once(adapter, 'listening')
  t.after(async () => {
    adapter.closeAllConnections()
    adapter.close()
    await once(adapter, 'close')
  })
  await client.create(Namespace, { metadata: { name: 'default' } }).catch(() => {})
  await client.create(ServiceAccount, { metadata: { namespace: 'default', name: 'default' } })
  await client.create(Service, {
    metadata: { name: 'metrics', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  for (const path of [CUSTOM, EXTERNAL]) {
    const [, , group = '', version = ''] = path.split('/')
    const service = { namespace: 'default', name: 'metrics', port: (adapter.address() as AddressInfo).port }
    const caBundle = Buffer.from(authority.certificate).toString('base64')
    const name = `${version}.${group}`
    await client.create<APIService>(APIService, {
      metadata: { name },
      spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100, service, caBundle },
    })
    await eventually(async () => assert.equal((await made.condition(name)).status, 'True'))
  }
  await createDefinition(client)
  await eventually(() => createFleet(client, 'web', { replicas: 2 }))
  for (const name of ['web-0', 'web-1']) await createReadyPod(client, name, 'web')

  const clock = createVirtualClock(systemClock.now())
  const services = controllerServices({
    clientFor: (user) => server.clientFor(user),
    clock,
    random: systemRandom,
    log: silentLogger,
    rootCa: 'CERTIFICATE',
  })
  const own = services.filter(({ name }) => ['informers', 'controller-accounts', 'horizontal-pod-autoscaler-controller'].includes(name))
  const running = await startAll(own, { signal: new AbortController().signal, monotonic: () => clock.monotonic() })
  t.after(() => running[Symbol.asyncDispose]())
  const replicas = async () => ((await client.get(Fleet, { namespace: 'default', name: 'web' }))['spec'] as { replicas: number }).replicas
  return { client, clock, asked, replicas }
}

const metric = (name: string) => ({ name, selector: { matchLabels: { verb: 'GET' } } })
const average = (averageValue: string) => ({ type: 'AverageValue', averageValue })
const value = (amount: string) => ({ type: 'Value', value: amount })
const web = { kind: 'Service', name: 'web', apiVersion: 'v1' }

const CASES: [title: string, spec: MetricSpecV2, path: string, query: string, said: string][] = [
  [
    'of pods',
    { type: 'Pods', pods: { metric: metric('queue'), target: average('10') } },
    `${CUSTOM}/namespaces/default/pods/*/queue`,
    '?labelSelector=app=web&metricLabelSelector=verb=GET',
    'pods metric queue',
  ],
  [
    'of an object',
    { type: 'Object', object: { describedObject: web, metric: metric('hits'), target: value('20') } },
    `${CUSTOM}/namespaces/default/services/web/hits`,
    '?metricLabelSelector=verb=GET',
    'Service metric hits',
  ],
  [
    'from elsewhere',
    { type: 'External', external: { metric: metric('depth'), target: average('10') } },
    `${EXTERNAL}/namespaces/default/depth`,
    '?labelSelector=verb=GET',
    'external metric depth(&LabelSelector{MatchLabels:map[string]string{verb: GET,},MatchExpressions:[]LabelSelectorRequirement{},})',
  ],
]

for (const [title, spec, path, query, said] of CASES)
  test(`horizontalPodAutoscalerController scales by metrics ${title}`, async (t) => {
    const answer =
      spec.type === 'Object' ? [{ value: '40' }] : ['web-0', 'web-1'].map((name) => ({ describedObject: { name }, value: '20' }))
    const { client, clock, asked, replicas } = await adapted(t, { [path]: answer })
    await autoscaleFleet(client, 'web', { metrics: [spec] })
    await eventually(async () => {
      await clock.advance(16_000)
      assert.equal(await replicas(), 4)
    })
    assert.equal(asked[0], path + query)
    const active = `ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from ${said}`
    await eventually(async () => assert.ok((await conditionsOf(client, 'web')).includes(active)))
    const { status } = await client.get(HorizontalPodAutoscalerV2, { namespace: 'default', name: 'web' })
    assert.equal(status?.currentMetrics?.[0]?.type, spec.type)
  })

test('horizontalPodAutoscalerController names what an adapter does not tell', async (t) => {
  const { client, clock, replicas } = await adapted(t, {})
  await autoscaleFleet(client, 'web', { metrics: [CASES[0]![1]] })
  const why = 'unable to get metric queue: unable to fetch metrics from custom metrics API: not here'
  await eventually(async () => {
    await clock.advance(16_000)
    const said = `ScalingActive False FailedGetPodsMetric: the HPA was unable to compute the replica count: ${why}`
    assert.equal((await conditionsOf(client, 'web')).at(-1), said)
  })
  assert.equal(await replicas(), 2)
})

const described = (of: typeof web): MetricSpecV2 => ({
  type: 'Object',
  object: { describedObject: of, metric: metric('hits'), target: value('20') },
})
const OBJECTS: [title: string, spec: MetricSpecV2, values: number, why: string][] = [
  [
    'is told twice',
    described(web),
    2,
    'Service on default web/unable to fetch metrics from custom metrics API: the custom metrics API server returned 2 results when we asked for exactly one',
  ],
  [
    'is told nothing of',
    described(web),
    0,
    'Service on default web/unable to fetch metrics from custom metrics API: the custom metrics API server returned 0 results when we asked for exactly one',
  ],
  [
    'is of no kind',
    described({ kind: 'Shop', name: 'x', apiVersion: 'shop.io/v1' }),
    1,
    'Shop on default x/unable to fetch metrics from custom metrics API: unable to map kind Shop.shop.io to resource: no matches for kind "Shop" in group "shop.io"',
  ],
]

for (const [title, spec, values, why] of OBJECTS)
  test(`horizontalPodAutoscalerController says so where an object ${title}`, async (t) => {
    const answer = Array.from({ length: values }, () => ({ value: '40' }))
    const { client, clock } = await adapted(t, { [`${CUSTOM}/namespaces/default/services/web/hits`]: answer })
    await autoscaleFleet(client, 'web', { metrics: [spec] })
    const said = `ScalingActive False FailedGetObjectMetric: the HPA was unable to compute the replica count: unable to get metric hits: ${why}`
    await eventually(async () => {
      await clock.advance(16_000)
      assert.equal((await conditionsOf(client, 'web')).at(-1), said)
    })
  })

const UNABLE = 'the server is currently unable to handle the request'
const NAMESPACE: MetricSpecV2 = {
  type: 'Object',
  object: { describedObject: { apiVersion: 'v1', kind: 'Namespace', name: 'x' }, metric: metric('load'), target: value('1') },
}
for (const [title, spec, why] of [
  ['pods', CASES[0]![1], `${UNABLE} (get pods.custom.metrics.k8s.io *)`],
  ['an object', CASES[1]![1], `${UNABLE} (get services.custom.metrics.k8s.io web)`],
  ['a namespace', NAMESPACE, `${UNABLE} (get metrics.custom.metrics.k8s.io load)`],
  ['elsewhere', CASES[2]![1], `${UNABLE} (get depth.external.metrics.k8s.io)`],
] as const)
  test(`horizontalPodAutoscalerController says what it asked an adapter that is out of order, of ${title}`, async (t) => {
    const { client, clock } = await adapted(t, {}, { broken: true })
    await autoscaleFleet(client, 'web', { metrics: [spec] })
    await eventually(async () => {
      await clock.advance(16_000)
      assert.ok((await conditionsOf(client, 'web')).at(-1)?.endsWith(` metrics API: ${why}`))
    })
  })
