// Conformance tests of services' endpoints and of namespaces with pods in them, on simulated nodes; each named after its original.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoreV1Api, DiscoveryV1Api, type V1ServicePort } from '@kubernetes/client-node'
import { systemClock } from '#lib/clock.ts'
import { startSuite, type Json, type Suite } from './cluster.ts'

const IMAGE = 'registry.k8s.io/e2e-test-images/agnhost:2.55'

let suite: Suite
let core: CoreV1Api
let discovery: DiscoveryV1Api
before(async () => {
  suite = await startSuite({ nodes: 2 })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
  discovery = suite.kubeconfig.makeApiClient(DiscoveryV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const pod = (name: string, labels: Record<string, string>) => ({
  metadata: { name, labels },
  spec: {
    containers: [
      {
        name: 'container1',
        image: IMAGE,
        ports: [
          { name: 'example-name', containerPort: 3000 },
          { name: 'other-port', containerPort: 3001 },
        ],
      },
    ],
  },
})
const service = (name: string, selector: Record<string, string>, ports: V1ServicePort[]) => ({
  metadata: { name },
  spec: { selector, ports },
})

/** Two pods, one service of both with named target ports, one of the second alone with a number. */
async function podsAndServices(namespace: string): Promise<{ addresses: string[] }> {
  for (const body of [pod('pod1', { foo: 'bar', baz: 'qux' }), pod('pod2', { foo: 'bar' })])
    await core.createNamespacedPod({ namespace, body })
  const both = [
    { name: 'example', port: 80, targetPort: 'example-name', protocol: 'TCP' },
    { name: 'other', port: 81, targetPort: 'other-port', protocol: 'TCP' },
  ]
  await core.createNamespacedService({ namespace, body: service('both', { foo: 'bar' }, both) })
  const one = [{ name: 'plain', port: 8080, targetPort: 3000, protocol: 'TCP' }]
  await core.createNamespacedService({ namespace, body: service('one', { foo: 'bar', baz: 'qux' }, one) })
  const addresses = await Promise.all(
    ['pod1', 'pod2'].map((name) =>
      suite.eventually(`an address of ${name}`, async () => {
        const { status } = await core.readNamespacedPod({ namespace, name })
        return status?.phase === 'Running' && status.podIP
      }),
    ),
  )
  return { addresses }
}

const named = (ports: readonly { name?: string; port?: number }[] = []) => ports.map(({ name, port }) => `${name}:${port}`).toSorted()

describe('endpoints of services', () => {
  test('[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service [Conformance]', async () => {
    const namespace = await suite.namespace()
    const { addresses } = await podsAndServices(namespace)
    const slicesOf = async (name: string) =>
      (await discovery.listNamespacedEndpointSlice({ namespace, labelSelector: `kubernetes.io/service-name=${name}` })).items
    const told = async (name: string, count: number) =>
      suite.eventually(`${count} endpoints of ${name}`, async () => {
        const slices = await slicesOf(name)
        const endpoints = slices.flatMap((slice) => slice.endpoints ?? [])
        return endpoints.length === count && endpoints.every(({ conditions }) => conditions?.ready) && { slices, endpoints }
      })
    const both = await told('both', 2)
    assert.deepEqual(both.endpoints.map(({ addresses: [first] }) => first).toSorted(), addresses.toSorted())
    for (const { ports, addressType, metadata } of both.slices) {
      assert.deepEqual([addressType, named(ports)], ['IPv4', ['example:3000', 'other:3001']])
      assert.equal(metadata?.labels?.['endpointslice.kubernetes.io/managed-by'], 'endpointslice-controller.k8s.io')
      assert.equal(metadata?.ownerReferences?.[0]?.name, 'both')
    }
    for (const { targetRef, nodeName } of both.endpoints) {
      assert.equal(targetRef?.kind, 'Pod')
      const found = await core.readNamespacedPod({ namespace, name: targetRef!.name! })
      assert.deepEqual([found.metadata?.uid, found.spec?.nodeName], [targetRef?.uid, nodeName])
    }
    const one = await told('one', 1)
    assert.deepEqual([one.endpoints[0]!.addresses, named(one.slices[0]!.ports)], [[addresses[0]], ['plain:3000']])
    for (const name of ['both', 'one']) {
      await core.deleteNamespacedService({ namespace, name })
      await suite.eventually(`no slices of ${name}`, async () => (await slicesOf(name)).length === 0)
    }
  })

  test('[sig-network] EndpointsController should create Endpoints for Pods matching a Service [Conformance]', async () => {
    const namespace = await suite.namespace()
    const { addresses } = await podsAndServices(namespace)
    const subsetsOf = (name: string, count: number) =>
      suite.eventually(`${count} addresses of ${name}`, async () => {
        const { subsets } = await suite.ok('GET', `/api/v1/namespaces/${namespace}/endpoints/${name}`)
        return (subsets ?? []).flatMap((one: Json) => one['addresses'] ?? []).length === count && (subsets as Json[])
      })
    const both = await subsetsOf('both', 2)
    assert.deepEqual(both.flatMap((one) => one['addresses'].map(({ ip }: Json) => ip)).toSorted(), addresses.toSorted())
    assert.deepEqual(
      both.map((one) => named(one['ports'])),
      [['example:3000', 'other:3001']],
    )
    for (const { targetRef } of both[0]!['addresses']) assert.match(targetRef.name, /^pod[12]$/)
    const one = await subsetsOf('one', 1)
    assert.deepEqual([one[0]!['addresses'][0].ip, named(one[0]!['ports'])], [addresses[0], ['plain:3000']])
    for (const name of ['both', 'one']) {
      await core.deleteNamespacedService({ namespace, name })
      const path = `/api/v1/namespaces/${namespace}/endpoints/${name}`
      await suite.eventually(`no endpoints of ${name}`, async () => (await suite.ask('GET', path)).code === 404)
    }
  })

  test('[sig-network] Service endpoints latency should not be very high [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labels = { name: 'svc-latency-rc' }
    const template = { ...pod('', labels), metadata: { labels } }
    await core.createNamespacedReplicationController({
      namespace,
      body: { metadata: { name: 'svc-latency-rc' }, spec: { replicas: 1, selector: labels, template } },
    })
    await suite.eventually('a ready pod', async () => {
      const { status } = await core.readNamespacedReplicationController({ namespace, name: 'svc-latency-rc' })
      return status?.readyReplicas === 1
    })
    const created = new Map<string, number>()
    const latencies = new Map<string, number>()
    using told = await suite.watch(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`)
    const look = () => {
      for (const { object } of told.events.splice(0)) {
        const name: string = object['metadata'].labels['kubernetes.io/service-name']
        const began = created.get(name)
        if (began !== undefined && !latencies.has(name) && object['endpoints']?.length) latencies.set(name, systemClock.monotonic() - began)
      }
    }
    const total = 200
    const names = Array.from({ length: total }, (_, i) => `latency-svc-${i}`)
    const make = async (name: string) => {
      created.set(name, systemClock.monotonic())
      await core.createNamespacedService({ namespace, body: service(name, labels, [{ port: 80, protocol: 'TCP' }]) })
    }
    // Fifteen at a time, as the original.
    const left = [...names]
    await Promise.all(
      Array.from({ length: 15 }, async () => {
        for (let name = left.shift(); name; name = left.shift()) {
          await make(name)
          look()
        }
      }),
    )
    await suite.eventually('endpoints of every service', () => {
      look()
      if (latencies.size === total) return true
      throw new Error(`${latencies.size} of ${created.size} services have some; the watch says: ${told.failed() ?? 'nothing'}`)
    })
    const sorted = [...latencies.values()].toSorted((a, b) => a - b)
    assert.ok(sorted[Math.floor(total * 0.5)]! < 20_000, `half of them within ${sorted[100]} ms`)
    assert.ok(sorted[Math.floor(total * 0.99)]! < 50_000, `99 % of them within ${sorted[198]} ms`)
  })
})

describe('namespaces with pods', () => {
  test('[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted [Conformance]', async () => {
    const namespace = await suite.namespace()
    await core.createNamespacedPod({ namespace, body: pod('test-pod', {}) })
    await suite.eventually('a running pod', async () => {
      const { status } = await core.readNamespacedPod({ namespace, name: 'test-pod' })
      return status?.phase === 'Running'
    })
    await core.deleteNamespace({ name: namespace })
    await suite.eventually('no namespace', async () => (await suite.ask('GET', `/api/v1/namespaces/${namespace}`)).code === 404)
    await core.createNamespace({ body: { metadata: { name: namespace } } })
    assert.equal((await suite.ask('GET', `/api/v1/namespaces/${namespace}/pods/test-pod`)).code, 404)
    assert.deepEqual((await core.listNamespacedPod({ namespace })).items, [])
  })
})
