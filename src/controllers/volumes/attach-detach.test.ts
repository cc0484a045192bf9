import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import type { PersistentVolumeSpec, Volume } from '#api/generated/types.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { VolumeAttachment } from '#api/kinds/storage/volume-attachment.ts'
import { forbid, startTestCluster, type TestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const driver = 'csi.example.com'
const unique = `kubernetes.io/csi/${driver}^handle`
const MANAGED = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }
const only = [
  'persistentvolume-binder-controller',
  'persistentvolume-attach-detach-controller',
  'persistentvolume-attached-volumes-controller',
]

async function start(t: Parameters<typeof startTestCluster>[0], mode = 'ReadWriteOnce'): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only })
  const { client } = cluster
  for (const name of ['n1', 'n2']) {
    await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations: MANAGED } })
    await setNode(cluster, name, { conditions: [{ type: 'Ready', status: 'True' }] })
  }
  await addVolume(cluster, 'v', { claim: 'data', mode })
  return cluster
}
async function addVolume(
  { client, eventually }: TestCluster,
  name: string,
  { claim, mode = 'ReadWriteOnce', source }: { claim: string; mode?: string; source?: Partial<PersistentVolumeSpec> },
) {
  const accessModes = [mode]
  const spec = { capacity: { storage: '1Gi' }, accessModes, storageClassName: '' }
  await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { ...spec, ...(source ?? { csi: { driver, volumeHandle: 'handle' } }) },
  })
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name: claim },
    spec: { accessModes, resources: { requests: { storage: '1Gi' } }, storageClassName: '', volumeName: name },
  })
  await eventually(async () => (await client.get(PersistentVolumeClaim, { namespace, name: claim })).status?.phase === 'Bound')
}
const addPod = (cluster: TestCluster, name: string, nodeName: string, claimName = 'data') =>
  addPodWith(cluster, name, nodeName, { persistentVolumeClaim: { claimName } })
const addPodWith = ({ client, eventually }: TestCluster, name: string, nodeName: string, source: Partial<Volume>) =>
  eventually<Pod>(() =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name },
      spec: {
        nodeName,
        containers: [{ name: 'c', image: 'c:1' }],
        volumes: [{ name: 'data', ...source }],
      },
    }),
  )
const removePod = ({ client }: TestCluster, name: string) => client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
const setNode = ({ client }: TestCluster, name: string, status: object) =>
  client.patch(Node, { name }, { type: 'merge', patch: { status } }, { subresource: 'status' })
const attachments = async ({ client }: TestCluster) => (await client.list(VolumeAttachment)).items
const onNode = (cluster: TestCluster, node: string) =>
  cluster.eventually(async () => (await attachments(cluster)).find(({ spec }) => spec.nodeName === node))
const setStatus = ({ client }: TestCluster, { metadata }: VolumeAttachment, status: object) =>
  client.patch(VolumeAttachment, { name: metadata!.name! }, { type: 'merge', patch: { status } }, { subresource: 'status' })
const reported = async ({ client }: TestCluster, name: string) => (await client.get(Node, { name })).status?.volumesAttached
const none = (cluster: TestCluster) => cluster.eventually(async () => (await attachments(cluster)).length === 0)

/** Attached to n1 and in use there, then without its pod. */
async function leftBehind(t: Parameters<typeof startTestCluster>[0]): Promise<TestCluster> {
  const cluster = await start(t)
  await addPod(cluster, 'p', 'n1')
  await setStatus(cluster, await onNode(cluster, 'n1'), { attached: true })
  await cluster.eventually(async () => (await reported(cluster, 'n1'))?.length === 1)
  await setNode(cluster, 'n1', { volumesInUse: [unique] })
  await cluster.advance(1000)
  await removePod(cluster, 'p')
  await cluster.advance(60_000)
  assert.equal((await attachments(cluster)).length, 1)
  assert.equal((await reported(cluster, 'n1'))?.length, 1)
  return cluster
}

test('attachDetachController attaches where a pod is, tells node and pod, and detaches once the node has let go', async (t) => {
  const cluster = await start(t)
  await addPod(cluster, 'p', 'n1')
  const attachment = await onNode(cluster, 'n1')
  assert.equal(attachment.metadata?.name, `csi-${createHash('sha256').update(`handle${driver}n1`).digest('hex')}`)
  assert.deepEqual(attachment.spec, { attacher: driver, nodeName: 'n1', source: { persistentVolumeName: 'v' } })
  await cluster.advance(1000)
  assert.equal(await reported(cluster, 'n1'), undefined)
  await setStatus(cluster, attachment, { attached: true })
  await cluster.eventually(async () => (await reported(cluster, 'n1'))?.[0]?.name === unique)
  await cluster.eventually(async () =>
    (await cluster.events('p')).includes('SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "v" '),
  )
  await setNode(cluster, 'n1', { volumesInUse: [unique] })
  await removePod(cluster, 'p')
  await cluster.advance(30_000)
  assert.equal((await attachments(cluster)).length, 1)
  await setNode(cluster, 'n1', { volumesInUse: null })
  await none(cluster)
  assert.equal(await reported(cluster, 'n1'), undefined)
})

test('attachDetachController refuses a second node, says which pod has the volume, and goes on when it is free', async (t) => {
  const cluster = await start(t)
  await addPod(cluster, 'first', 'n1')
  const attachment = await onNode(cluster, 'n1')
  await addPod(cluster, 'second', 'n2')
  await cluster.advance(5000)
  assert.deepEqual(await cluster.events('second'), [], 'the first may yet fail')
  await setStatus(cluster, attachment, { attached: true })
  const text = 'FailedAttachVolume: Multi-Attach error for volume "v" Volume is already used by pod(s) first'
  await cluster.eventually(async () => (await cluster.events('second')).includes(text))
  await cluster.advance(60_000)
  assert.equal((await cluster.events('second')).filter((one) => one === text).length, 1)
  assert.equal((await attachments(cluster)).length, 1)
  await removePod(cluster, 'first')
  await onNode(cluster, 'n2')
})

test('attachDetachController says nothing of a volume that is on its way to another node, unless that takes too long', async (t) => {
  const cluster = await start(t)
  await addPod(cluster, 'first', 'n1')
  const attachment = await onNode(cluster, 'n1')
  const key = { name: attachment.metadata!.name! }
  await cluster.client.patch(VolumeAttachment, key, { type: 'merge', patch: { metadata: { finalizers: ['external-attacher/csi'] } } })
  await setStatus(cluster, attachment, { attached: true })
  await removePod(cluster, 'first')
  await cluster.eventually(async () => (await attachments(cluster))[0]?.metadata?.deletionTimestamp)
  await addPod(cluster, 'second', 'n2')
  await cluster.advance(110_000)
  assert.deepEqual(await cluster.events('second'), [])
  await cluster.advance(15_000)
  assert.deepEqual(await cluster.events('second'), [
    `FailedAttachVolume: Multi-Attach error for volume "v" Volume is already exclusively attached to one node and can't be attached to another`,
  ])
  await cluster.client.patch(VolumeAttachment, key, { type: 'merge', patch: { metadata: { finalizers: null } } })
  await onNode(cluster, 'n2')
})

test('attachDetachController attaches to several nodes what several may mount', async (t) => {
  const cluster = await start(t, 'ReadWriteMany')
  await addPod(cluster, 'first', 'n1')
  await addPod(cluster, 'second', 'n2')
  await onNode(cluster, 'n1')
  await onNode(cluster, 'n2')
})

test('attachDetachController tells what the driver says, and that nobody attaches', async (t) => {
  const cluster = await start(t)
  await addPod(cluster, 'p', 'n1')
  const attachment = await onNode(cluster, 'n1')
  await cluster.advance(125_000)
  const late = `FailedAttachVolume: AttachVolume.Attach failed for volume "v" : timed out waiting for external-attacher of ${driver} CSI driver to attach volume handle`
  await cluster.eventually(async () => (await cluster.events('p')).includes(late))
  await setStatus(cluster, attachment, { attached: false, attachError: { message: 'no such disk' } })
  await cluster.eventually(async () =>
    (await cluster.events('p')).includes('FailedAttachVolume: AttachVolume.Attach failed for volume "v" : no such disk'),
  )
  // Again and again, less and less often.
  await cluster.advance(60_000)
  const { items } = await cluster.client.list(CoreEvent)
  const count = items.find(({ message }) => message?.endsWith('no such disk'))?.count ?? 0
  assert.ok(count >= 5 && count <= 8, `${count} times`)
})

test('attachDetachController tells why no attachment can be made, again at every attempt, and goes on once it can', async (t) => {
  const cluster = await start(t)
  const role = { name: 'system:controller:attachdetach-controller' }
  const { rules } = await cluster.client.get(ClusterRole, role)
  const limit = (more: typeof rules) => cluster.client.patch(ClusterRole, role, { type: 'merge', patch: { rules: more } })
  await limit(rules!.filter(({ resources }) => !resources?.includes('volumeattachments')))
  await addPod(cluster, 'p', 'n1')
  const failure = () =>
    cluster.eventually(async () => (await cluster.client.list(CoreEvent)).items.find(({ reason }) => reason === 'FailedAttachVolume'))
  assert.match(
    (await failure()).message!,
    /^AttachVolume\.Attach failed for volume "v" : volumeattachments\.storage\.k8s\.io is forbidden: /,
  )
  await cluster.advance(60_000)
  const { count = 0 } = await failure()
  assert.ok(count >= 5 && count <= 8, `${count} times`)
  await limit(rules)
  await cluster.advance(125_000)
  await onNode(cluster, 'n1')
})

test('attachDetachController leaves a mounted volume on a ready node for good', async (t) => {
  const cluster = await leftBehind(t)
  await cluster.advance(600_000)
  assert.equal((await attachments(cluster)).length, 1)
})

test('attachDetachController detaches by force from a node that is not ready for six minutes', async (t) => {
  const cluster = await leftBehind(t)
  await setNode(cluster, 'n1', { conditions: [{ type: 'Ready', status: 'Unknown' }] })
  await cluster.advance(290_000)
  assert.equal((await attachments(cluster)).length, 1)
  await cluster.advance(20_000)
  await none(cluster)
})

test('attachDetachController detaches at once from a node out of service', async (t) => {
  const cluster = await leftBehind(t)
  const taints = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }]
  await cluster.client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { spec: { taints } } })
  await none(cluster)
})

test('attachDetachController detaches from a node that is gone after six minutes', async (t) => {
  const cluster = await leftBehind(t)
  await cluster.client.delete(Node, { name: 'n1' })
  await cluster.advance(290_000)
  assert.equal((await attachments(cluster)).length, 1)
  await cluster.advance(20_000)
  await none(cluster)
})

test('attachDetachController attaches nothing for drivers that need it not, nor to nodes that do it themselves', async (t) => {
  const cluster = await start(t)
  const { client } = cluster
  await client.patch(Node, { name: 'n2' }, { type: 'merge', patch: { metadata: { annotations: null } } })
  await addPod(cluster, 'own', 'n2')
  await cluster.advance(5000)
  assert.deepEqual(await attachments(cluster), [])
  await client.create(CSIDriver, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: driver },
    spec: { attachRequired: false },
  })
  await cluster.advance(1000)
  await addPod(cluster, 'p', 'n1')
  await cluster.advance(5000)
  assert.deepEqual(await attachments(cluster), [])
})

test('attachDetachController takes volumes of one handle for one that only one node may have', async (t) => {
  const cluster = await start(t)
  await addVolume(cluster, 'w', { claim: 'other' })
  await addPod(cluster, 'first', 'n1')
  await setStatus(cluster, await onNode(cluster, 'n1'), { attached: true })
  await addPod(cluster, 'second', 'n2', 'other')
  const text = 'FailedAttachVolume: Multi-Attach error for volume "w" Volume is already used by pod(s) first'
  await cluster.eventually(async () => (await cluster.events('second')).includes(text))
  assert.equal((await attachments(cluster)).length, 1)
  await removePod(cluster, 'first')
  const { spec } = await onNode(cluster, 'n2')
  assert.deepEqual(spec.source, { persistentVolumeName: 'w' })
})

test('attachDetachController attaches volumes of one handle to a node once, for as long as one of them is wanted there', async (t) => {
  const cluster = await start(t)
  await addVolume(cluster, 'w', { claim: 'other' })
  await addPod(cluster, 'first', 'n1')
  await setStatus(cluster, await onNode(cluster, 'n1'), { attached: true })
  await addPod(cluster, 'second', 'n1', 'other')
  await cluster.eventually(async () => (await reported(cluster, 'n1'))?.length === 1)
  await removePod(cluster, 'first')
  await cluster.client.delete(PersistentVolumeClaim, { namespace, name: 'data' })
  await cluster.client.delete(PersistentVolume, { name: 'v' })
  await setNode(cluster, 'n1', { volumesInUse: [unique] })
  await cluster.advance(60_000)
  assert.deepEqual(await reported(cluster, 'n1'), [{ name: unique, devicePath: '' }])
  assert.equal((await attachments(cluster)).length, 1)
  await removePod(cluster, 'second')
  await setNode(cluster, 'n1', { volumesInUse: null })
  await none(cluster)
  assert.equal(await reported(cluster, 'n1'), undefined)
})

test('attachDetachController has in-tree volumes attached by the driver that took over', async (t) => {
  const cluster = await start(t)
  await addVolume(cluster, 'ebs', { claim: 'other', source: { awsElasticBlockStore: { volumeID: 'aws://us-east-1a/vol-1' } } })
  await addPod(cluster, 'p', 'n1', 'other')
  const attachment = await onNode(cluster, 'n1')
  assert.equal(attachment.metadata?.name, `csi-${createHash('sha256').update('vol-1ebs.csi.aws.comn1').digest('hex')}`)
  assert.deepEqual(attachment.spec, { attacher: 'ebs.csi.aws.com', nodeName: 'n1', source: { persistentVolumeName: 'ebs' } })
  await setStatus(cluster, attachment, { attached: true })
  await cluster.eventually(async () => (await reported(cluster, 'n1'))?.[0]?.name === 'kubernetes.io/csi/ebs.csi.aws.com^vol-1')
  await removePod(cluster, 'p')
  await none(cluster)
})

test('attachDetachController has in-tree volumes of pods attached, each once', async (t) => {
  const cluster = await start(t)
  const disk = { gcePersistentDisk: { pdName: 'd', fsType: 'ext4' } }
  await addPodWith(cluster, 'first', 'n1', disk)
  const attachment = await onNode(cluster, 'n1')
  assert.equal(attachment.spec.attacher, 'pd.csi.storage.gke.io')
  assert.deepEqual(attachment.spec.source, {
    inlineVolumeSpec: {
      accessModes: ['ReadWriteOnce'],
      csi: {
        driver: 'pd.csi.storage.gke.io',
        volumeHandle: 'projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d',
        fsType: 'ext4',
        volumeAttributes: { partition: '' },
      },
      volumeMode: 'Filesystem',
    },
  })
  await setStatus(cluster, attachment, { attached: true })
  const told = 'SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "pd.csi.storage.gke.io-d" '
  await cluster.eventually(async () => (await cluster.events('first')).includes(told))
  const name = 'kubernetes.io/csi/pd.csi.storage.gke.io^projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d'
  assert.deepEqual(await reported(cluster, 'n1'), [{ name, devicePath: '' }])
  await addPodWith(cluster, 'second', 'n2', disk)
  const text = 'FailedAttachVolume: Multi-Attach error for volume "pd.csi.storage.gke.io-d" Volume is already used by pod(s) first'
  await cluster.eventually(async () => (await cluster.events('second')).includes(text))
  await removePod(cluster, 'first')
  await onNode(cluster, 'n2')
  await removePod(cluster, 'second')
  await none(cluster)
})

test('attachDetachController attaches no in-tree volumes whose driver needs it not', async (t) => {
  const cluster = await start(t)
  await addPodWith(cluster, 'p', 'n1', { azureFile: { secretName: 's', shareName: 's' } })
  await onNode(cluster, 'n1')
  await removePod(cluster, 'p')
  await none(cluster)
  await cluster.client.create(CSIDriver, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'file.csi.azure.com' },
    spec: { attachRequired: false },
  })
  await cluster.advance(1000)
  await addPodWith(cluster, 'p', 'n1', { azureFile: { secretName: 's', shareName: 's' } })
  await cluster.advance(5000)
  assert.deepEqual(await attachments(cluster), [])
})

test('attachDetachController does nothing about volumes of pods on nodes that attach them themselves', async (t) => {
  const cluster = await start(t)
  await cluster.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'own' } })
  await cluster.advance(1000)
  const before = cluster.reconciles()
  await addPodWith(cluster, 'inline', 'own', { awsElasticBlockStore: { volumeID: 'vol-1' } })
  await addPod(cluster, 'claiming', 'own')
  await cluster.advance(1000)
  assert.equal(cluster.reconciles() - before, 0)
})

test('attachDetachController attaches for pods that came before their node left that to it', async (t) => {
  const cluster = await start(t)
  const patch = { metadata: { annotations: Object.fromEntries(Object.keys(MANAGED).map((name) => [name, null])) } }
  await cluster.client.patch(Node, { name: 'n1' }, { type: 'merge', patch })
  await addPod(cluster, 'p', 'n1')
  await none(cluster)
  await cluster.client.patch(Node, { name: 'n1' }, { type: 'merge', patch: { metadata: { annotations: MANAGED } } })
  await onNode(cluster, 'n1')
})

test('attachDetachController tells a node what is attached as soon as it can be told, however long it could not', async (t) => {
  const cluster = await start(t)
  await addPod(cluster, 'p', 'n1')
  const attachment = await onNode(cluster, 'n1')
  await forbid(cluster, { operation: 'UPDATE', group: '', resource: 'nodes/status' })
  await setStatus(cluster, attachment, { attached: true })
  await cluster.advance(3600_000)
  assert.equal(await reported(cluster, 'n1'), undefined)
  await cluster.client.delete(ValidatingAdmissionPolicyBinding, { name: 'forbidden' })
  await cluster.advance(12_000)
  assert.equal((await reported(cluster, 'n1'))?.length, 1)
})
