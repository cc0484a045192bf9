import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { parseSchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import { mounting } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const key = (name: string) => ({ namespace: 'default', name })
const SELECTED = 'volume.kubernetes.io/selected-node'
const COMPLETED = { 'pv.kubernetes.io/bind-completed': 'yes' }
const FAILED = 'Warning FailedScheduling: running PreBind plugin "VolumeBinding": binding volumes: '

/** Pod p waits for its claim, that a volume is to be bound to (`static`), or made for (`dynamic`), on the only node. */
async function waiting(t: TestContext, way: 'static' | 'dynamic', fields = '') {
  const configuration = fields
    ? parseSchedulerConfiguration(`apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n${fields}`, () => '')
    : undefined
  const cluster = await startCluster(t, configuration)
  const { client, createNode, createPod, eventually } = cluster
  await createNode('a')
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'later' },
    provisioner: way === 'static' ? 'kubernetes.io/no-provisioner' : 'csi.example.com',
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  const createVolume = async () => {
    const volume = await client.create(PersistentVolume, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'v' },
      spec: {
        storageClassName: 'later',
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        local: { path: '/v' },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'DoesNotExist' }] }] } },
      },
    })
    await client.update(PersistentVolume, { ...volume, status: { phase: 'Available' } }, { subresource: 'status' })
  }
  if (way === 'static') await createVolume()
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'later', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  await createPod('p', mounting('data'))
  const claim = () => client.get(PersistentVolumeClaim, key('data'))
  const volume = () => client.get(PersistentVolume, { name: 'v' })
  const asked = async () => (way === 'static' ? (await volume()).spec!.claimRef : (await claim()).metadata!.annotations?.[SELECTED])
  await eventually(asked)
  const failed = (message: string) => eventually(async () => (await cluster.eventsOf('p')).includes(FAILED + message))
  const complete = () =>
    client.patch(PersistentVolumeClaim, key('data'), {
      type: 'merge',
      patch: { metadata: { annotations: COMPLETED }, spec: { volumeName: 'v' } },
    })
  return { ...cluster, asked, failed, complete, createVolume }
}

for (const [fields, seconds] of [
  ['', 600],
  ['profiles: [{pluginConfig: [{name: VolumeBinding, args: {bindTimeoutSeconds: 30}}]}]', 30],
] as const) {
  test(`scheduler gives up after ${seconds} s on a volume that never comes, and tries anew`, async (t) => {
    const { clock, eventsOf, failed, pod, complete, createVolume, bound } = await waiting(t, 'dynamic', fields)
    await clock.advance((seconds - 2) * 1000)
    assert.deepEqual(await eventsOf('p'), [])
    await clock.advance(2000)
    await failed('context deadline exceeded')
    const condition = (await pod('p')).status!.conditions!.find(({ type }) => type === 'PodScheduled')!
    assert.deepEqual([condition.status, condition.reason], ['False', 'SchedulerError'])
    assert.equal((await pod('p')).status!.nominatedNodeName, undefined)
    await createVolume()
    await complete()
    assert.equal(await bound('p'), 'a')
  })
}

test('scheduler places a pod anew when whoever makes volumes gives its node back', async (t) => {
  const { client, failed, asked, eventually } = await waiting(t, 'dynamic')
  await client.patch(PersistentVolumeClaim, key('data'), { type: 'merge', patch: { metadata: { annotations: { [SELECTED]: null } } } })
  await failed('provisioning failed for PVC "data"')
  await eventually(asked)
})

test('scheduler places a pod anew when its volume vanishes before it is bound', async (t) => {
  const { client, failed, createVolume, eventually, asked, complete, bound } = await waiting(t, 'static')
  await client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await client.delete(PersistentVolume, { name: 'v' })
  await failed('failed to check binding: could not find v1.PersistentVolume "v"')
  await createVolume()
  await eventually(asked)
  await complete()
  assert.equal(await bound('p'), 'a')
})

test('scheduler places a pod anew when the volume is taken from its claim', async (t) => {
  const { client, failed, eventually, asked } = await waiting(t, 'static')
  await client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { spec: { claimRef: null } } })
  await failed('ClaimRef got reset for pv "v"')
  await eventually(asked)
})

test('scheduler places a pod anew when its node can reach the volume no more', async (t) => {
  const { client, failed } = await waiting(t, 'static')
  await client.patch(Node, { name: 'a' }, { type: 'merge', patch: { metadata: { labels: { disk: 'full' } } } })
  await failed('pv "v" node affinity doesn\'t match node "a": no matching NodeSelectorTerms')
})

test('scheduler places a pod anew when its node is gone', async (t) => {
  const { client, failed } = await waiting(t, 'dynamic')
  await client.delete(Node, { name: 'a' })
  await failed('failed to get node "a": node "a" not found')
})

test('scheduler places a pod anew when its claim is gone', async (t) => {
  const { client, failed, told, eventually } = await waiting(t, 'dynamic')
  await client.patch(PersistentVolumeClaim, key('data'), { type: 'merge', patch: { metadata: { finalizers: null } } })
  await client.delete(PersistentVolumeClaim, key('data'))
  await failed('failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "default/data"')
  await eventually(async () => (await told('p')).includes('persistentvolumeclaim "data" not found'))
})

test('scheduler lets the volume go of a pod that is deleted while it waits', async (t) => {
  const { client, clock, createPod, complete, bound, eventsOf } = await waiting(t, 'static')
  await client.delete(Pod, key('p'), { gracePeriodSeconds: 0 })
  await createPod('q', mounting('data'))
  await clock.advance(2000)
  await complete()
  assert.equal(await bound('q'), 'a')
  await clock.advance(700_000)
  assert.deepEqual(await eventsOf('p'), [])
})

for (const [plugins, expected] of [
  ['kubernetes.io/aws-ebs', 'b'],
  ['kubernetes.io/cinder', 'a'],
] as const)
  test(`scheduler places a pod with an EBS volume on ${expected} where drivers took over from ${plugins}`, async (t) => {
    const { client, createNode, createPod, eventually, bound } = await startCluster(t)
    await createNode('a', { labels: { 'topology.kubernetes.io/zone': 'x' } })
    await createNode('b', { labels: { 'topology.ebs.csi.aws.com/zone': 'x' } })
    for (const name of ['a', 'b'])
      await client.create(CSINode, {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'CSINode',
        metadata: { name, annotations: { 'storage.alpha.kubernetes.io/migrated-plugins': plugins } },
        spec: { drivers: [] },
      })
    const inZone = [{ key: 'topology.kubernetes.io/zone', operator: 'In', values: ['x'] }]
    await client.create(PersistentVolume, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'v' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        awsElasticBlockStore: { volumeID: 'vol-1' },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: inZone }] } },
      },
    })
    await client.create(PersistentVolumeClaim, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', namespace: 'default', annotations: COMPLETED },
      spec: { storageClassName: '', volumeName: 'v', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    })
    await createPod('p', mounting('data'))
    assert.equal(await eventually(() => bound('p')), expected)
  })
