import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { keyOf } from '#api/object.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { limited } from './endpoints.ts'

const namespace = 'default'
const HOUR_MS = 3600_000
const only = ['endpointslice-controller', 'endpoints-controller', 'endpointslice-mirroring-controller']

const service = (spec: object): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace, name: 'web', labels: { tier: 'front' } },
  spec,
})
const createPod = ({ client }: TestCluster, name: string, more: object = {}, metadata: object = {}) =>
  client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: 'web' }, ...metadata },
    spec: { containers: [{ name: 'c', image: 'c:1', ports: [{ name: 'http', containerPort: 8080 }] }], ...more },
  })

async function slices({ client }: TestCluster): Promise<EndpointSlice[]> {
  return (await client.list(EndpointSlice, { namespace, labelSelector: 'kubernetes.io/service-name=web' })).items
}

const podNames = (all: readonly EndpointSlice[], ready: boolean) =>
  all
    .flatMap(({ endpoints }) =>
      (endpoints ?? []).filter(({ conditions }) => conditions?.ready === ready).map(({ targetRef }) => targetRef!.name!),
    )
    .sort()

async function started(t: Parameters<typeof startTestCluster>[0]): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.advance(100)
  return cluster
}

test('endpointSliceController and endpointsController follow the pods of a service', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  await client.create(Service, service({ selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] }))
  await createPod(cluster, 'a')
  await createPod(cluster, 'b')
  await createPod(cluster, 'idle', {}, { annotations: { 'test/phase': 'Pending' } })
  await createPod(cluster, 'done', {}, { annotations: { 'test/phase': 'Succeeded' } })
  const [slice] = await eventually(async () => {
    const all = await slices(cluster)
    return podNames(all, true).join() === 'a,b' && podNames(all, false).join() === 'idle' && all
  })
  assert.equal(slice!.addressType, 'IPv4')
  assert.deepEqual(slice!.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }])
  assert.deepEqual(slice!.metadata!.labels, {
    tier: 'front',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  })
  assert.match(slice!.metadata!.name!, /^web-/)
  assert.ok(slice!.metadata!.annotations!['endpoints.kubernetes.io/last-change-trigger-time'])
  const endpoints = await eventually(async () => {
    const current = await client.get(Endpoints, { namespace, name: 'web' })
    return current.subsets?.[0]?.addresses?.length === 2 && current
  })
  assert.deepEqual(endpoints.subsets![0]!.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }])
  assert.equal(endpoints.subsets![0]!.notReadyAddresses?.length, 1)
  assert.equal(endpoints.metadata!.labels!['endpoints.kubernetes.io/managed-by'], 'endpoint-controller')

  const [writes] = await slices(cluster)
  await cluster.advance(60_000)
  assert.equal((await slices(cluster))[0]!.metadata!.resourceVersion, writes!.metadata!.resourceVersion, 'rewritten without need')
  await client.delete(Pod, { namespace, name: 'a' })
  await eventually(async () => podNames(await slices(cluster), true).join() === 'b')
  await client.delete(Service, { namespace, name: 'web' })
  await eventually(async () => (await client.list(Endpoints, { namespace })).items.every(({ metadata }) => metadata?.name !== 'web'))
})

test('endpointSliceController keeps terminating pods as serving, but not ready', async (t) => {
  const cluster = await started(t)
  await cluster.client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  const pod = await createPod(cluster, 'a', {}, { finalizers: ['example.com/hold'] })
  await cluster.eventually(async () => podNames(await slices(cluster), true).join() === 'a')
  await cluster.client.delete(Pod, keyOf(pod))
  const endpoint = await cluster.eventually(async () => {
    const found = (await slices(cluster))[0]?.endpoints?.[0]
    return found?.conditions?.terminating && found
  })
  assert.deepEqual(endpoint.conditions, { ready: false, serving: true, terminating: true })
})

test('endpointSliceController gives headless services host names and unready pods where they ask for it', async (t) => {
  const cluster = await started(t)
  const spec = { clusterIP: 'None', selector: { app: 'web' }, publishNotReadyAddresses: true }
  await cluster.client.create(Service, service(spec))
  await createPod(cluster, 'a', { hostname: 'first', subdomain: 'web' }, { annotations: { 'test/phase': 'Pending' } })
  const [slice] = await cluster.eventually(async () => {
    const all = await slices(cluster)
    return podNames(all, true).join() === 'a' && all
  })
  assert.equal(slice!.endpoints![0]!.hostname, 'first')
  assert.equal(slice!.metadata!.labels!['service.kubernetes.io/headless'], '')
})

test('endpointSliceController cuts many endpoints into slices of a hundred', async (t) => {
  const cluster = await started(t)
  await cluster.client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  for (let i = 0; i < 120; i++) await createPod(cluster, `p${i}`)
  await cluster.eventually(async () => {
    const sizes = (await slices(cluster)).map(({ endpoints }) => endpoints?.length ?? 0)
    return sizes.reduce((sum, size) => sum + size, 0) === 120 && sizes.length >= 2 && Math.max(...sizes) <= 100
  })
})

test('endpointSliceMirroringController copies hand-written Endpoints, both families, and takes the copies away again', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  await client.create(Service, service({ ports: [{ port: 80 }] }))
  const endpoints: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { namespace, name: 'web', labels: { by: 'hand' } },
    subsets: [
      { addresses: [{ ip: '192.0.2.7' }, { ip: '2001:db8::7' }], notReadyAddresses: [{ ip: '192.0.2.8' }], ports: [{ port: 8080 }] },
    ],
  }
  await client.create(Endpoints, endpoints)
  const all = await eventually(async () => {
    const found = await slices(cluster)
    return found.length === 2 && found
  })
  assert.deepEqual(all.map(({ addressType }) => addressType).sort(), ['IPv4', 'IPv6'])
  const four = all.find(({ addressType }) => addressType === 'IPv4')!
  assert.deepEqual(
    four.endpoints!.map(({ addresses, conditions }) => [addresses[0], conditions?.ready]),
    [
      ['192.0.2.7', true],
      ['192.0.2.8', false],
    ],
  )
  assert.equal(four.metadata!.labels!['endpointslice.kubernetes.io/managed-by'], 'endpointslicemirroring-controller.k8s.io')
  await client.patch(
    Endpoints,
    { namespace, name: 'web' },
    { type: 'merge', patch: { metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } } },
  )
  await eventually(async () => (await slices(cluster)).length === 0)
})

test('endpointSliceController leaves pods out whose node is gone, unless all are wanted, and says so', async (t) => {
  const cluster = await started(t)
  const { client, eventually, events } = cluster
  await client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'here' } })
  for (const nodeName of ['here', 'gone']) await createPod(cluster, nodeName, { nodeName })
  await eventually(async () => podNames(await slices(cluster), true).join() === 'here')
  const text =
    'FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/web: skipping Pod gone for Service default/web: Node gone Not Found'
  await eventually(async () => (await events('web')).includes(text))
  await client.patch(Service, { namespace, name: 'web' }, { type: 'merge', patch: { spec: { publishNotReadyAddresses: true } } })
  await eventually(async () => podNames(await slices(cluster), true).join() === 'gone,here')
})

test('a service that cannot be followed is tried fifteen times again, then once something changes', async (t) => {
  const cluster = await started(t)
  const { client, eventually, advance, reconciles } = cluster
  const hard = { 'count/endpoints': '0' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace, name: 'none' }, spec: { hard } })
  await client.patch(
    ResourceQuota,
    { namespace, name: 'none' },
    { type: 'merge', patch: { status: { hard, used: hard } } },
    { subresource: 'status' },
  )
  await client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  await createPod(cluster, 'lost', { nodeName: 'gone' })
  await createPod(cluster, 'here')
  await eventually(async () => podNames(await slices(cluster), true).join() === 'here')
  const during = async (ms: number) => {
    const before = reconciles()
    await advance(ms)
    return reconciles() - before
  }
  // The slices': after 1, 2, 4 ... 512 s and five times 1000 s; that of Endpoints, from 5 ms on, after 164 s in all.
  const tried = await during(2 * HOUR_MS)
  assert.ok(tried >= 24 && tried <= 34, `${tried} passes`)
  assert.equal(await during(8 * HOUR_MS), 0)
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'gone' } })
  await client.delete(ResourceQuota, { namespace, name: 'none' })
  await client.patch(Service, { namespace, name: 'web' }, { type: 'merge', patch: { metadata: { labels: { tier: 'back' } } } })
  await eventually(async () => podNames(await slices(cluster), true).join() === 'here,lost')
  await eventually(() => client.get(Endpoints, { namespace, name: 'web' }))
})

test('endpointSliceMirroringController takes a thousand addresses of a set of ports, and says how many are left out', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  await client.create(Service, service({ ports: [{ port: 80 }] }))
  const addresses = (net: number, count: number) => Array.from({ length: count }, (_, i) => ({ ip: `10.${net}.${i >> 8}.${i & 255}` }))
  const ports = [{ port: 8080 }]
  const subsets = [
    { addresses: addresses(1, 900), ports },
    { addresses: addresses(2, 103), ports },
  ]
  const metadata = { namespace, name: 'web', annotations: { team: 'a', 'endpoints.kubernetes.io/last-change-trigger-time': 'x' } }
  await client.create(Endpoints, { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets })
  const [slice] = await eventually(async () => {
    const found = await slices(cluster)
    return found.length === 1 && found
  })
  assert.equal(slice!.endpoints!.length, 1000)
  assert.deepEqual(slice!.metadata!.annotations, { team: 'a' })
  const event = await eventually(async () =>
    (await client.list(CoreEvent)).items.find(({ reason }) => reason === 'TooManyAddressesToMirror'),
  )
  assert.equal(event.message, 'A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped')
  assert.deepEqual([event.type, event.source!.component], ['Warning', 'endpoint-slice-mirroring-controller'])
})

test('endpointSliceController writes slices again under their names, from the first empty one on', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  const key = { namespace, name: 'web' }
  await client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  const [empty] = await eventually(async () => {
    const all = await slices(cluster)
    return all.length === 1 && all
  })
  await createPod(cluster, 'a')
  await eventually(async () => podNames(await slices(cluster), true).join() === 'a')
  await client.patch(Service, key, { type: 'merge', patch: { spec: { ports: [{ port: 80, targetPort: 8080 }] } } })
  const all = await eventually(async () => {
    const found = await slices(cluster)
    return found.some(({ ports }) => ports?.[0]?.port === 8080) && found
  })
  assert.deepEqual(
    all.map(({ metadata }) => metadata!.uid),
    [empty!.metadata!.uid],
  )
  await client.delete(Pod, { namespace, name: 'a' })
  const rest = await eventually(async () => {
    const found = await slices(cluster)
    return podNames(found, true).length === 0 && found
  })
  assert.deepEqual(
    [rest.map(({ metadata, ports, endpoints }) => [metadata!.uid, ports ?? [], endpoints ?? []])],
    [[[empty!.metadata!.uid, [], []]]],
  )
})

test('endpointSliceController takes over no slice of an earlier service, and makes none for one that goes', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  await createPod(cluster, 'a')
  const labels = { 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' }
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'gone' }]
  await client.create(EndpointSlice, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: 'old', labels, ownerReferences },
    addressType: 'IPv4',
    ports: [{ name: '', port: 80, protocol: 'TCP' }],
    endpoints: [],
  })
  const held = service({ selector: { app: 'web' }, ports: [{ port: 80 }] })
  await client.create(Service, { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } })
  const [slice] = await eventually(async () => {
    const all = await slices(cluster)
    return all.length === 1 && all[0]!.metadata!.name !== 'old' && all
  })
  assert.deepEqual(podNames([slice!], true), ['a'])

  await client.delete(Service, { namespace, name: 'web' })
  await createPod(cluster, 'b')
  await eventually(async () => podNames(await slices(cluster), true).join() === 'a,b')
  await client.delete(EndpointSlice, keyOf(slice!))
  await cluster.advance(5000)
  assert.deepEqual(await slices(cluster), [])
})

test('endpointSliceController says what it could not do, and tries again', async (t) => {
  const cluster = await started(t)
  const { client, eventually, events } = cluster
  const hard = { 'count/endpointslices.discovery.k8s.io': '0' }
  const key = { namespace, name: 'none' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: key, spec: { hard } })
  await client.patch(ResourceQuota, key, { type: 'merge', patch: { status: { hard, used: hard } } }, { subresource: 'status' })
  await client.create(Service, service({ selector: { app: 'web' }, ports: [{ port: 80 }] }))
  const [event] = await eventually(async () => {
    const said = await events('web')
    return said.length > 0 && said
  })
  assert.match(
    event!,
    /^FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default\/web: failed to create EndpointSlice for Service default\/web: endpointslices\.discovery\.k8s\.io "web-\w+" is forbidden: exceeded quota: none,/,
  )
  await client.delete(ResourceQuota, key)
  await eventually(async () => (await slices(cluster)).length === 1)
})

test('endpointsController lists each set of addresses once, with the ports that all of them have', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  const ports = [
    { name: 'http', port: 80, targetPort: 'http' },
    { name: 'https', port: 443 },
  ]
  await client.create(Service, service({ selector: { app: 'web' }, ports }))
  await createPod(cluster, 'a')
  await createPod(cluster, 'b', { containers: [{ name: 'c', image: 'c:1', ports: [{ name: 'http', containerPort: 9090 }] }] })
  const { subsets } = await eventually(async () => {
    const found = await client.get(Endpoints, { namespace, name: 'web' })
    return found.subsets?.length === 3 && found
  })
  const brief = subsets!.map((subset) => [
    subset.ports!.map(({ port }) => port),
    subset.addresses!.map(({ targetRef }) => targetRef!.name!),
  ])
  assert.deepEqual(brief, [
    [[8080], ['a']],
    [[9090], ['b']],
    [[443], ['a', 'b']],
  ])
})

test('endpointSliceMirroringController writes slices again under their names, for those who own them now', async (t) => {
  const cluster = await started(t)
  const { client, eventually } = cluster
  const mirrored = async (port: number) => {
    const all = await slices(cluster)
    return all[0]?.ports?.[0]?.port === port && all
  }
  await client.create(Service, service({ ports: [{ port: 80 }] }))
  const subsets = (port: number) => [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port }] }]
  const metadata = { namespace, name: 'web' }
  const written: Endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets: subsets(80) }
  const made = await client.create(Endpoints, written)
  const [first] = await eventually(() => mirrored(80))
  await client.patch(Endpoints, metadata, { type: 'merge', patch: { subsets: subsets(81) } })
  const all = await eventually(() => mirrored(81))
  assert.deepEqual(
    all.map((slice) => [slice.metadata!.uid, slice.metadata!.ownerReferences![0]!.uid]),
    [[first!.metadata!.uid, made.metadata!.uid]],
  )
})

for (const [what, subsets, kept] of [
  ['leaves what fits alone', [[3, 3]], [[3, 3]]],
  ['cuts who is not ready first', [[3, 6]], [[3, 3]]],
  [
    'cuts each subset in proportion, rounded up',
    [
      [2, 4],
      [0, 2],
    ],
    [
      [2, 3],
      [0, 1],
    ],
  ],
  [
    'leaves nobody out who is ready where all of them fit, and nobody in who is not where they do not',
    [
      [6, 1],
      [3, 9],
    ],
    [
      [4, 0],
      [2, 0],
    ],
  ],
] as const) {
  test(`limited ${what}`, () => {
    const of = (kind: number, count: number) => Array.from({ length: count }, (_, i) => ({ ip: `10.0.${kind}.${i}` }))
    const found = limited(
      subsets.map(([ready, unready]) => ({ addresses: of(1, ready), notReadyAddresses: of(2, unready) })),
      6,
    )
    const sizes = found.subsets.map(({ addresses = [], notReadyAddresses = [] }) => [addresses.length, notReadyAddresses.length])
    assert.deepEqual(sizes, kept)
  })
}
