import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolumeSpec } from '#api/generated/types.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'

const key = { namespace: 'default', name: 'data' }
const told = 'ExternalExpanding: waiting for an external controller to expand this PVC'

/** A claim bound to a volume of its class. */
async function start(t: Parameters<typeof startTestCluster>[0], provisioner: string, source: Partial<PersistentVolumeSpec>) {
  const cluster = await startTestCluster(t, { only: ['persistentvolume-binder-controller', 'persistentvolume-expander-controller'] })
  const { client, eventually } = cluster
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fast' },
    provisioner,
    allowVolumeExpansion: true,
  })
  await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'v' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], ...source, storageClassName: 'fast' },
  })
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: key,
    spec: { accessModes: ['ReadWriteOnce'], resources: resources('1Gi'), storageClassName: 'fast' },
  })
  await eventually(async () => (await client.get(PersistentVolumeClaim, key)).status?.phase === 'Bound')
  return cluster
}
const resources = (storage: string) => ({ requests: { storage } })
const growClaim = ({ client }: TestCluster, storage: string) =>
  client.patch(PersistentVolumeClaim, key, { type: 'merge', patch: { spec: { resources: resources(storage) } } })

test('volumeExpander says once for every growth of a claim that another controller has to do it', async (t) => {
  const driver = 'csi.example.com'
  const cluster = await start(t, driver, { csi: { driver, volumeHandle: 'v' } })
  const { client, eventually, advance, events } = cluster
  const grow = (storage: string) => growClaim(cluster, storage)
  await advance(1000)
  assert.ok(!(await events('data')).includes(told))
  await grow('2Gi')
  await eventually(async () => (await events('data')).includes(told))
  await client.patch(PersistentVolumeClaim, key, { type: 'merge', patch: { metadata: { labels: { a: 'b' } } } })
  await advance(1000)
  await grow('1500Mi')
  await advance(1000)
  const times = async () => (await client.list(CoreEvent)).items.find(({ reason }) => reason === 'ExternalExpanding')?.count
  assert.equal(await times(), 1, 'less is no growth')
  await grow('3Gi')
  await eventually(async () => (await times()) === 2)
  const { status } = await client.get(PersistentVolumeClaim, key)
  assert.deepEqual(status?.capacity, { storage: '1Gi' })
  assert.equal(status?.conditions, undefined)
})

test('volumeExpander tells the resizer of the driver that took over from an in-tree plugin', async (t) => {
  const cluster = await start(t, 'kubernetes.io/aws-ebs', { awsElasticBlockStore: { volumeID: 'vol-1' } })
  await growClaim(cluster, '2Gi')
  const told = 'ExternalExpanding: CSI migration enabled for kubernetes.io/aws-ebs; waiting for external resizer to expand the pvc'
  await cluster.eventually(async () => (await cluster.events('data')).includes(told))
  await cluster.eventually(async () => {
    const { metadata } = await cluster.client.get(PersistentVolumeClaim, key)
    return metadata?.annotations?.['volume.kubernetes.io/storage-resizer'] === 'ebs.csi.aws.com'
  })
})
