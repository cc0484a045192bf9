// Conformance tests of pods whose containers need to do nothing, on simulated nodes; each named after its original.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node'
import { virtual } from '#main/testing.ts'
import { type Json, startSuite, strategic, type Suite } from './cluster.ts'

let suite: Suite
let core: CoreV1Api
before(async () => {
  suite = await startSuite({ nodes: 2 })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const podOf = (name: string, labels: Record<string, string> = {}, more: Partial<V1Pod['spec']> = {}): V1Pod => ({
  metadata: { name, labels },
  spec: { containers: [{ name: 'main', image: 'registry.k8s.io/e2e-test-images/agnhost:2.55', args: ['pause'] }], ...more },
})
const pathOf = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/pods/${name}`
const isReady = ({ status }: Json) =>
  status.phase === 'Running' && status.conditions?.some(({ type, status: is }: Json) => type === 'Ready' && is === 'True')
const running = (namespace: string, name: string) =>
  suite.eventually(`${name} running`, async () => {
    const pod = await suite.ok('GET', pathOf(namespace, name))
    return isReady(pod) && pod
  })
const updated = (namespace: string, name: string, change: (pod: Json) => void, subresource = '') =>
  suite.updated(`${pathOf(namespace, name)}${subresource}`, change)

describe('pods', { concurrency: 4 }, () => {
  test('[sig-node] Pods should get a host IP [NodeConformance] [Conformance]', async () => {
    const namespace = await suite.namespace()
    await core.createNamespacedPod({ namespace, body: podOf('pod-hostip') })
    const { status, spec } = await running(namespace, 'pod-hostip')
    const node = await core.readNode({ name: spec.nodeName })
    const address = node.status!.addresses!.find(({ type }) => type === 'InternalIP')!.address
    assert.deepEqual([status.hostIP, status.hostIPs], [address, [{ ip: address }]])
  })

  test('[sig-node] Pods should be submitted and removed [NodeConformance] [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-submit-remove'
    const labelSelector = 'time=now'
    const empty = await core.listNamespacedPod({ namespace, labelSelector })
    assert.deepEqual(empty.items, [])
    using told = await suite.watch(`/api/v1/namespaces/${namespace}/pods`, {
      labelSelector,
      resourceVersion: empty.metadata!.resourceVersion!,
    })
    await core.createNamespacedPod({ namespace, body: podOf(name, { name: 'foo', time: 'now' }, { terminationGracePeriodSeconds: 0 }) })
    assert.equal((await core.listNamespacedPod({ namespace, labelSelector })).items.length, 1)
    await told.until((events) => events[0]?.type === 'ADDED')
    const pod = await running(namespace, name)
    await core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 30 })
    await told.until((events) => events.at(-1)?.type === 'DELETED')
    const last = told.events.at(-1)!.object
    assert.deepEqual([last.metadata.uid, typeof last.metadata.deletionTimestamp], [pod.metadata.uid, 'string'])
    assert.equal(typeof last.metadata.deletionGracePeriodSeconds, 'number')
    assert.deepEqual((await core.listNamespacedPod({ namespace, labelSelector })).items, [])
  })

  test('[sig-node] Pods should be updated [NodeConformance] [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-update'
    await core.createNamespacedPod({ namespace, body: podOf(name, { name: 'foo', time: 'first' }) })
    await running(namespace, name)
    assert.equal((await core.listNamespacedPod({ namespace, labelSelector: 'time=first' })).items.length, 1)
    await updated(namespace, name, ({ metadata }) => void (metadata.labels.time = 'updated-first'))
    await running(namespace, name)
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'time=updated-first' })
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      [name],
    )
  })

  test('[sig-node] Pods should delete a collection of pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labelSelector = 'type=Testing'
    const names = ['test-pod-1', 'test-pod-2', 'test-pod-3']
    for (const name of names) {
      const body = podOf(name, { type: 'Testing' }, { terminationGracePeriodSeconds: 1, restartPolicy: 'Never' })
      await core.createNamespacedPod({ namespace, body })
    }
    for (const name of names) await running(namespace, name)
    await core.deleteCollectionNamespacedPod({ namespace, labelSelector, gracePeriodSeconds: 1 })
    await suite.eventually('no pods', async () => (await core.listNamespacedPod({ namespace, labelSelector })).items.length === 0)
  })

  test('[sig-node] Pods should patch a pod status [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-status'
    await core.createNamespacedPod({ namespace, body: podOf(name, { app: name }, { terminationGracePeriodSeconds: 1 }) })
    const before = await running(namespace, name)
    const patched = await suite.ok('PATCH', `${pathOf(namespace, name)}/status`, {
      type: strategic,
      body: { metadata: { annotations: { 'e2e.example.com/patched': 'yes' } }, status: { message: 'Patched by e2e test', reason: 'E2E' } },
    })
    assert.deepEqual([patched.status.message, patched.status.reason], ['Patched by e2e test', 'E2E'])
    assert.equal(patched.metadata.uid, before.metadata.uid)
    assert.deepEqual(patched.spec, before.spec)
    await core.deleteNamespacedPod({ namespace, name })
    await suite.gone(pathOf(namespace, name))
  })

  test('[sig-node] Pods should run through the lifecycle of Pods and PodStatus [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-test'
    const labelSelector = 'test-pod-static=true'
    using told = await suite.watch(`/api/v1/namespaces/${namespace}/pods`, { labelSelector })
    await core.createNamespacedPod({ namespace, body: podOf(name, { 'test-pod-static': 'true' }, { terminationGracePeriodSeconds: 1 }) })
    await told.until((events) => events.some(({ object }) => isReady(object)))
    await suite.ok('PATCH', pathOf(namespace, name), {
      type: strategic,
      body: {
        metadata: { labels: { 'test-pod': 'patched' } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'registry.k8s.io/e2e-test-images/httpd:2.4.38-4' }] },
      },
    })
    await told.until((events) => events.some(({ type, object }) => type === 'MODIFIED' && object.metadata.labels['test-pod'] === 'patched'))
    const pod = await suite.ok('GET', pathOf(namespace, name))
    assert.equal(pod.spec.containers[0].image, 'registry.k8s.io/e2e-test-images/httpd:2.4.38-4')

    const concerned = (conditions: Json[]) => conditions.filter(({ type }) => type === 'Ready' || type === 'ContainersReady')
    const replaced = await updated(
      namespace,
      name,
      ({ status }) => concerned(status.conditions).forEach((one) => void (one.status = 'False')),
      '/status',
    )
    assert.deepEqual(
      concerned(replaced.status.conditions).map(({ status }) => status),
      ['False', 'False'],
    )
    await core.deleteCollectionNamespacedPod({ namespace, labelSelector, gracePeriodSeconds: 1 })
    await told.until((events) => events.at(-1)?.type === 'DELETED')
    assert.equal((await suite.ask('GET', pathOf(namespace, name))).code, 404)
  })

  test('[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34] [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-generation'
    const body = podOf(name, {}, { initContainers: [{ name: 'init', image: 'busybox:1' }] })
    assert.equal((await core.createNamespacedPod({ namespace, body })).metadata?.generation, 1)
    await running(namespace, name)
    const changes: [what: string, grows: boolean, change: (pod: Json) => void][] = [
      ['nothing', false, () => {}],
      ['tolerations', true, ({ spec }) => spec.tolerations.push({ key: 'foo', operator: 'Equal', value: 'bar', effect: 'NoSchedule' })],
      ['activeDeadlineSeconds', true, ({ spec }) => void (spec.activeDeadlineSeconds = 5000)],
      ['the image of a container', true, ({ spec }) => void (spec.containers[0].image = 'nginx:1')],
      ['the image of an init container', true, ({ spec }) => void (spec.initContainers[0].image = 'pause:3')],
      ['metadata', false, ({ metadata }) => void (metadata.annotations = { key: 'value' })],
      ['the generation itself', false, ({ metadata }) => void (metadata.generation = 1)],
    ]
    let expected = 1
    for (const [what, grows, change] of changes) {
      await updated(namespace, name, change)
      if (grows) expected++
      assert.equal((await suite.ok('GET', pathOf(namespace, name))).metadata.generation, expected, what)
      await suite.eventually(`generation ${expected} observed`, async () => {
        const { status } = await suite.ok('GET', pathOf(namespace, name))
        return (
          status.observedGeneration === expected &&
          status.conditions.every((one: Json) => one.type === 'PodScheduled' || one.observedGeneration === expected)
        )
      })
    }
  })

  test('[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-generation'
    const body = podOf(name)
    body.metadata!.generation = 100
    // It outlives its container, so that what deleting made of it can be read.
    body.metadata!.finalizers = ['e2e.example.com/hold']
    assert.equal((await core.createNamespacedPod({ namespace, body })).metadata?.generation, 1)
    await running(namespace, name)
    assert.equal((await suite.ask('DELETE', `${pathOf(namespace, name)}?gracePeriodSeconds=60`)).code, 200)
    const deleted = await suite.ok('GET', pathOf(namespace, name))
    assert.deepEqual([deleted.metadata.generation, typeof deleted.metadata.deletionTimestamp], [2, 'string'])
    await suite.ok('PATCH', pathOf(namespace, name), {
      type: strategic,
      body: { metadata: { '$deleteFromPrimitiveList/finalizers': ['e2e.example.com/hold'] } },
    })
    await suite.gone(pathOf(namespace, name))
  })

  test('[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34] [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'pod-generation'
    await core.createNamespacedPod({ namespace, body: podOf(name, {}, { activeDeadlineSeconds: 100_000 }) })
    await running(namespace, name)
    for (let count = 1; count <= 500; count++)
      await suite.ok('PATCH', pathOf(namespace, name), { type: strategic, body: { spec: { activeDeadlineSeconds: 100_000 - count } } })
    assert.equal((await suite.ok('GET', pathOf(namespace, name))).metadata.generation, 501)
    await suite.eventually(
      'generation 501 observed',
      async () => (await suite.ok('GET', pathOf(namespace, name))).status.observedGeneration === 501,
    )
  })
})

test('[sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance] [Conformance]', async () => {
  await using moved = await startSuite({ nodes: 1, clock: virtual() })
  const namespace = await moved.namespace()
  const path = pathOf(namespace, 'pod-deadline')
  await moved.ok('POST', `/api/v1/namespaces/${namespace}/pods`, { body: podOf('pod-deadline', { name: 'foo' }) })
  await moved.cluster.idle()
  assert.equal((await moved.ok('GET', path)).status.phase, 'Running')
  await moved.ok('PATCH', path, { type: strategic, body: { spec: { activeDeadlineSeconds: 5 } } })
  await moved.cluster.advance('6s')
  const { status } = await moved.ok('GET', path)
  assert.deepEqual([status.phase, status.reason], ['Failed', 'DeadlineExceeded'])
})
