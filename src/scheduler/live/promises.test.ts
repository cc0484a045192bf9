import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import type { Client } from '#client/client.ts'
import { mounting } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const one = { cpu: '1' }
const key = (name: string) => ({ namespace: 'default', name })

/** `low` is on its way out of node a, which has room for one, and `high` is promised its place. */
async function promised(t: Parameters<typeof startCluster>[0]) {
  const cluster = await startCluster(t)
  await cluster.createNode('a', one)
  await cluster.createPod('low', { ...one, priority: 1 })
  await cluster.bound('low')
  await cluster.createPod('high', { ...one, priority: 5 })
  const nominated = async (name: string) => (await cluster.pod(name)).status?.nominatedNodeName
  await cluster.eventually(async () => (await nominated('high')) === 'a' && (await cluster.pod('low')).metadata!.deletionTimestamp)
  return { ...cluster, nominated }
}

test('scheduler says of a pod whose place is being made only why it has none yet, then that it waits', async (t) => {
  const { client, createPod, told, eventually, nominated, pod } = await promised(t)
  assert.equal(await told('high'), '0/1 nodes are available: 1 Insufficient cpu.')
  // Anything that may help has it tried again, while the victim is still there.
  await createPod('passing', { priority: 0, nodeName: 'a' })
  await client.delete(Pod, key('passing'), { gracePeriodSeconds: 0 })
  await eventually(async () => (await told('high')).endsWith('preemption: not eligible due to a terminating pod on the nominated node.'))
  assert.equal(await nominated('high'), 'a')
  assert.equal((await pod('low')).metadata!.deletionGracePeriodSeconds, 30)
})

test('scheduler takes a promise back where the node cannot serve the pod any more, and evicts nobody twice', async (t) => {
  const { client, eventually, nominated, told, eventsOf } = await promised(t)
  const node = await client.get(Node, { name: 'a' })
  await client.update(Node, { ...node, spec: { unschedulable: true } })
  await client.delete(Pod, key('low'), { gracePeriodSeconds: 0 })
  await eventually(async () => (await nominated('high')) === undefined)
  assert.match(await told('high'), /^0\/1 nodes are available: 1 node\(s\) were unschedulable\./)
  assert.equal((await eventsOf('low')).filter((text) => text.includes('Preempted by')).length, 1)
})

for (const [ends, end] of [
  ['is deleted', (client: Client) => client.delete(Pod, key('gated'), { gracePeriodSeconds: 0 })],
  [
    'has it no more',
    (client: Client) =>
      client.patch(Pod, key('gated'), { type: 'merge', patch: { status: { nominatedNodeName: null } } }, { subresource: 'status' }),
  ],
] as const) {
  test(`scheduler keeps room that others promised to a pod, until it ${ends}`, async (t) => {
    const { client, createNode, createPod, told, bound } = await startCluster(t)
    await createNode('a', one)
    await createPod('gated', { ...one, priority: 5, schedulingGates: [{ name: 'example.com/wait' }] })
    await client.patch(Pod, key('gated'), { type: 'merge', patch: { status: { nominatedNodeName: 'a' } } }, { subresource: 'status' })
    await createPod('late', { ...one, priority: 2 })
    assert.match(await told('late'), /^0\/1 nodes are available: 1 Insufficient cpu\./)
    await end(client)
    assert.equal(await bound('late'), 'a')
  })
}

test('scheduler breaks a promise for a pod of higher priority, and tells', async (t) => {
  const { client, createPod, bound, eventually, nominated } = await promised(t)
  await createPod('higher', { ...one, priority: 9 })
  await eventually(async () => (await nominated('higher')) === 'a' && (await nominated('high')) === undefined)
  await client.delete(Pod, key('low'), { gracePeriodSeconds: 0 })
  assert.equal(await bound('higher'), 'a')
  assert.equal((await bound('higher')) && (await nominated('higher')), undefined, 'no promise is left once it is kept')
})

const claims = {
  class: {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'later' },
    provisioner: 'csi.example.com',
    volumeBindingMode: 'WaitForFirstConsumer',
  },
  claim: {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'later', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
}

test('scheduler tells others where a pod is going while its volume is made', async (t) => {
  const { client, createNode, createPod, eventually, pod, bound } = await startCluster(t)
  await createNode('a')
  await client.create(StorageClass, claims.class)
  await client.create(PersistentVolumeClaim, claims.claim)
  await createPod('p', mounting('data'))
  await eventually(async () => (await pod('p')).status?.nominatedNodeName === 'a')
  const made = { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }, spec: { volumeName: 'v' } }
  await client.patch(PersistentVolumeClaim, key('data'), { type: 'merge', patch: made })
  await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'v' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/v' } },
  })
  assert.equal(await bound('p'), 'a')
  assert.equal((await pod('p')).status!.nominatedNodeName, undefined)
})
