import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { hasReason } from '#api/status.ts'
import { forbid, startTestCluster, type TestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const only = ['persistentvolume-binder-controller', 'persistentvolumeclaim-protection-controller', 'persistentvolume-protection-controller']

const addVolume = ({ client }: TestCluster, name: string, storage: string, spec: object = {}) =>
  client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], hostPath: { path: `/srv/${name}` }, storageClassName: '', ...spec },
  })
const addClaim = ({ client }: TestCluster, name: string, storage: string, spec: object = {}) =>
  client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: '', ...spec },
  })
const claimOf = ({ client }: TestCluster, name: string) => client.get(PersistentVolumeClaim, { namespace, name })
const phaseOf = async ({ client }: TestCluster, name: string) => (await client.get(PersistentVolume, { name })).status?.phase
const bound = (cluster: TestCluster, name: string) =>
  cluster.eventually(async () => {
    const claim = await claimOf(cluster, name)
    return claim.status?.phase === 'Bound' && claim
  })

test('persistentVolumeBinder binds the smallest volume that is large enough, each only once', async (t) => {
  const cluster = await startTestCluster(t, { only })
  for (const [name, storage] of [
    ['large', '10Gi'],
    ['small', '1Gi'],
    ['middle', '5Gi'],
  ] as const) {
    await addVolume(cluster, name, storage)
  }
  await cluster.eventually(async () => (await phaseOf(cluster, 'middle')) === 'Available')
  await addClaim(cluster, 'a', '2Gi')
  await addClaim(cluster, 'b', '2Gi')
  const claims = [await bound(cluster, 'a'), await bound(cluster, 'b')]
  assert.deepEqual(claims.map(({ spec }) => spec?.volumeName).sort(), ['large', 'middle'])
  assert.equal(claims[0]!.metadata?.annotations?.['pv.kubernetes.io/bind-completed'], 'yes')
  assert.deepEqual(claims[0]!.status?.accessModes, ['ReadWriteOnce'])
  const volume = await cluster.client.get(PersistentVolume, { name: claims[0]!.spec!.volumeName! })
  assert.deepEqual([volume.status?.phase, volume.spec?.claimRef?.uid], ['Bound', claims[0]!.metadata?.uid])
  await addClaim(cluster, 'c', '2Gi')
  await cluster.advance(1000)
  assert.equal((await claimOf(cluster, 'c')).status?.phase, 'Pending')
  await addVolume(cluster, 'late', '2Gi')
  assert.equal((await bound(cluster, 'c')).spec?.volumeName, 'late')
})

test('persistentVolumeBinder tries what fails again every fifteen seconds at least', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'v', '1Gi')
  await cluster.eventually(async () => (await phaseOf(cluster, 'v')) === 'Available')
  await forbid(cluster, { operation: 'UPDATE', group: '', resource: 'persistentvolumes' })
  await addClaim(cluster, 'a', '1Gi')
  await cluster.advance(1_800_000)
  await cluster.client.delete(ValidatingAdmissionPolicyBinding, { name: 'forbidden' })
  await cluster.advance(16_000)
  assert.equal((await claimOf(cluster, 'a')).status?.phase, 'Bound')
})

test('persistentVolumeBinder releases the volume of a deleted claim and keeps it', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'v', '1Gi')
  await addClaim(cluster, 'a', '1Gi')
  await bound(cluster, 'a')
  await cluster.client.delete(PersistentVolumeClaim, { namespace, name: 'a' })
  await cluster.eventually(async () => (await phaseOf(cluster, 'v')) === 'Released')
  await addClaim(cluster, 'b', '1Gi')
  await cluster.advance(1000)
  assert.equal((await claimOf(cluster, 'b')).status?.phase, 'Pending')
})

const CSI = { csi: { driver: 'csi.example.com', volumeHandle: 'v' }, hostPath: undefined }
const NFS = { nfs: { server: 'nfs.example.com', path: '/' }, hostPath: undefined }
for (const [what, policy, annotation, source, phase, event] of [
  ['a volume', 'Retain', '', {}, 'Released', undefined],
  ['a volume of a provisioner', 'Delete', 'pv.kubernetes.io/provisioned-by', {}, 'Released', undefined],
  ['a volume that has moved to a driver', 'Delete', 'pv.kubernetes.io/migrated-to', {}, 'Released', undefined],
  ['a volume of a driver', 'Delete', '', CSI, 'Released', undefined],
  [
    'a volume of nobody',
    'Delete',
    '',
    NFS,
    'Failed',
    'VolumeFailedDelete: error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
  ],
  [
    'a volume of a plugin that is no more',
    'Delete',
    '',
    { awsElasticBlockStore: { volumeID: 'vol-1' }, hostPath: undefined },
    'Failed',
    'VolumeFailedDelete: error getting deleter volume plugin for volume "v": no volume plugin matched',
  ],
  ['a path', 'Delete', '', {}, 'Failed', 'VolumeFailedDelete: host_path deleter only supports /tmp/.+ but received provided /srv/v'],
  ['a volume', 'Recycle', '', {}, 'Failed', 'VolumeFailedRecycle: No recycler plugin found for the volume!'],
] as const) {
  test(`persistentVolumeBinder leaves ${what} to ${policy} ${phase}`, async (t) => {
    const cluster = await startTestCluster(t, { only })
    await addVolume(cluster, 'v', '1Gi', { persistentVolumeReclaimPolicy: policy, ...source })
    const annotations = { [annotation]: 'example.com/disk' }
    if (annotation) await cluster.client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { metadata: { annotations } } })
    await addClaim(cluster, 'a', '1Gi')
    await bound(cluster, 'a')
    await cluster.client.delete(PersistentVolumeClaim, { namespace, name: 'a' })
    await cluster.eventually(async () => (await phaseOf(cluster, 'v')) === phase)
    await cluster.advance(20_000)
    assert.equal(await phaseOf(cluster, 'v'), phase)
    assert.deepEqual(await cluster.events('v'), event ? [event] : [])
    // Given back by hand, it says no more of what failed.
    await cluster.client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { spec: { claimRef: null } } })
    await cluster.eventually(async () => (await phaseOf(cluster, 'v')) === 'Available')
    assert.equal((await cluster.client.get(PersistentVolume, { name: 'v' })).status?.message, undefined)
  })
}

test('persistentVolumeBinder gives claims without a class the default one, calls provisioners, and waits where the class says so', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await addClaim(cluster, 'early', '1Gi', { storageClassName: undefined })
  const storageClass = (name: string, more: object, annotations = {}) =>
    client.create(StorageClass, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name, annotations },
      provisioner: 'example.com/disk',
      ...more,
    })
  await storageClass('fast', {}, { 'storageclass.kubernetes.io/is-default-class': 'true' })
  await storageClass('patient', { volumeBindingMode: 'WaitForFirstConsumer' })
  const early = await eventually(async () => {
    const claim = await claimOf(cluster, 'early')
    return claim.metadata?.annotations?.['volume.kubernetes.io/storage-provisioner'] && claim
  })
  assert.equal(early.spec?.storageClassName, 'fast')
  await eventually(async () =>
    (await cluster.events('early')).some((text) =>
      text.startsWith("ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com/disk'"),
    ),
  )
  await addClaim(cluster, 'waiting', '1Gi', { storageClassName: 'patient' })
  await addVolume(cluster, 'v', '1Gi', { storageClassName: 'patient' })
  await eventually(async () =>
    (await cluster.events('waiting')).includes('WaitForFirstConsumer: waiting for first consumer to be created before binding'),
  )
  assert.equal((await claimOf(cluster, 'waiting')).spec?.volumeName, undefined)
  await client.patch(
    PersistentVolumeClaim,
    { namespace, name: 'waiting' },
    { type: 'merge', patch: { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } } } },
  )
  // The scheduler has chosen to have a volume made; which of those that are there suits a node it alone knows.
  await eventually(async () => (await cluster.events('waiting')).some((text) => text.startsWith('ExternalProvisioning: Waiting')))
  assert.equal((await claimOf(cluster, 'waiting')).spec?.volumeName, undefined)
  const { metadata } = await claimOf(cluster, 'waiting')
  const claimRef = { namespace, name: 'waiting', uid: metadata!.uid! }
  await client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { spec: { claimRef } } })
  assert.equal((await bound(cluster, 'waiting')).spec?.volumeName, 'v')
})

const storageClassNamed = ({ client }: TestCluster, name: string, provisioner: string, annotations = {}) =>
  client.create(StorageClass, { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name, annotations }, provisioner })

for (const [what, provisioner, spec, told] of [
  [
    'no class',
    undefined,
    { storageClassName: '' },
    'FailedBinding: no persistent volumes available for this claim and no storage class is set',
  ],
  ['a class that is not there', undefined, {}, 'ProvisioningFailed: storageclass.storage.k8s.io "c" not found'],
  [
    'a class without provisioner',
    'kubernetes.io/no-provisioner',
    {},
    'ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner',
  ],
  [
    'a provisioner that became a driver',
    'kubernetes.io/gce-pd',
    {},
    "ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'pd.csi.storage.gke.io' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
  ],
  [
    'a provisioner called as every object has a member',
    'constructor',
    {},
    "ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'constructor' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
  ],
] as const)
  test(`persistentVolumeBinder says every 15 s what a claim waits for, with ${what}`, async (t) => {
    const cluster = await startTestCluster(t, { only })
    if (provisioner) await storageClassNamed(cluster, 'c', provisioner)
    await addClaim(cluster, 'data', '1Gi', { storageClassName: 'c', ...spec })
    await cluster.eventually(async () => (await cluster.events('data')).length > 0)
    await cluster.advance(10_000)
    const count = async () => {
      const { items } = await cluster.client.list(CoreEvent, { namespace })
      const [event, ...more] = items.filter(({ involvedObject }) => involvedObject.name === 'data')
      assert.deepEqual([`${event!.reason}: ${event!.message}`, more], [told, []])
      return event!.count ?? 0
    }
    const before = await count()
    await cluster.advance(60_000)
    assert.equal(await count(), before + 4)
  })

for (const [what, provisioner, before, after] of [
  ['a plugin that became a driver', 'kubernetes.io/aws-ebs', undefined, 'ebs.csi.aws.com'],
  ['a plugin that became another driver', 'kubernetes.io/cinder', 'ebs.csi.aws.com', 'cinder.csi.openstack.org'],
  ['a driver', 'ebs.csi.aws.com', 'ebs.csi.aws.com', undefined],
  ['nobody', undefined, 'ebs.csi.aws.com', 'ebs.csi.aws.com'],
] as const)
  test(`persistentVolumeBinder tells who took over from ${what}`, async (t) => {
    const cluster = await startTestCluster(t, { only })
    await addVolume(cluster, 'v', '1Gi')
    await addClaim(cluster, 'a', '1Gi')
    await bound(cluster, 'a')
    const annotate = (annotation: string) => ({
      type: 'merge' as const,
      patch: {
        metadata: {
          annotations: {
            ...(provisioner ? { [annotation]: provisioner } : {}),
            ...(before ? { 'pv.kubernetes.io/migrated-to': before } : {}),
          },
        },
      },
    })
    await cluster.client.patch(PersistentVolume, { name: 'v' }, annotate('pv.kubernetes.io/provisioned-by'))
    await cluster.client.patch(PersistentVolumeClaim, { namespace, name: 'a' }, annotate('volume.beta.kubernetes.io/storage-provisioner'))
    await cluster.advance(1000)
    const objects = [await cluster.client.get(PersistentVolume, { name: 'v' }), await claimOf(cluster, 'a')]
    for (const { metadata } of objects) assert.equal(metadata?.annotations?.['pv.kubernetes.io/migrated-to'], after)
  })

test('persistentVolumeBinder has very many claims that wait take turns', async (t) => {
  const cluster = await startTestCluster(t, { only })
  for (let index = 0; index < 600; index++) await addClaim(cluster, `data-${index}`, '1Gi')
  await cluster.advance(40_000)
  const before = cluster.reconciles()
  await cluster.advance(60_000)
  assert.equal(cluster.reconciles() - before, 2 * 600)
})

test('persistentVolumeBinder gives classes marked in the old way as default', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addClaim(cluster, 'early', '1Gi', { storageClassName: undefined })
  await cluster.eventually(async () => (await cluster.events('early')).length > 0)
  await storageClassNamed(cluster, 'old', 'example.com/disk', { 'storageclass.beta.kubernetes.io/is-default-class': 'true' })
  await cluster.eventually(async () => (await claimOf(cluster, 'early')).spec?.storageClassName === 'old')
})

test('persistentVolumeBinder binds a volume set aside for a claim whatever class both are of', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'small', '1Gi')
  await addVolume(cluster, 'kept', '5Gi', { storageClassName: 'other', claimRef: { namespace, name: 'a' } })
  await cluster.eventually(async () => (await phaseOf(cluster, 'kept')) === 'Available')
  await addClaim(cluster, 'a', '1Gi')
  assert.equal((await bound(cluster, 'a')).spec?.volumeName, 'kept')
})

test('persistentVolumeBinder shows neither size nor ways of access of a claim that has lost its volume', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'v', '1Gi')
  await addClaim(cluster, 'a', '1Gi')
  const { status } = await bound(cluster, 'a')
  assert.deepEqual([status?.capacity, status?.accessModes], [{ storage: '1Gi' }, ['ReadWriteOnce']])
  await cluster.client.delete(PersistentVolume, { name: 'v' })
  await cluster.client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { metadata: { finalizers: null } } })
  const lost = await cluster.eventually(async () => {
    const claim = await claimOf(cluster, 'a')
    return claim.status?.phase === 'Lost' && claim
  })
  assert.deepEqual(lost.status, { phase: 'Lost' })
  const told = 'ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!'
  await cluster.eventually(async () => (await cluster.events('a')).includes(told))
})

test('persistentVolumeBinder tells claims the ways of access that their volume comes to have, but not its size', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'v', '1Gi')
  await addClaim(cluster, 'a', '1Gi')
  await bound(cluster, 'a')
  const spec = { accessModes: ['ReadWriteOnce', 'ReadOnlyMany'], capacity: { storage: '2Gi' } }
  await cluster.client.patch(PersistentVolume, { name: 'v' }, { type: 'merge', patch: { spec } })
  const { status } = await cluster.eventually(async () => {
    const claim = await claimOf(cluster, 'a')
    return claim.status?.accessModes?.length === 2 && claim
  })
  assert.deepEqual(status?.capacity, { storage: '1Gi' })
})

test('persistentVolumeBinder binds volumes of the attributes asked for, and says which those are', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'plain', '1Gi', CSI)
  await addVolume(cluster, 'gold', '5Gi', { ...CSI, volumeAttributesClassName: 'gold' })
  await cluster.eventually(async () => (await phaseOf(cluster, 'gold')) === 'Available')
  await addClaim(cluster, 'a', '1Gi', { volumeAttributesClassName: 'gold' })
  const { spec, status } = await bound(cluster, 'a')
  assert.deepEqual([spec?.volumeName, status?.currentVolumeAttributesClassName], ['gold', 'gold'])
  // From now on that is its driver's business.
  const key = { namespace, name: 'a' }
  const patch = { status: { currentVolumeAttributesClassName: 'silver' } }
  await cluster.client.patch(PersistentVolumeClaim, key, { type: 'merge', patch }, { subresource: 'status' })
  await cluster.advance(1000)
  assert.equal((await claimOf(cluster, 'a')).status?.currentVolumeAttributesClassName, 'silver')
})

test('persistentVolumeBinder has a volume deleted that was made for a claim which found another', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'first', '1Gi')
  await addClaim(cluster, 'a', '1Gi')
  const { metadata } = await bound(cluster, 'a')
  const claimRef = { namespace, name: 'a', uid: metadata!.uid! }
  const made = (name: string, annotations: object) =>
    cluster.client.create(PersistentVolume, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, annotations },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path: `/srv/${name}` },
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef,
      },
    } as PersistentVolume)
  await made('late', { 'pv.kubernetes.io/provisioned-by': 'example.com/disk' })
  await made('by-hand', {})
  await cluster.eventually(async () => (await phaseOf(cluster, 'late')) === 'Released')
  await cluster.eventually(async () => (await phaseOf(cluster, 'by-hand')) === 'Available')
  const { spec } = await cluster.client.get(PersistentVolume, { name: 'by-hand' })
  assert.deepEqual(spec?.claimRef, { namespace, name: 'a' })
})

test('persistentVolumeBinder says that a volume set aside for a claim of another mode will not be its', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addClaim(cluster, 'a', '1Gi')
  const { metadata } = await claimOf(cluster, 'a')
  await addVolume(cluster, 'v', '1Gi', { volumeMode: 'Block', claimRef: { namespace, name: 'a', uid: metadata!.uid! } })
  const of = 'VolumeMismatch: Cannot bind PersistentVolume'
  const why = 'due to incompatible volumeMode.'
  await cluster.eventually(async () => (await cluster.events('v')).includes(`${of} to requested PersistentVolumeClaim "a" ${why}`))
  await cluster.eventually(async () => (await cluster.events('a')).includes(`${of} "v" to requested PersistentVolumeClaim ${why}`))
})

test('persistentVolumeBinder does not bind a volume asked for by name that does not suit, and says why', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await addVolume(cluster, 'v', '1Gi', { accessModes: ['ReadOnlyMany'], volumeMode: 'Block', storageClassName: 'fast' })
  for (const [name, storage, spec, why] of [
    ['a', '2Gi', {}, 'requested PV is too small'],
    ['b', '1Gi', {}, 'storageClassName does not match'],
    ['c', '1Gi', { storageClassName: 'fast' }, 'incompatible volumeMode'],
    ['d', '1Gi', { storageClassName: 'fast', volumeMode: 'Block' }, 'incompatible accessMode'],
  ] as const) {
    await addClaim(cluster, name, storage, { volumeName: 'v', ...spec })
    const text = `VolumeMismatch: Cannot bind to requested volume "v": ${why}`
    await cluster.eventually(async () => (await cluster.events(name)).includes(text))
    assert.equal((await claimOf(cluster, name)).status?.phase, 'Pending')
  }
  await addClaim(cluster, 'e', '1Gi', { volumeName: 'v', storageClassName: 'fast', volumeMode: 'Block', accessModes: ['ReadOnlyMany'] })
  await bound(cluster, 'e')
})

test('persistentVolumeBinder names the pods whose placing it waits for', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually } = cluster
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'patient', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'example.com/disk',
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  await addClaim(cluster, 'waiting', '1Gi', { storageClassName: 'patient' })
  const spec = {
    containers: [{ name: 'c', image: 'c:1' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'waiting' } }],
  }
  await eventually(() => client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'user' }, spec }))
  // With its next look, not with whatever becomes of the pod.
  await cluster.advance(16_000)
  const { items } = await client.list(CoreEvent, { namespace })
  const told = items.filter(({ reason }) => reason === 'WaitForPodScheduled').map(({ message, count }) => [message, count])
  assert.deepEqual(told, [['waiting for pod user to be scheduled', 1]])
})

test('claimProtectionController keeps a claim that a pod uses, and volumeProtectionController a volume that is bound', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  await addVolume(cluster, 'v', '1Gi')
  await addClaim(cluster, 'a', '1Gi')
  await bound(cluster, 'a')
  const spec = {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'c:1' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'a' } }],
  }
  await eventually(() => client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: 'user' }, spec }))
  await advance(100)
  await client.delete(PersistentVolume, { name: 'v' })
  await client.delete(PersistentVolumeClaim, { namespace, name: 'a' })
  await advance(5000)
  assert.ok((await claimOf(cluster, 'a')).metadata?.deletionTimestamp)
  await client.delete(Pod, { namespace, name: 'user' }, { gracePeriodSeconds: 0 })
  await eventually(() =>
    claimOf(cluster, 'a').then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
  await eventually(() =>
    phaseOf(cluster, 'v').then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})

test('claimProtectionController keeps the claim of a pod that has ended, for as long as the pod is there', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client, eventually, advance } = cluster
  await addClaim(cluster, 'a', '1Gi')
  const spec = {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'c:1' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'a' } }],
  }
  const pod = { namespace, name: 'job' }
  await eventually(() => client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: pod, spec }))
  await client.patch(Pod, pod, { type: 'merge', patch: { status: { phase: 'Succeeded' } } }, { subresource: 'status' })
  await advance(100)
  await client.delete(PersistentVolumeClaim, { namespace, name: 'a' })
  await advance(5000)
  assert.ok((await claimOf(cluster, 'a')).metadata?.deletionTimestamp)
  await client.delete(Pod, pod, { gracePeriodSeconds: 0 })
  await eventually(() =>
    claimOf(cluster, 'a').then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
})

test('claimProtectionController lets go of a claim made for a pod whose node is done with it', async (t) => {
  const cluster = await startTestCluster(t, { only: [...only, 'ephemeral-volume-controller'] })
  const { client, eventually, advance } = cluster
  const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: '' }
  const spec = {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'c:1' }],
    volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: { spec: claimSpec } } }],
  }
  const pod = { namespace, name: 'user' }
  const metadata = { ...pod, finalizers: ['example.com/held'] }
  await eventually(() => client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata, spec } as Pod))
  await eventually(() => claimOf(cluster, 'user-data'))
  await client.delete(PersistentVolumeClaim, { namespace, name: 'user-data' })
  await advance(5000)
  assert.ok((await claimOf(cluster, 'user-data')).metadata?.deletionTimestamp)
  await client.delete(Pod, pod, { gracePeriodSeconds: 0 })
  await eventually(() =>
    claimOf(cluster, 'user-data').then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
  assert.ok((await client.get(Pod, pod)).metadata?.deletionTimestamp)
})
