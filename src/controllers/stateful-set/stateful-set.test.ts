import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { LimitRange } from '#api/kinds/core/limit-range.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { keyOf } from '#api/object.ts'
import { namesOf, startTestCluster, type TestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const key = { namespace, name: 'db' }
const only = ['statefulset-controller']

function statefulSet(replicas: number, spec: object = {}): StatefulSet {
  const labels = { app: 'db' }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { ...key },
    spec: {
      replicas,
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'db:1' }] } },
      ...spec,
    },
  }
}

const podNames = async ({ client }: TestCluster) => namesOf((await client.list(Pod, { namespace })).items).join()
const ready = (cluster: TestCluster, replicas: number) =>
  cluster.eventually(async () => {
    const current = await cluster.client.get(StatefulSet, key)
    const { status, metadata } = current
    if (status?.observedGeneration !== metadata?.generation) return undefined
    return status?.readyReplicas === replicas && status.replicas === replicas && status.currentRevision === status.updateRevision && current
  })

test('statefulSetController starts pods one after the other, each with its name and claim', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  const volumeClaimTemplates = [
    { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  ]
  await client.create(StatefulSet, statefulSet(2, { volumeClaimTemplates }))
  await eventually(async () => (await podNames(cluster)) === 'db-0')
  await advance(5000)
  assert.equal(await podNames(cluster), 'db-0')
  const pod = await client.get(Pod, { namespace, name: 'db-0' })
  assert.deepEqual([pod.spec?.hostname, pod.spec?.subdomain], ['db-0', 'db'])
  assert.equal(pod.metadata?.labels?.['statefulset.kubernetes.io/pod-name'], 'db-0')
  assert.equal(pod.metadata?.labels?.['apps.kubernetes.io/pod-index'], '0')
  assert.equal(pod.spec?.volumes?.[0]?.persistentVolumeClaim?.claimName, 'data-db-0')
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
  await eventually(async () => (await podNames(cluster)) === 'db-0,db-1')
  assert.deepEqual(namesOf((await client.list(PersistentVolumeClaim, { namespace })).items), ['data-db-0', 'data-db-1'])
})

test('statefulSetController updates from the highest ordinal down to the partition, keeps revisions, and goes back', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await client.create(StatefulSet, statefulSet(3))
  const first = await ready(cluster, 3)
  const deleted: string[] = []
  using watching = cluster.informers
    .of(Pod)
    .subscribe(({ object, previous }) => void (!object && previous && deleted.push(previous.metadata!.name!)))
  void watching
  const update = (image: string, partition: number) => {
    const patch = { spec: { template: { spec: { containers: [{ name: 'c', image }] } }, updateStrategy: { rollingUpdate: { partition } } } }
    return client.patch(StatefulSet, key, { type: 'strategic', patch })
  }
  await update('db:2', 1)
  await eventually(async () => (await client.get(StatefulSet, key)).status?.updatedReplicas === 2)
  await cluster.advance(2000)
  assert.deepEqual(deleted, ['db-2', 'db-1'])
  const images = async () =>
    (await client.list(Pod, { namespace })).items
      .map(({ spec }) => spec!.containers[0]!.image)
      .sort()
      .join()
  assert.equal(await images(), 'db:1,db:2,db:2')
  await update('db:2', 0)
  const second = await ready(cluster, 3)
  assert.notEqual(second.status?.currentRevision, first.status?.currentRevision)
  assert.equal((await client.list(ControllerRevision, { namespace })).items.length, 2)
  await update('db:1', 0)
  const third = await ready(cluster, 3)
  assert.equal(third.status?.currentRevision, first.status?.currentRevision)
  assert.equal((await client.list(ControllerRevision, { namespace })).items.length, 2)
})

test('statefulSetController scales down from the end, and replaces a failed pod by one of the same name', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await client.create(StatefulSet, statefulSet(3, { podManagementPolicy: 'Parallel' }))
  await ready(cluster, 3)
  const before = await client.get(Pod, { namespace, name: 'db-1' })
  await client.patch(Pod, keyOf(before), { type: 'merge', patch: { status: { phase: 'Failed' } } }, { subresource: 'status' })
  await eventually(async () => (await client.get(Pod, keyOf(before))).metadata?.uid !== before.metadata?.uid)
  await ready(cluster, 3)
  await client.patch(StatefulSet, key, { type: 'merge', patch: { spec: { replicas: 1 } } })
  await ready(cluster, 1)
  assert.equal(await podNames(cluster), 'db-0')
})

test('statefulSetController binds claims to the set and to surplus pods as the retention policy says', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  const volumeClaimTemplates = [
    { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  ]
  const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Delete' }
  await client.create(StatefulSet, statefulSet(2, { volumeClaimTemplates, persistentVolumeClaimRetentionPolicy }))
  await ready(cluster, 2)
  const ownerOf = async (name: string) =>
    (await client.get(PersistentVolumeClaim, { namespace, name })).metadata?.ownerReferences?.map(({ kind }) => kind).join()
  await eventually(async () => (await ownerOf('data-db-1')) === 'StatefulSet')
  await client.patch(StatefulSet, key, { type: 'merge', patch: { spec: { replicas: 1 } } })
  await eventually(async () => (await ownerOf('data-db-1')) === 'Pod')
  assert.equal(await ownerOf('data-db-0'), 'StatefulSet')
  const [reference] = (await client.get(PersistentVolumeClaim, { namespace, name: 'data-db-0' })).metadata!.ownerReferences!
  assert.deepEqual([reference?.controller, reference?.blockOwnerDeletion], [true, true])
})

test('statefulSetController makes nothing for a set that is being deleted', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  await client.create(StatefulSet, { ...statefulSet(1), metadata: { ...key, finalizers: ['example.com/wait'] } })
  const revisions = async () => (await client.list(ControllerRevision, { namespace })).items
  const [revision] = await eventually(async () => ((await revisions()).length === 1 ? revisions() : undefined))
  await client.delete(StatefulSet, key)
  await client.delete(ControllerRevision, keyOf(revision!))
  await advance(5000)
  assert.deepEqual(await revisions(), [])
})

test('statefulSetController replaces a pod that fails again and again ever more slowly', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, advance, informers, eventually } = cluster
  const seen = new Set<string>()
  informers.of(Pod).subscribe(({ object }) => object && seen.add(object.metadata!.uid!))
  const labels = { app: 'db' }
  const spec = { containers: [{ name: 'c', image: 'db:1' }] }
  const failing = { metadata: { labels, annotations: { 'test/phase': 'Failed' } }, spec }
  await client.create(StatefulSet, statefulSet(1, { template: failing }))
  await advance(63_000)
  // At once, then after 1, 2, 4, 8, 16 and 32 s.
  assert.ok(seen.size >= 5 && seen.size <= 9, String(seen.size))
  await client.patch(StatefulSet, key, { type: 'merge', patch: { spec: { template: { metadata: { annotations: null } } } } })
  await advance(60_000)
  await eventually(async () => (await client.get(StatefulSet, key)).status?.readyReplicas === 1)
})

test('statefulSetController scales down past a pod that is not well, and names its revisions', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await client.create(StatefulSet, statefulSet(4))
  await ready(cluster, 4)
  const [revision] = (await client.list(ControllerRevision, { namespace })).items
  const { currentRevision } = (await client.get(StatefulSet, key)).status!
  assert.equal(revision!.metadata!.name, currentRevision)
  assert.equal(`db-${revision!.metadata!.labels!['controller.kubernetes.io/hash']}`, currentRevision)
  const conditions = [{ type: 'Ready', status: 'False' }]
  await client.patch(Pod, { namespace, name: 'db-2' }, { type: 'merge', patch: { status: { conditions } } }, { subresource: 'status' })
  await client.patch(StatefulSet, key, { type: 'merge', patch: { spec: { replicas: 1 } } })
  await eventually(async () => (await podNames(cluster)) === 'db-0')
})

test('statefulSetController gives a pod back the labels it is known by', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await client.create(StatefulSet, statefulSet(1))
  await ready(cluster, 1)
  const labels = { 'statefulset.kubernetes.io/pod-name': null, 'apps.kubernetes.io/pod-index': '7' }
  await client.patch(Pod, { namespace, name: 'db-0' }, { type: 'merge', patch: { metadata: { labels } } })
  await eventually(async () => {
    const { metadata } = await client.get(Pod, { namespace, name: 'db-0' })
    return metadata?.labels?.['statefulset.kubernetes.io/pod-name'] === 'db-0' && metadata.labels['apps.kubernetes.io/pod-index'] === '0'
  })
  assert.ok((await cluster.events('db')).includes('SuccessfulUpdate: update Pod db-0 in StatefulSet db successful'))
})

test('statefulSetController waits for a claim that goes with an earlier pod', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'db-0', uid: '6d1e0b0c-0000-4000-8000-000000000000', controller: true }
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name: 'data-db-0', ownerReferences: [owner] },
    spec: claimSpec,
  })
  await client.create(StatefulSet, statefulSet(1, { volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claimSpec }] }))
  await advance(5000)
  assert.equal(await podNames(cluster), '')
  await client.delete(PersistentVolumeClaim, { namespace, name: 'data-db-0' })
  await client.patch(PersistentVolumeClaim, { namespace, name: 'data-db-0' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(async () => (await podNames(cluster)) === 'db-0')
})

test('StatefulSet loses what it says of maxUnavailable: the feature is off', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } }
  const made = await cluster.client.create(StatefulSet, statefulSet(0, { updateStrategy }))
  assert.deepEqual(made.spec?.updateStrategy?.rollingUpdate, { partition: 0 })
})

test('statefulSetController keeps the status of a set that is being deleted and makes nothing for it', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  const { client, eventually } = cluster
  await client.create(StatefulSet, statefulSet(2))
  await ready(cluster, 2)
  // Foreground, without a collector: the set stays until its finalizer goes.
  await client.delete(StatefulSet, key, { propagationPolicy: 'Foreground' })
  const [revision] = (await client.list(ControllerRevision, { namespace })).items
  await client.delete(ControllerRevision, keyOf(revision!))
  await client.delete(Pod, { namespace, name: 'db-1' })
  const { status } = await eventually(async () => {
    const current = await client.get(StatefulSet, key)
    return current.status?.replicas === 1 && current.status.readyReplicas === 1 && current
  })
  assert.equal(status?.updateRevision, revision?.metadata?.name)
  await cluster.advance(60_000)
  assert.equal(await podNames(cluster), 'db-0')
  assert.deepEqual((await client.list(ControllerRevision, { namespace })).items, [])
  const { metadata, status: last } = await client.get(StatefulSet, key)
  assert.equal(last?.observedGeneration, metadata?.generation)
})

const claimTemplates = [
  { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  { metadata: { name: 'log' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
]

test('statefulSetController makes no pod on a claim that is being deleted, and says so', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, events } = cluster
  const doomed = { namespace, name: 'data-db-0' }
  const metadata = { ...doomed, finalizers: ['example.com/kept'] }
  await client.create(PersistentVolumeClaim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: claimTemplates[0]!.spec })
  await client.delete(PersistentVolumeClaim, doomed)
  await client.create(StatefulSet, statefulSet(1, { volumeClaimTemplates: claimTemplates }))
  await eventually(async () =>
    (await events('db')).includes('FailedCreate: create Pod db-0 in StatefulSet db failed error: pvc data-db-0 is being deleted'),
  )
  assert.equal(await podNames(cluster), '')
  assert.ok((await events('db')).includes('SuccessfulCreate: create Claim log-db-0 Pod db-0 in StatefulSet db success'))
  await client.patch(PersistentVolumeClaim, doomed, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await eventually(async () => (await podNames(cluster)) === 'db-0')
})

test('statefulSetController tells of claims that cannot be made, and of the pod that is not made for that', async (t) => {
  const { client, eventually, events } = await startTestCluster(t, { only })
  await client.create(LimitRange, {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { namespace, name: 'small' },
    spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '1Mi' } }] },
  })
  await client.create(StatefulSet, statefulSet(1, { volumeClaimTemplates: claimTemplates }))
  const why = (claim: string) =>
    `persistentvolumeclaims "${claim}" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Mi, but request is 1Gi`
  const failures = ['data-db-0', 'log-db-0'].map((claim) => `failed to create PVC ${claim}: ${why(claim)}`).join(', ')
  await eventually(async () => (await events('db')).includes(`FailedCreate: create Pod db-0 in StatefulSet db failed error: [${failures}]`))
  const claim = `FailedCreate: create Claim log-db-0 for Pod db-0 in StatefulSet db failed error: ${why('log-db-0')}`
  assert.ok((await events('db')).includes(claim))
})

test('statefulSetController says nothing of a name that another pod has', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, advance, events, reconciles } = cluster
  const spec = { containers: [{ name: 'c', image: 'x' }] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'db-0' }, spec })
  await client.create(StatefulSet, statefulSet(1))
  const before = reconciles()
  await advance(5000)
  assert.ok(reconciles() > before)
  assert.deepEqual(await events('db'), [])
})

test('statefulSetController makes a few at a time of the two billion pods that a set wants', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await client.create(ResourceQuota, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { namespace, name: 'few' },
    spec: { hard: { pods: '3' } },
  })
  await client.patch(
    ResourceQuota,
    { namespace, name: 'few' },
    { type: 'merge', patch: { status: { hard: { pods: '3' } } } },
    { subresource: 'status' },
  )
  const most = 2_147_483_647
  await client.create(StatefulSet, statefulSet(most))
  await eventually(async () => (await podNames(cluster)) === 'db-0')
  await client.patch(StatefulSet, key, { type: 'merge', patch: { spec: { ordinals: { start: 1 } } } })
  await eventually(async () => (await podNames(cluster)) === 'db-0,db-1')
  await client.create(StatefulSet, {
    ...statefulSet(most, { podManagementPolicy: 'Parallel' }),
    metadata: { namespace, name: 'crowd' },
  })
  await eventually(async () => (await podNames(cluster)) === 'crowd-0,db-0,db-1')
})
