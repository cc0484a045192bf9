import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '#api/object.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Volume } from '#api/generated/types.ts'
import { seededRandom } from '#lib/random.ts'
import { NominatedPods } from '#scheduler/nominations.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { preempt } from '#scheduler/preemption.ts'
import { claimOf, clusterOf, mounting, nodeOf, objectsFrom, outcome, place, podOf, type PodShape, volumeOf } from '#scheduler/testing.ts'

const on = (node: string, pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec!, nodeName: node } })
const bound = (name: string) => claimOf(name, { volumeName: `pv-${name}` })
const csi = (name: string, driver = 'csi.example.com') => volumeOf(`pv-${name}`, { csi: { driver, volumeHandle: name } })
const limits = (node: string, count: number, driver = 'csi.example.com', plugins = '') =>
  ({
    kind: 'CSINode',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name: node, annotations: { 'storage.alpha.kubernetes.io/migrated-plugins': plugins } },
    spec: { drivers: [{ name: driver, nodeID: node, allocatable: { count } }] },
  }) as KubeObject
const attached = (node: string, volume: string) =>
  ({
    kind: 'VolumeAttachment',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name: `${node}-${volume}` },
    spec: { nodeName: node, attacher: 'csi.example.com', source: { persistentVolumeName: `pv-${volume}` } },
  }) as KubeObject
const TOO_MANY = '0/1 nodes are available: 1 node(s) exceed max volume count.'

const volumeLimits: [title: string, KubeObject[], claims: string[], there: string[][], expected: string][] = [
  ['takes what the driver allows', [limits('a', 2)], ['x', 'y'], [], 'a'],
  ['takes no more', [limits('a', 2)], ['x', 'y', 'z'], [], TOO_MANY],
  ['counts volumes of pods there', [limits('a', 2)], ['x'], [['y', 'z']], TOO_MANY],
  ['counts a volume once, however many pods mount it', [limits('a', 2)], ['y', 'x'], [['y'], ['y']], 'a'],
  ['counts attachments that outlived their pods', [limits('a', 1), attached('a', 'z')], ['x'], [], TOO_MANY],
  ['lets in who brings nothing new, even beyond the limit', [limits('a', 1)], ['y'], [['y', 'z']], 'a'],
  ['knows no limits of drivers that tell none', [], ['x', 'y', 'z'], [], 'a'],
  ['counts drivers apart', [limits('a', 0, 'other.example.com')], ['x'], [], 'a'],
]
for (const [title, others, claims, there, expected] of volumeLimits) {
  test(`NodeVolumeLimits ${title}`, () => {
    const cluster = clusterOf(
      [nodeOf('a')],
      there.map((names, i) => on('a', podOf(`there-${i}`, mounting(...names)))),
    )
    cluster.objects = objectsFrom([...others, ...['x', 'y', 'z'].flatMap((name) => [bound(name), csi(name)])])
    assert.equal(outcome(podOf('p', mounting(...claims)), cluster), expected)
  })
}

test('NodeVolumeLimits counts a claim with the driver that will make its volume', () => {
  const cluster = clusterOf([nodeOf('a')])
  const storageClass = {
    kind: 'StorageClass',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name: 'slow' },
    provisioner: 'csi.example.com',
  } as KubeObject
  cluster.objects = objectsFrom([limits('a', 0), storageClass, claimOf('x', { storageClassName: 'slow' })])
  assert.equal(outcome(podOf('p', mounting('x')), cluster), TOO_MANY)
})

const ebs = (volumeID: string) => ({ awsElasticBlockStore: { volumeID } })
const EBS = 'ebs.csi.aws.com'
const inTree: [title: string, KubeObject[], pod: PodShape, there: PodShape[], expected: string][] = [
  ['counts volumes of in-tree types with the driver that took over', [], mounting('x'), [mounting('y')], TOO_MANY],
  [
    'counts them with those of the driver itself',
    [volumeOf('pv-y', { csi: { driver: EBS, volumeHandle: 'vol-x' } })],
    mounting('x'),
    [mounting('y')],
    'a',
  ],
  ['counts those of pods', [], { volumes: [{ name: 'v', ...ebs('vol-1') }] }, [mounting('y')], TOO_MANY],
  ['counts those of pods there', [], mounting('x'), [{ volumes: [{ name: 'v', ...ebs('vol-1') }] }], TOO_MANY],
  ['counts those of pods and of claims as one', [], mounting('x'), [{ volumes: [{ name: 'v', ...ebs('aws://z/vol-x') }] }], 'a'],
  [
    'counts a claim whose plugin was to make its volume',
    [claimOf('x', { storageClassName: 'slow' })],
    mounting('x'),
    [mounting('y')],
    TOO_MANY,
  ],
  ['leaves them alone on a node that does not say so', [limits('a', 1, EBS, 'kubernetes.io/cinder')], mounting('x'), [mounting('y')], 'a'],
  [
    'knows no limits of drivers that upstream forgot',
    [
      limits('a', 0, 'file.csi.azure.com', 'kubernetes.io/azure-file'),
      volumeOf('pv-x', { azureFile: { secretName: 's', shareName: 's', secretNamespace: 'n' } }),
    ],
    mounting('x'),
    [],
    'a',
  ],
]
for (const [title, others, pod, there, expected] of inTree) {
  test(`NodeVolumeLimits ${title}`, () => {
    const cluster = clusterOf(
      [nodeOf('a')],
      there.map((shape, i) => on('a', podOf(`there-${i}`, shape))),
    )
    const storageClass = {
      kind: 'StorageClass',
      apiVersion: 'storage.k8s.io/v1',
      metadata: { name: 'slow' },
      provisioner: 'kubernetes.io/aws-ebs',
    } as KubeObject
    const volumes = ['x', 'y'].flatMap((name) => [bound(name), volumeOf(`pv-${name}`, ebs(`vol-${name}`))])
    cluster.objects = objectsFrom([...others, limits('a', 1, EBS, 'kubernetes.io/cinder,kubernetes.io/aws-ebs'), storageClass, ...volumes])
    assert.equal(outcome(podOf('p', pod), cluster), expected)
  })
}

const ZONE = 'topology.kubernetes.io/zone'
const zones: [title: string, volume: Record<string, string>, node: Record<string, string>, expected: string][] = [
  ['keeps a pod in the zone of its volume', { [ZONE]: 'x' }, { [ZONE]: 'x' }, 'a'],
  ['keeps it out of others', { [ZONE]: 'x' }, { [ZONE]: 'y' }, '0/1 nodes are available: 1 node(s) had no available volume zone.'],
  ['knows volumes in several zones', { [ZONE]: 'x__y' }, { [ZONE]: 'y' }, 'a'],
  ['lets nodes be that say nothing of where they are', { [ZONE]: 'x' }, {}, 'a'],
  [
    'refuses nodes that say something else of where they are',
    { [ZONE]: 'x' },
    { 'topology.kubernetes.io/region': 'r' },
    '0/1 nodes are available: 1 node(s) had no available volume zone.',
  ],
  ['knows the older names', { 'failure-domain.beta.kubernetes.io/zone': 'x' }, { [ZONE]: 'x' }, 'a'],
  [
    'heeds regions',
    { 'topology.kubernetes.io/region': 'r', [ZONE]: 'x' },
    { 'topology.kubernetes.io/region': 's', [ZONE]: 'x' },
    '0/1 nodes are available: 1 node(s) had no available volume zone.',
  ],
]
for (const [title, volume, labels, expected] of zones) {
  test(`VolumeZone ${title}`, () => {
    const cluster = clusterOf([nodeOf('a', { labels })])
    cluster.objects = objectsFrom([bound('x'), volumeOf('pv-x', {}, volume)])
    assert.equal(outcome(podOf('p', mounting('x')), cluster), expected)
  })
}

const rwop = claimOf('x', { accessModes: ['ReadWriteOncePod'] })
const IN_USE = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'

test('VolumeRestrictions gives an exclusive claim to one pod at a time, wherever it is', () => {
  const cluster = clusterOf([nodeOf('a'), nodeOf('b')], [on('a', podOf('user', mounting('x')))])
  cluster.objects = objectsFrom([rwop])
  assert.equal(outcome(podOf('p', mounting('x')), cluster), `0/2 nodes are available: 2 ${IN_USE}.`)
  cluster.objects = objectsFrom([claimOf('x', { accessModes: ['ReadWriteOnce'] })])
  assert.equal(outcome(podOf('p', mounting('x')), cluster), 'b')
})

test('VolumeRestrictions frees an exclusive claim by preemption, on the node of its user', () => {
  const cluster = clusterOf([nodeOf('a'), nodeOf('b')], [on('a', podOf('user', mounting('x'))), on('b', podOf('bystander'))])
  cluster.objects = objectsFrom([rwop])
  const pod = podOf('p', { ...mounting('x'), priority: 10 })
  const refused = place(pod, cluster)
  assert.ok('diagnosis' in refused)
  const found = preempt(podInfoOf(pod), {
    cluster,
    ...refused,
    nominations: new NominatedPods(),
    random: seededRandom(1),
    budgets: () => [],
  })
  assert.ok(typeof found !== 'string')
  assert.deepEqual([found.node.name, found.victims.map(({ key }) => key)], ['a', ['default/user']])
})

const iscsi = (iqn: string, readOnly = false) => ({ iscsi: { iqn, lun: 0, targetPortal: 't', readOnly } })
const rbd = (own: object) => ({ rbd: { monitors: ['m', 'n'], image: 'i', ...own } })
const gce = (pdName: string, readOnly = false) => ({ gcePersistentDisk: { pdName, readOnly } })
const disks: [Partial<Volume>, Partial<Volume>, conflict: boolean][] = [
  [gce('d'), gce('d'), true],
  [gce('d', true), gce('d', true), false],
  [gce('d', true), gce('d'), true],
  [gce('d'), gce('e'), false],
  [{ awsElasticBlockStore: { volumeID: 'v', readOnly: true } }, { awsElasticBlockStore: { volumeID: 'v', readOnly: true } }, true],
  [iscsi('q'), iscsi('q'), true],
  [iscsi('q', true), iscsi('q', true), false],
  [iscsi('q'), iscsi('r'), false],
  [rbd({}), rbd({ monitors: ['n', 'o'], pool: 'rbd' }), true],
  [rbd({}), rbd({ monitors: ['o'] }), false],
  [rbd({}), rbd({ pool: 'other' }), false],
  [rbd({ readOnly: true }), rbd({ readOnly: true }), false],
  [gce('d'), iscsi('d'), false],
]
for (const [i, [mine, theirs, conflict]] of disks.entries()) {
  test(`VolumeRestrictions ${conflict ? 'keeps apart' : 'lets together'} pods with ${Object.keys(mine)[0]} and ${Object.keys(theirs)[0]} (${i})`, () => {
    const cluster = clusterOf([nodeOf('a')], [on('a', podOf('x', { volumes: [{ name: 'v', ...theirs }] }))])
    const expected = conflict ? '0/1 nodes are available: 1 node(s) had no available disk.' : 'a'
    assert.equal(outcome(podOf('p', { volumes: [{ name: 'v', ...mine }] }), cluster), expected)
  })
}

test('VolumeRestrictions compares disks of very many volumes and monitors', () => {
  const monitors = (prefix: string) => Array.from({ length: 200_000 }, (_, i) => `${prefix}${i}`)
  const volumes = (prefix: string) =>
    Array.from({ length: 30_000 }, (_, i) => ({ name: `v${i}`, awsElasticBlockStore: { volumeID: `${prefix}${i}` } }))
  const cluster = clusterOf(
    [nodeOf('a')],
    [on('a', podOf('x', { volumes: [{ name: 'v', ...rbd({ monitors: monitors('m') }) }, ...volumes('a')] }))],
  )
  const outcomeOf = (prefix: string) =>
    outcome(podOf('p', { volumes: [...volumes(prefix), { name: 'v', ...rbd({ monitors: monitors('n') }) }] }), cluster)
  assert.equal(outcomeOf('b'), 'a')
  assert.equal(outcomeOf('a'), '0/1 nodes are available: 1 node(s) had no available disk.')
})

test('NodeDeclaredFeatures sends pods where nodes say they can do what is asked', () => {
  const able = nodeOf('b')
  const nodes = [nodeOf('a'), { ...able, status: { ...able.status!, declaredFeatures: ['RestartAllContainersOnContainerExits'] } }]
  const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [1] } }]
  const pod = podOf('p', { containers: [{ name: 'c', restartPolicyRules }] })
  assert.equal(outcome(pod, clusterOf(nodes)), 'b')
  assert.equal(outcome(pod, clusterOf(nodes.slice(0, 1))), "0/1 nodes are available: 1 node(s) didn't match Pod's required features.")
})
