import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { startTestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const podNamed = (name: string) =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: {
      containers: [{ name: 'c', image: 'c:1' }],
      volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: claimSpec } } }],
    },
  }) as Pod

test('ephemeralVolumeController makes a claim that the pod owns, and leaves alone one that it does not', async (t) => {
  const cluster = await startTestCluster(t, { only: ['ephemeral-volume-controller'] })
  const { client, eventually } = cluster
  const claimOf = (name: string) => client.get(PersistentVolumeClaim, { namespace, name })
  const pod = await eventually(() => client.create<Pod>(Pod, podNamed('a')))
  const { metadata } = await eventually(() => claimOf('a-data'))
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: pod.metadata!.uid, controller: true, blockOwnerDeletion: true }
  assert.deepEqual([metadata?.labels, metadata?.ownerReferences], [{ a: 'b' }, [owner]])
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name: 'b-data' },
    spec: claimSpec,
  })
  await client.create(Pod, podNamed('b'))
  const why = 'FailedBinding: ephemeral volume data: PVC default/b-data was not created for pod default/b (pod is not owner)'
  await eventually(async () => (await cluster.events('b')).includes(why))
})

test('ephemeralVolumeController says why a claim could not be made', async (t) => {
  const cluster = await startTestCluster(t, { only: ['ephemeral-volume-controller'] })
  const { client, eventually } = cluster
  const hard = { persistentvolumeclaims: '0' }
  const key = { namespace, name: 'none' }
  await client.create(ResourceQuota, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: key, spec: { hard } })
  const status = { hard, used: { persistentvolumeclaims: '0' } }
  await client.patch(ResourceQuota, key, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await eventually(() => client.create(Pod, podNamed('a')))
  const why =
    'FailedBinding: ephemeral volume data: create PVC a-data: persistentvolumeclaims "a-data" is forbidden: exceeded quota: none, requested: persistentvolumeclaims=1, used: persistentvolumeclaims=0, limited: persistentvolumeclaims=0'
  await eventually(async () => (await cluster.events('a')).includes(why))
})
