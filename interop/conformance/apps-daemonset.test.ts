// Conformance tests of daemon sets and their revisions, each named after its original. They share the nodes, so one runs after the other.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AppsV1Api, CoreV1Api, type V1DaemonSet } from '@kubernetes/client-node'
import { type Json, merge, NEW, OLD, startSuite, strategic, type Suite } from './cluster.ts'

const NODES = 3

let suite: Suite
let core: CoreV1Api
let apps: AppsV1Api
before(async () => {
  suite = await startSuite({ nodes: NODES })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
  apps = suite.kubeconfig.makeApiClient(AppsV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const name = 'daemon-set'
const LABELS = { 'daemonset-name': name }
const daemon = (more: Partial<V1DaemonSet['spec']> = {}, podSpec: object = {}, labels: Record<string, string> = LABELS): V1DaemonSet => ({
  metadata: { name, labels },
  spec: {
    selector: { matchLabels: LABELS },
    template: {
      metadata: { labels: LABELS },
      spec: { containers: [{ name: 'app', image: OLD, ports: [{ containerPort: 9376 }] }], ...podSpec },
    },
    ...more,
  },
})
const pathOf = (namespace: string, subresource = '') => `/apis/apps/v1/namespaces/${namespace}/daemonsets/${name}${subresource}`

/** Pods of it that are not going away. */
const podsOf = async (namespace: string): Promise<Json[]> =>
  (await suite.ok('GET', `/api/v1/namespaces/${namespace}/pods`)).items.filter(({ metadata }: Json) => !metadata.deletionTimestamp)
const isReady = ({ status }: Json) => status.conditions?.some(({ type, status: is }: Json) => type === 'Ready' && is === 'True')
/** One ready pod on each of these nodes, and nowhere else. */
const runsOn = (namespace: string, nodes: readonly string[]) =>
  suite.eventually(`a daemon on ${nodes.join(', ') || 'no node'}`, async () => {
    const pods = await podsOf(namespace)
    return (
      pods.every(isReady) &&
      pods
        .map(({ spec }) => spec.nodeName)
        .toSorted()
        .join() === nodes.toSorted().join() &&
      pods
    )
  })
const everyNode = async () => (await core.listNode()).items.map(({ metadata }) => metadata!.name!)
const patch = (namespace: string, body: Json) => suite.ok('PATCH', pathOf(namespace), { type: strategic, body })
const image = (reference: string) => ({ spec: { template: { spec: { containers: [{ name: 'app', image: reference }] } } } })
const revisions = async (namespace: string) =>
  (await apps.listNamespacedControllerRevision({ namespace, labelSelector: `daemonset-name=${name}` })).items.toSorted(
    (a, b) => a.revision - b.revision,
  )
const hashOf = (revision: Json) => revision.metadata.labels['controller-revision-hash'] as string
const remove = async (namespace: string) => {
  await apps.deleteNamespacedDaemonSet({ namespace, name })
  await suite.gone(pathOf(namespace))
  await suite.eventually('no daemon', async () => (await podsOf(namespace)).length === 0)
}

test('[sig-apps] Daemon set [Serial] should run and stop simple daemon [Conformance]', async () => {
  const namespace = await suite.namespace()
  await apps.createNamespacedDaemonSet({ namespace, body: daemon() })
  const [pod] = await runsOn(namespace, await everyNode())
  await suite.eventually('a status that says so', async () => (await suite.ok('GET', pathOf(namespace))).status.numberReady === NODES)
  await core.deleteNamespacedPod({ namespace, name: pod!.metadata.name, gracePeriodSeconds: 0 })
  const again = await suite.eventually('the daemon again', async () => {
    const pods = await runsOn(namespace, await everyNode())
    return pods.every(({ metadata }) => metadata.uid !== pod!.metadata.uid) && pods
  })
  assert.equal(again.length, NODES)
  await remove(namespace)
})

test('[sig-apps] Daemon set [Serial] should run and stop complex daemon [Conformance]', async () => {
  const namespace = await suite.namespace()
  const [node] = await everyNode()
  const paint = (color: string | null) =>
    suite.ok('PATCH', `/api/v1/nodes/${node}`, { type: merge, body: { metadata: { labels: { color } } } })
  await apps.createNamespacedDaemonSet({ namespace, body: daemon({}, { nodeSelector: { color: 'blue' } }) })
  await suite.eventually('a daemon that is wanted nowhere', async () => {
    const { status } = await suite.ok('GET', pathOf(namespace))
    return status.observedGeneration === 1 && status.desiredNumberScheduled === 0
  })
  await runsOn(namespace, [])
  await paint('blue')
  await runsOn(namespace, [node!])
  await paint('green')
  await runsOn(namespace, [])
  await patch(namespace, { spec: { updateStrategy: { type: 'RollingUpdate' }, template: { spec: { nodeSelector: { color: 'green' } } } } })
  await runsOn(namespace, [node!])
  await paint(null)
  await runsOn(namespace, [])
  await remove(namespace)
})

test('[sig-apps] Daemon set [Serial] should retry creating failed daemon pods [Conformance]', async () => {
  const namespace = await suite.namespace()
  await apps.createNamespacedDaemonSet({ namespace, body: daemon() })
  const [pod] = await runsOn(namespace, await everyNode())
  const path = `/api/v1/namespaces/${namespace}/pods/${pod!.metadata.name}`
  await suite.updated(`${path}/status`, (failed) => {
    failed.status = { ...failed.status, phase: 'Failed' }
  })
  await suite.gone(path)
  const pods = await runsOn(namespace, await everyNode())
  assert.ok(pods.every(({ metadata }) => metadata.uid !== pod!.metadata.uid))
  await remove(namespace)
})

test('[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is RollingUpdate [Conformance]', async () => {
  const namespace = await suite.namespace()
  await apps.createNamespacedDaemonSet({ namespace, body: daemon({ updateStrategy: { type: 'RollingUpdate' } }) })
  const first = await runsOn(namespace, await everyNode())
  const [one] = await revisions(namespace)
  assert.equal(one!.revision, 1)
  assert.ok(first.every(({ metadata }) => metadata.labels['controller-revision-hash'] === hashOf(one!)))

  await patch(namespace, image(NEW))
  await suite.eventually('the new image everywhere', async () => {
    const pods = await runsOn(namespace, await everyNode())
    return pods.every(({ spec }) => spec.containers[0].image === NEW)
  })
  const [, two] = await revisions(namespace)
  assert.equal(two!.revision, 2)
  for (const { metadata } of await podsOf(namespace)) assert.equal(metadata.labels['controller-revision-hash'], hashOf(two!))
  await remove(namespace)
})

test('[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts [Conformance]', async () => {
  const namespace = await suite.namespace()
  await apps.createNamespacedDaemonSet({ namespace, body: daemon({ updateStrategy: { type: 'RollingUpdate' } }) })
  const before = await runsOn(namespace, await everyNode())
  const bad = 'registry.invalid/foo:non-existent'
  await patch(namespace, image(bad))
  const during = await suite.eventually('a pod that cannot start', async () => {
    const pods = await podsOf(namespace)
    return pods.length === NODES && pods.some(({ spec, status }) => spec.containers[0].image === bad && status.phase === 'Pending') && pods
  })
  const untouched = during.filter(({ spec }) => spec.containers[0].image === OLD).map(({ metadata }) => metadata.uid)
  assert.equal(untouched.length, NODES - 1)

  await patch(namespace, image(OLD))
  const after = await suite.eventually('the old image everywhere', async () => {
    const pods = await runsOn(namespace, await everyNode())
    return pods.every(({ spec }) => spec.containers[0].image === OLD) && pods
  })
  const kept = after.filter(({ metadata }) => before.some((pod) => pod.metadata.uid === metadata.uid))
  assert.deepEqual(kept.map(({ metadata }) => metadata.uid).toSorted(), untouched.toSorted())
  assert.ok(kept.every(({ status }) => status.containerStatuses[0].restartCount === 0))
  await remove(namespace)
})

test('[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets [Conformance]', async () => {
  const namespace = await suite.namespace()
  const labelSelector = 'e2e=collection'
  await apps.createNamespacedDaemonSet({ namespace, body: daemon({}, {}, { e2e: 'collection' }) })
  await runsOn(namespace, await everyNode())
  const { items } = await apps.listDaemonSetForAllNamespaces({ labelSelector })
  assert.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    [name],
  )
  await apps.deleteCollectionNamespacedDaemonSet({ namespace, labelSelector })
  assert.deepEqual((await apps.listDaemonSetForAllNamespaces({ labelSelector })).items, [])
  await suite.eventually('no daemon', async () => (await podsOf(namespace)).length === 0)
})

test('[sig-apps] Daemon set [Serial] should verify changes to a daemon set status [Conformance]', async () => {
  const namespace = await suite.namespace()
  using told = await suite.watch(`/apis/apps/v1/namespaces/${namespace}/daemonsets`)
  await apps.createNamespacedDaemonSet({ namespace, body: daemon() })
  await runsOn(namespace, await everyNode())
  const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test' }
  const updated = await suite.updated(pathOf(namespace, '/status'), ({ status }) => {
    status.conditions = [...(status.conditions ?? []), condition]
  })
  assert.deepEqual(
    updated.status.conditions.map(({ type, reason }: Json) => [type, reason]),
    [['StatusUpdate', 'E2E']],
  )
  await told.until((events) => events.some(({ object }) => object.status.conditions?.[0]?.type === 'StatusUpdate'))
  const patched = await suite.ok('PATCH', pathOf(namespace, '/status'), {
    type: merge,
    body: { metadata: { annotations: { patched: 'yes' } }, status: { conditions: [{ type: 'StatusPatched', status: 'True' }] } },
  })
  assert.deepEqual(
    patched.status.conditions.map(({ type }: Json) => type),
    ['StatusPatched'],
  )
  await told.until((events) => events.some(({ object }) => object.status.conditions?.[0]?.type === 'StatusPatched'))
  await remove(namespace)
})

test('[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision [Conformance]', async () => {
  const namespace = await suite.namespace()
  const collection = `/apis/apps/v1/namespaces/${namespace}/controllerrevisions`
  const listed = async (labelSelector: string) => (await apps.listNamespacedControllerRevision({ namespace, labelSelector })).items
  await apps.createNamespacedDaemonSet({ namespace, body: daemon() })
  await runsOn(namespace, await everyNode())
  const [initial] = await revisions(namespace)
  assert.deepEqual(
    initial!.metadata?.ownerReferences?.map(({ kind, name: owner }) => [kind, owner]),
    [['DaemonSet', name]],
  )
  const initialName = initial!.metadata!.name!
  assert.equal((await apps.readNamespacedControllerRevision({ namespace, name: initialName })).revision, 1)
  const everywhere = await apps.listControllerRevisionForAllNamespaces({ labelSelector: `daemonset-name=${name}` })
  const here = everywhere.items.filter(({ metadata }) => metadata?.namespace === namespace)
  assert.deepEqual(
    here.map(({ metadata }) => metadata?.name),
    [initialName],
  )

  const patched = await suite.ok('PATCH', `${collection}/${initialName}`, {
    type: merge,
    body: { metadata: { labels: { [initialName]: 'patched' } } },
  })
  assert.equal(patched.metadata.labels[initialName], 'patched')
  const copy = await apps.createNamespacedControllerRevision({
    namespace,
    body: {
      metadata: { name: `${initialName}-copy`, labels: { ...LABELS, copied: 'yes' }, ownerReferences: initial!.metadata!.ownerReferences! },
      data: initial!.data as object,
      revision: 2,
    },
  })
  await suite.ok('DELETE', `${collection}/${initialName}`)
  await suite.eventually('one revision besides the current one', async () => (await listed('copied=yes')).length === 1)

  const updated = await suite.updated(`${collection}/${copy.metadata!.name}`, ({ metadata }) => {
    metadata.labels.copied = 'updated'
  })
  assert.equal(updated.metadata.labels.copied, 'updated')
  // Its data may not change.
  const refused = await suite.ask('PUT', `${collection}/${copy.metadata!.name}`, { body: { ...updated, data: { spec: {} } } })
  assert.equal(refused.code, 422)
  await patch(namespace, image(NEW))
  await suite.eventually('a revision of the new image', async () => (await revisions(namespace)).some(({ revision }) => revision > 2))
  await apps.deleteCollectionNamespacedControllerRevision({ namespace, labelSelector: 'copied=updated' })
  await suite.eventually('the copy gone', async () => (await listed('copied=updated')).length === 0)
  await remove(namespace)
})

test('[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]', async () => {
  const { items } = await core.listNode()
  const free = items.filter(({ spec, status }) => {
    const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
    return ready && !spec?.unschedulable && !spec?.taints?.some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute')
  })
  assert.ok(free.length >= 2)
})
