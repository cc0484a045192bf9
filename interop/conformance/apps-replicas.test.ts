// Conformance tests of replica sets, replication controllers, stateful sets and jobs that need no container; each named after its original.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppsV1Api, BatchV1Api, CoreV1Api } from '@kubernetes/client-node'
import { type Json, merge, NEW, OLD, startSuite, strategic, type Suite } from './cluster.ts'

let suite: Suite
let core: CoreV1Api
let apps: AppsV1Api
before(async () => {
  suite = await startSuite({ nodes: 2 })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
  apps = suite.kubeconfig.makeApiClient(AppsV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const labels = { name: 'sample-pod', pod: 'httpd' }
const selector = 'name=sample-pod'
const pod = (podLabels: Record<string, string> = labels) => ({
  metadata: { labels: podLabels },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: OLD }] },
})
const pathOf = (namespace: string, plural: string, name = '', subresource = '') =>
  `${plural === 'replicationcontrollers' || plural === 'pods' ? '/api/v1' : '/apis/apps/v1'}/namespaces/${namespace}/${plural}${name ? `/${name}` : ''}${subresource}`
const ready = (path: string, count: number) =>
  suite.eventually(`${count} ready replicas of ${path}`, async () => {
    const object = await suite.ok('GET', path)
    const { replicas = 0, readyReplicas = 0 } = object.status ?? {}
    return replicas === count && readyReplicas === count && object.spec.replicas === count && object
  })
const seen = (told: { events: { type: string; object: Json }[] }, what: string, check: (object: Json, type: string) => boolean) =>
  suite.eventually(what, () => told.events.some(({ type, object }) => check(object, type)))
const controllerOf = ({ metadata }: Json) => metadata.ownerReferences?.find(({ controller }: Json) => controller)
const hasCondition =
  (type: string, reason?: string) =>
  ({ status }: Json) =>
    Boolean(status?.conditions?.some((one: Json) => one.type === type && (!reason || one.reason === reason)))

/** A pod that fits is taken over; one that no longer fits is let go and replaced. */
async function adopts(namespace: string, plural: string, make: (podLabels: Record<string, string>) => Promise<Json>): Promise<void> {
  const own = { name: 'pod-adoption-release' }
  await suite.ok('POST', pathOf(namespace, 'pods'), { body: { ...pod(own), metadata: { name: 'orphan', labels: own } } })
  const { metadata } = await make(own)
  await suite.eventually(
    'an adopted pod',
    async () => controllerOf(await suite.ok('GET', pathOf(namespace, 'pods', 'orphan')))?.uid === metadata.uid,
  )
  const { items } = await suite.ok('GET', pathOf(namespace, 'pods'))
  assert.deepEqual(
    items.map((one: Json) => one.metadata.name),
    ['orphan'],
  )
}
async function releases(namespace: string, uid: string): Promise<void> {
  const owned = async () =>
    (await suite.ok('GET', pathOf(namespace, 'pods'))).items.filter((one: Json) => controllerOf(one)?.uid === uid) as Json[]
  const [first] = await suite.eventually('an owned pod', async () => {
    const pods = await owned()
    return pods.length > 0 && pods
  })
  const path = pathOf(namespace, 'pods', first!.metadata.name)
  await suite.ok('PATCH', path, { type: merge, body: { metadata: { labels: { name: 'not-matching-name' } } } })
  await suite.eventually('a released pod', async () => !controllerOf(await suite.ok('GET', path)))
  await suite.eventually('another in its place', async () => (await owned()).some(({ metadata }) => metadata.name !== first!.metadata.name))
}

async function scales(namespace: string, plural: string, name: string, to: readonly number[]): Promise<void> {
  const path = pathOf(namespace, plural, name)
  const scale = await suite.ok('GET', `${path}/scale`)
  assert.deepEqual([scale.kind, scale.apiVersion, scale.spec.replicas, scale.status.replicas], ['Scale', 'autoscaling/v1', 1, 1])
  const updated = await suite.ok('PUT', `${path}/scale`, {
    body: { ...scale, metadata: { ...scale.metadata, resourceVersion: '' }, spec: { replicas: to[0] } },
  })
  assert.equal(updated.spec.replicas, to[0])
  assert.equal((await suite.ok('GET', path)).spec.replicas, to[0])
  if (to[1] !== undefined) {
    await suite.ok('PATCH', `${path}/scale`, { type: merge, body: { spec: { replicas: to[1] } } })
    assert.equal((await suite.ok('GET', path)).spec.replicas, to[1])
  }
  await ready(path, to.at(-1)!)
}

/** Conditions put into a status by update, then by patch, are told to who watches. */
async function tellsItsStatus(namespace: string, plural: string, name: string): Promise<void> {
  using told = await suite.watch(pathOf(namespace, plural))
  const path = pathOf(namespace, plural, name, '/status')
  assert.equal((await suite.ok('GET', path)).metadata.name, name)
  await suite.updated(path, (object) => {
    const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test' }
    object.status.conditions = [...(object.status.conditions ?? []), condition]
  })
  await seen(told, 'the updated status', hasCondition('StatusUpdate', 'E2E'))
  await suite.ok('PATCH', path, {
    type: merge,
    body: { metadata: { labels: { patched: 'status' } }, status: { conditions: [{ type: 'StatusPatched', status: 'True' }] } },
  })
  await seen(told, 'the patched status', hasCondition('StatusPatched'))
}

describe('replica sets', { concurrency: 4 }, () => {
  const name = 'test-rs'
  const path = (namespace: string) => pathOf(namespace, 'replicasets', name)
  const make = (namespace: string, replicas: number, own: Record<string, string> = labels) =>
    suite.ok('POST', pathOf(namespace, 'replicasets'), {
      body: { metadata: { name, labels: own }, spec: { replicas, selector: { matchLabels: own }, template: pod(own) } },
    })

  test('[sig-apps] ReplicaSet Replace and Patch tests [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    using told = await suite.watch(pathOf(namespace, 'replicasets'), { labelSelector: selector })
    await suite.updated(path(namespace), ({ spec }) => void (spec.replicas = 2))
    await seen(told, 'two', ({ status }) => status.readyReplicas === 2)
    await suite.ok('PATCH', path(namespace), {
      type: strategic,
      body: {
        metadata: { labels: { 'test-rs': 'patched' } },
        spec: { replicas: 3, template: { spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: NEW }] } } },
      },
    })
    await seen(told, 'three', ({ metadata, status }) => metadata.labels['test-rs'] === 'patched' && status.readyReplicas === 3)
    const images = (await core.listNamespacedPod({ namespace })).items.map(({ spec }) => spec?.containers[0]?.image)
    assert.deepEqual(images.toSorted(), [NEW, OLD, OLD])
  })

  test('[sig-apps] ReplicaSet Replicaset should have a working scale subresource [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    await scales(namespace, 'replicasets', name, [2, 4])
  })

  test('[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    await adopts(namespace, 'replicasets', (own) => make(namespace, 1, own))
    await releases(namespace, (await suite.ok('GET', path(namespace))).metadata.uid)
  })

  test('[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 3, { e2e: namespace })
    await ready(path(namespace), 3)
    const labelSelector = `e2e=${namespace}`
    assert.equal((await apps.listReplicaSetForAllNamespaces({ labelSelector })).items.length, 1)
    await apps.deleteCollectionNamespacedReplicaSet({ namespace, labelSelector })
    assert.deepEqual((await apps.listReplicaSetForAllNamespaces({ labelSelector })).items, [])
    await suite.eventually('no pods', async () => (await core.listNamespacedPod({ namespace })).items.length === 0)
  })

  test('[sig-apps] ReplicaSet should validate Replicaset Status endpoints [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    await tellsItsStatus(namespace, 'replicasets', name)
  })
})

describe('replication controllers', { concurrency: 4 }, () => {
  const name = 'rc-test'
  const path = (namespace: string) => pathOf(namespace, 'replicationcontrollers', name)
  const make = (namespace: string, replicas: number, own: Record<string, string> = labels) =>
    suite.ok('POST', pathOf(namespace, 'replicationcontrollers'), {
      body: { metadata: { name, labels: own }, spec: { replicas, selector: own, template: pod(own) } },
    })

  test('[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]', async () => {
    const namespace = await suite.namespace()
    await adopts(namespace, 'replicationcontrollers', (own) => make(namespace, 1, own))
  })

  test('[sig-apps] ReplicationController should release no longer matching pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    await releases(namespace, (await make(namespace, 1)).metadata.uid)
  })

  test('[sig-apps] ReplicationController should get and update a ReplicationController scale [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    await scales(namespace, 'replicationcontrollers', name, [2])
  })

  test('[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]', async () => {
    const namespace = await suite.namespace()
    const own = { 'test-rc-static': 'true' }
    const labelSelector = 'test-rc-static=true'
    using told = await suite.watch(pathOf(namespace, 'replicationcontrollers'), { labelSelector })
    await make(namespace, 1, own)
    await told.until((events) => events[0]?.type === 'ADDED')
    await seen(told, 'one ready', ({ status }) => status.readyReplicas === 1)
    await suite.ok('PATCH', path(namespace), { type: strategic, body: { metadata: { labels: { 'test-rc': 'patched' } } } })
    await seen(told, 'the patched label', ({ metadata }) => metadata.labels['test-rc'] === 'patched')
    await suite.ok('PATCH', `${path(namespace)}/status`, { type: strategic, body: { status: { readyReplicas: 0, availableReplicas: 0 } } })
    await seen(
      told,
      'the patched status',
      ({ status, metadata }, type) => type === 'MODIFIED' && !status.readyReplicas && metadata.labels['test-rc'] === 'patched',
    )
    assert.equal((await suite.ok('GET', `${path(namespace)}/status`)).metadata.name, name)
    await suite.ok('PATCH', `${path(namespace)}/scale`, { type: strategic, body: { spec: { replicas: 2 } } })
    await seen(told, 'two ready', ({ spec, status }) => spec.replicas === 2 && status.readyReplicas === 2)
    const everywhere = await core.listReplicationControllerForAllNamespaces({ labelSelector })
    assert.ok(everywhere.items.some(({ metadata }) => metadata?.namespace === namespace))
    await suite.updated(path(namespace), ({ metadata }) => void (metadata.labels['test-rc'] = 'updated'))
    await seen(told, 'the update', ({ metadata }) => metadata.labels['test-rc'] === 'updated')
    const { items } = await core.listNamespacedReplicationController({ namespace, labelSelector })
    assert.deepEqual(
      items.map(({ spec }) => spec?.replicas),
      [2],
    )
    await core.deleteCollectionNamespacedReplicationController({ namespace, labelSelector })
    await told.until((events) => events.at(-1)?.type === 'DELETED')
  })
})

describe('stateful sets', { concurrency: 4 }, () => {
  const name = 'ss'
  const path = (namespace: string) => pathOf(namespace, 'statefulsets', name)
  const make = async (namespace: string, replicas: number, template: Json = pod({ foo: 'bar', baz: 'blah' })) => {
    await core.createNamespacedService({
      namespace,
      body: {
        metadata: { name: 'test', labels: { foo: 'bar' } },
        spec: { clusterIP: 'None', selector: { foo: 'bar' }, ports: [{ name: 'http', port: 80 }] },
      },
    })
    return suite.ok('POST', pathOf(namespace, 'statefulsets'), {
      body: {
        metadata: { name, labels: { e2e: namespace } },
        spec: { replicas, serviceName: 'test', selector: { matchLabels: template.metadata.labels }, template },
      },
    })
  }

  test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    await scales(namespace, 'statefulsets', name, [2, 4])
  })

  test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets [Conformance]', async () => {
    const namespace = await suite.namespace()
    const labelSelector = `e2e=${namespace}`
    await make(namespace, 1)
    await ready(path(namespace), 1)
    assert.equal((await apps.listStatefulSetForAllNamespaces({ labelSelector })).items.length, 1)
    await suite.ok('PATCH', path(namespace), {
      type: strategic,
      body: {
        metadata: { labels: { ss: 'patched' } },
        spec: { replicas: 2, template: { spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: NEW }] } } },
      },
    })
    await ready(path(namespace), 2)
    const patched = await apps.readNamespacedStatefulSet({ namespace, name })
    assert.deepEqual(
      [patched.metadata?.labels?.ss, patched.spec?.replicas, patched.spec?.template.spec?.containers[0]?.image],
      ['patched', 2, NEW],
    )
    await apps.deleteCollectionNamespacedStatefulSet({ namespace, labelSelector })
    assert.deepEqual((await apps.listStatefulSetForAllNamespaces({ labelSelector })).items, [])
    await suite.eventually('no pods', async () => (await core.listNamespacedPod({ namespace })).items.length === 0)
  })

  test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status endpoints [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 1)
    await ready(path(namespace), 1)
    await tellsItsStatus(namespace, 'statefulsets', name)
  })

  test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset [Conformance]', async () => {
    const namespace = await suite.namespace()
    const { items } = await core.listNode()
    const nodeName = items[0]!.metadata!.name!
    const containers = [{ name: 'main', image: OLD, ports: [{ name: 'conflict', containerPort: 21017, hostPort: 21017 }] }]
    await core.createNamespacedPod({ namespace, body: { metadata: { name: 'test-pod' }, spec: { nodeName, containers } } })
    const phase = (podName: string) => async () => (await suite.found(pathOf(namespace, 'pods', podName)))?.status.phase
    await suite.eventually('a pod that holds the port', async () => (await phase('test-pod')()) === 'Running')

    // Its pods are sent to that very node, refused there, and made anew for as long as the port is taken.
    using told = await suite.watch(pathOf(namespace, 'pods'), { fieldSelector: 'metadata.name=ss-0' })
    await make(namespace, 1, { metadata: { labels: { foo: 'bar', baz: 'blah' } }, spec: { nodeName, containers } })
    await seen(told, 'a refused pod', ({ status }) => status.phase === 'Failed' && status.reason === 'NodePorts')
    await seen(told, 'its end', (_, type) => type === 'DELETED')
    await core.deleteNamespacedPod({ namespace, name: 'test-pod', gracePeriodSeconds: 0 })
    await suite.eventually('a stateful pod', async () => (await phase('ss-0')()) === 'Running')
    await suite.eventually('another of its name', () => new Set(told.events.map(({ object }) => object.metadata.uid)).size > 1)
  })
})

describe('jobs', { concurrency: 2 }, () => {
  const make = async (namespace: string, name: string) => {
    await suite.kubeconfig.makeApiClient(BatchV1Api).createNamespacedJob({
      namespace,
      body: {
        metadata: { name },
        spec: {
          parallelism: 2,
          completions: 4,
          backoffLimit: 6,
          template: {
            metadata: { labels: { job: name } },
            spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] },
          },
        },
      },
    })
    return suite.eventually('two pods at work', async () => {
      const { items } = await suite.ok('GET', `${pathOf(namespace, 'pods')}?labelSelector=job=${name}`)
      return items.length === 2 && items.every(({ status }: Json) => status.phase === 'Running') && (items as Json[])
    })
  }
  const jobPath = (namespace: string, name: string) => `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`

  test('[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    const [first] = await make(namespace, 'adopt-release')
    const { uid } = (await suite.ok('GET', jobPath(namespace, 'adopt-release'))).metadata
    const path = pathOf(namespace, 'pods', first!.metadata.name)
    await suite.updated(path, ({ metadata }) => void delete metadata.ownerReferences)
    await suite.eventually('the pod adopted again', async () => controllerOf(await suite.ok('GET', path))?.uid === uid)
    await suite.updated(path, ({ metadata }) => void (metadata.labels = {}))
    await suite.eventually('the pod released', async () => !controllerOf(await suite.ok('GET', path)))
  })

  test('[sig-apps] Job should delete a job [Conformance]', async () => {
    const namespace = await suite.namespace()
    await make(namespace, 'foo')
    await suite.kubeconfig.makeApiClient(BatchV1Api).deleteNamespacedJob({ namespace, name: 'foo', propagationPolicy: 'Foreground' })
    await suite.gone(jobPath(namespace, 'foo'))
    assert.deepEqual((await core.listNamespacedPod({ namespace })).items, [])
  })
})
