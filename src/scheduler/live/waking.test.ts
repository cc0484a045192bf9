// Pods that wait are tried again when what they wait for comes about, and told of no attempts in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { mounting, type PodShape } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const web = { labels: { app: 'web' } }
const spread: PodShape = {
  ...web,
  topologySpreadConstraints: [
    { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } },
  ],
}
const has = (cpu: string): Pod['status'] => ({
  containerStatuses: [
    { name: 'c', image: 'i', imageID: '', ready: true, restartCount: 0, resources: { requests: { cpu } }, allocatedResources: { cpu } },
  ],
})

test('scheduler places a pod that is spread when a zone that could not be used goes', async (t) => {
  const { client, createNode, createPod, bound, told } = await startCluster(t)
  await createNode('a', { labels: { zone: 'x' } })
  await createPod('first', spread)
  await bound('first')
  await createNode('b', { labels: { zone: 'y' }, spec: { unschedulable: true } })
  await createPod('second', spread)
  assert.match(await told('second'), /1 node\(s\) didn't match pod topology spread constraints, 1 node\(s\) were unschedulable/)
  await client.delete(Node, { name: 'b' })
  assert.equal(await bound('second'), 'a')
})

test('scheduler places a pod when another has really become smaller, not when it is only asked to', async (t) => {
  const { client, clock, createNode, createPod, pod, bound, told } = await startCluster(t)
  await createNode('a', { cpu: '4' })
  await createPod('large', { cpu: '3' })
  await bound('large')
  const setStatus = async (status: Pod['status']) =>
    client.update(Pod, { ...(await pod('large')), status: status! }, { subresource: 'status' })
  await setStatus(has('3'))
  await createPod('waiting', { cpu: '2' })
  await told('waiting')
  const spec = { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] }
  await client.patch(Pod, { namespace: 'default', name: 'large' }, { type: 'strategic', patch: { spec } }, { subresource: 'resize' })
  await clock.advance(10_000)
  assert.equal((await pod('waiting')).spec!.nodeName, undefined)
  await setStatus(has('1'))
  assert.equal(await bound('waiting'), 'a')
})

test('scheduler does not try a pod again for what cannot help it', async (t) => {
  const { client, clock, createNode, createPod, bound, told, metric } = await startCluster(t)
  const attempts = () => metric('scheduler_schedule_attempts_total').find(({ labels }) => labels.result === 'unschedulable')?.value
  const far = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } }
  await createNode('a')
  await createPod('first', web)
  await bound('first')
  await createPod('waiting', { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [far] } } })
  assert.match(await told('waiting'), /1 node\(s\) didn't match pod anti-affinity rules/)
  const before = attempts()
  await createPod('other')
  await bound('other')
  await client.delete(Pod, { namespace: 'default', name: 'other' }, { gracePeriodSeconds: 0 })
  await clock.advance(20_000)
  assert.equal(attempts(), before)
  await client.delete(Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })
  assert.equal(await bound('waiting'), 'a')
})

test('scheduler places a pod that waits for the device another had in mind, once that one goes unbound', async (t) => {
  const { client, createNode, createPod, pod, bound, told, eventually } = await startCluster(t)
  const device = { apiVersion: 'resource.k8s.io/v1' }
  await createNode('a')
  await client.create(DeviceClass, { ...device, kind: 'DeviceClass', metadata: { name: 'gpu' }, spec: {} })
  const pool = { name: 'a', generation: 1, resourceSliceCount: 1 }
  const spec = { driver: 'gpu.example.com', nodeName: 'a', pool, devices: [{ name: 'g' }] }
  await client.create(ResourceSlice, { ...device, kind: 'ResourceSlice', metadata: { name: 's' }, spec })
  for (const name of ['one', 'two']) {
    const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }]
    await client.create(ResourceClaim, {
      ...device,
      kind: 'ResourceClaim',
      metadata: { name, namespace: 'default' },
      spec: { devices: { requests } },
    })
  }
  const claiming = (resourceClaimName: string): PodShape => ({ resourceClaims: [{ name: 'd', resourceClaimName }] })
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'later' },
    provisioner: 'csi.example.com',
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'later', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  // Its volume, which nobody makes, comes before its device.
  await createPod('first', { ...claiming('one'), ...mounting('data') })
  await eventually(async () => (await pod('first')).status?.nominatedNodeName)
  await createPod('second', claiming('two'))
  assert.match(await told('second'), /cannot allocate all claims/)
  await client.delete(Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })
  assert.equal(await bound('second'), 'a')
})
