import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodAffinityTerm, TopologySpreadConstraint } from '#api/generated/types.ts'
import { EventsEvent } from '#api/kinds/events/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import type { Client } from '#client/client.ts'
import { mounting, type NodeShape, type PodShape } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const claim =
  (name: string, own: object = {}, status?: object) =>
  async (client: Client) => {
    const made = await client.create(PersistentVolumeClaim, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: 'default', ...(own as { metadata?: object }).metadata },
      spec: { ...spec, storageClassName: '', ...own, metadata: undefined } as never,
    })
    if (status) await client.update(PersistentVolumeClaim, { ...made, status }, { subresource: 'status' })
  }
const boundTo = (volumeName: string) => ({ volumeName, metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } } })
const volume =
  (name: string, own: object = {}, labels = {}) =>
  (client: Client) =>
    client.create(PersistentVolume, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, labels },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/v' }, ...own },
    })
const onNode = (name: string) => ({
  nodeAffinity: {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }] }] },
  },
})
const storageClass = (provisioner: string) => (client: Client) =>
  client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'later' },
    provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
  })
const tracksSpace = (client: Client) =>
  client.create(CSIDriver, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'csi.example.com' },
    spec: { storageCapacity: true },
  })
const limitOf = (count: number) => (client: Client) =>
  client.create(CSINode, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: 'a', annotations: { 'storage.alpha.kubernetes.io/migrated-plugins': 'kubernetes.io/aws-ebs' } },
    spec: { drivers: [{ name: 'csi.example.com', nodeID: 'a', allocatable: { count } }] },
  })
const csi = { hostPath: undefined, csi: { driver: 'csi.example.com', volumeHandle: 'h' } }
const ebs = { hostPath: undefined, awsElasticBlockStore: { volumeID: 'vol-1' } }

const LATER = { storageClassName: 'later' }
const one = { cpu: '1' }
const cordoned: NodeShape = { spec: { unschedulable: true } }
const tainted: NodeShape = { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }
const term = (topologyKey: string): PodAffinityTerm => ({ topologyKey, labelSelector: { matchLabels: { app: 'web' } } })
const web = { labels: { app: 'web' } }
const apart = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('kubernetes.io/hostname')] } }
const spread: TopologySpreadConstraint = {
  maxSkew: 1,
  topologyKey: 'kubernetes.io/hostname',
  whenUnsatisfiable: 'DoNotSchedule',
  labelSelector: { matchLabels: { app: 'web' } },
}
const named = (...names: string[][]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: names.map((values) => ({ key: 'metadata.name', operator: 'In', values })) }],
      },
    },
  },
})
const port = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] }
const restarting = {
  restartPolicy: 'Never',
  containers: [
    {
      name: 'c',
      image: 'i',
      restartPolicy: 'Never',
      restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [1] } }],
    },
  ],
}
const gpus = (requests: Record<string, string>) => ({
  containers: [{ name: 'c', image: 'i', resources: { requests, limits: requests } }],
})

/** What is said of preemption: how many nodes it would not help on, and on how many there is nobody to evict. */
const helpless = (nodes: number, nobody = 0) =>
  ` no new claims to deallocate, preemption: 0/${nodes} nodes are available: ` +
  [
    nobody ? `${nobody} No preemption victims found for incoming pod` : [],
    nodes > nobody ? `${nodes - nobody} Preemption is not helpful for scheduling` : [],
  ]
    .flat()
    .sort()
    .join(', ') +
  '.'

interface Case {
  nodes?: Record<string, NodeShape>
  objects?: ((client: Client) => Promise<unknown>)[]
  /** On node a. */
  there?: PodShape[]
  pod: PodShape
  says: string
}

const cases: Record<string, Case> = {
  'no nodes at all': { nodes: {}, pod: {}, says: 'no nodes available to schedule pods' },
  NodeUnschedulable: { nodes: { a: cordoned }, pod: {}, says: `0/1 nodes are available: 1 node(s) were unschedulable.${helpless(1)}` },
  TaintToleration: { nodes: { a: tainted }, pod: {}, says: `0/1 nodes are available: 1 node(s) had untolerated taint(s).${helpless(1)}` },
  NodeAffinity: {
    pod: { nodeSelector: { no: 'such' } },
    says: `0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.${helpless(1)}`,
  },
  'NodeAffinity of one node by name': {
    nodes: { a: cordoned, b: {}, c: {} },
    pod: named(['a']),
    says: `0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].${helpless(3)}`,
  },
  'NodeAffinity that contradicts itself': {
    pod: named(['a'], ['b']),
    says: `0/1 nodes are available: pod affinity terms conflict.${helpless(1)}`,
  },
  NodePorts: {
    there: [port],
    pod: port,
    says: `0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.${helpless(1, 1)}`,
  },
  'NodeResourcesFit of what others have': {
    nodes: { a: one, b: cordoned },
    there: [one],
    pod: one,
    says: `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.${helpless(2, 1)}`,
  },
  'NodeResourcesFit of what no node has': {
    nodes: { a: { pods: '1' } },
    there: [{}],
    pod: { cpu: '5', memory: '9Gi' },
    says: `0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods.${helpless(1)}`,
  },
  'NodeResourcesFit of extended resources': {
    pod: gpus({ 'example.com/gpu': '1' }),
    says: `0/1 nodes are available: 1 Insufficient example.com/gpu.${helpless(1)}`,
  },
  VolumeRestrictions: {
    objects: [claim('x', { ...boundTo('v'), accessModes: ['ReadWriteOncePod'] }), volume('v')],
    there: [mounting('x')],
    pod: mounting('x'),
    says: `0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.${helpless(1, 1)}`,
  },
  NodeVolumeLimits: {
    objects: [claim('x', boundTo('v')), volume('v', csi), limitOf(0)],
    pod: mounting('x'),
    says: `0/1 nodes are available: 1 node(s) exceed max volume count.${helpless(1, 1)}`,
  },
  'VolumeBinding of no claim': {
    pod: mounting('x'),
    says: `0/1 nodes are available: persistentvolumeclaim "x" not found.${helpless(1)}`,
  },
  'VolumeBinding of a claim that is lost': {
    objects: [claim('x', boundTo('v'), { phase: 'Lost' })],
    pod: mounting('x'),
    says: `0/1 nodes are available: persistentvolumeclaim "x" bound to non-existent persistentvolume "v".${helpless(1)}`,
  },
  'VolumeBinding of one that nobody bound and one that is lost': {
    objects: [claim('w'), claim('x', boundTo('v'), { phase: 'Lost' })],
    pod: mounting('w', 'x'),
    says: `0/1 nodes are available: persistentvolumeclaim "x" bound to non-existent persistentvolume "v".${helpless(1)}`,
  },
  'VolumeBinding of a claim that nobody bound': {
    objects: [claim('x')],
    pod: mounting('x'),
    says: `0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.${helpless(1)}`,
  },
  'VolumeBinding of a volume of its own to come': {
    pod: { volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec } } }] },
    says: `0/1 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v".${helpless(1)}`,
  },
  'VolumeBinding of a volume elsewhere': {
    nodes: { a: {}, b: cordoned },
    objects: [claim('x', boundTo('v')), volume('v', onNode('b'))],
    pod: mounting('x'),
    says: `0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable.${helpless(2)}`,
  },
  'VolumeBinding of an in-tree volume where its driver is not': {
    nodes: { a: { labels: { 'topology.kubernetes.io/zone': 'x' } } },
    objects: [limitOf(1), claim('x', boundTo('v')), volume('v', ebs, { 'topology.kubernetes.io/zone': 'x' })],
    pod: mounting('x'),
    says: `0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.${helpless(1)}`,
  },
  'VolumeBinding of a volume elsewhere and another nowhere': {
    objects: [claim('x', boundTo('v')), volume('v', onNode('b')), storageClass('kubernetes.io/no-provisioner'), claim('y', LATER)],
    pod: mounting('x', 'y'),
    says: `0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind, 1 node(s) didn't match PersistentVolume's node affinity.${helpless(1)}`,
  },
  'VolumeBinding without space': {
    objects: [storageClass('csi.example.com'), tracksSpace, claim('x', LATER)],
    pod: mounting('x'),
    says: `0/1 nodes are available: 1 node(s) did not have enough free storage.${helpless(1)}`,
  },
  'VolumeZone of a volume that vanished': {
    objects: [claim('x', boundTo('v'))],
    pod: mounting('x'),
    says: `0/1 nodes are available: persistentvolume "v" not found.${helpless(1)}`,
  },
  VolumeZone: {
    nodes: { a: { labels: { 'topology.kubernetes.io/zone': 'z' } } },
    objects: [claim('x', boundTo('v')), volume('v', {}, { 'topology.kubernetes.io/zone': 'y' })],
    pod: mounting('x'),
    says: `0/1 nodes are available: 1 node(s) had no available volume zone.${helpless(1)}`,
  },
  PodTopologySpread: {
    nodes: { a: {}, b: cordoned },
    there: [web],
    pod: { ...web, topologySpreadConstraints: [spread] },
    says: `0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable.${helpless(2, 1)}`,
  },
  'PodTopologySpread without the label': {
    pod: { ...web, topologySpreadConstraints: [{ ...spread, topologyKey: 'zone' }] },
    says: `0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).${helpless(1)}`,
  },
  'InterPodAffinity without company': {
    pod: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('kubernetes.io/hostname')] } } },
    says: `0/1 nodes are available: 1 node(s) didn't match pod affinity rules.${helpless(1)}`,
  },
  'InterPodAffinity against company': {
    there: [web],
    pod: { affinity: apart },
    says: `0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.${helpless(1, 1)}`,
  },
  'InterPodAffinity of who is there': {
    there: [{ affinity: apart }],
    pod: web,
    says: `0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.${helpless(1, 1)}`,
  },
  NodeDeclaredFeatures: {
    pod: restarting,
    says: `0/1 nodes are available: 1 node(s) didn't match Pod's required features.${helpless(1)}`,
  },
  'DefaultPreemption where it must not': {
    nodes: { a: one },
    there: [one],
    pod: { ...one, priority: 5, preemptionPolicy: 'Never' },
    says: '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
  },
  'DefaultPreemption that finds whom to evict': {
    nodes: { a: one, b: cordoned },
    there: [one],
    pod: { ...one, priority: 5 },
    says: '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.',
  },
}
for (const [title, { nodes = { a: {} }, objects = [], there = [], pod, says }] of Object.entries(cases)) {
  test(`scheduler says, in condition and event alike, what upstream does: ${title}`, async (t) => {
    const cluster = await startCluster(t)
    const { client, createNode, createPod, told, eventually } = cluster
    for (const [name, shape] of Object.entries(nodes)) await createNode(name, shape)
    for (const make of objects) await make(client)
    for (const [i, shape] of there.entries()) await createPod(`there-${i}`, { ...shape, nodeName: 'a' })
    await createPod('p', pod)
    assert.equal(await told('p'), says)
    const condition = (await cluster.pod('p')).status!.conditions!.find(({ type }) => type === 'PodScheduled')!
    assert.equal(condition.reason, 'Unschedulable')
    const [event] = await eventually(async () => {
      const found = (await client.list(EventsEvent)).items.filter(({ regarding, type }) => regarding?.name === 'p' && type === 'Warning')
      return found.length > 0 && found
    })
    assert.deepEqual(
      [event!.reason, event!.action, event!.note, event!.reportingController],
      ['FailedScheduling', 'Scheduling', says, 'default-scheduler'],
    )
  })
}

test('scheduler tells a new reason in an event of its own, the same again in a series', async (t) => {
  const { client, clock, createNode, createPod, told, eventually } = await startCluster(t)
  await createPod('p', { cpu: '9' })
  await told('p')
  await createNode('a')
  const notes = async () =>
    (await client.list(EventsEvent)).items.map(({ note, series }) => `${note?.split('.')[0]} x${series?.count ?? 1}`)
  await eventually(async () => (await notes()).length === 2)
  for (let minute = 0; minute < 5; minute++) {
    const node = await client.get(Node, { name: 'a' })
    await client.update(
      Node,
      { ...node, status: { ...node.status, allocatable: { cpu: `${9 + minute}`, pods: '0' } } },
      { subresource: 'status' },
    )
    await clock.advance(60_000)
  }
  assert.deepEqual((await notes()).toSorted(), [
    '0/1 nodes are available: 1 Insufficient cpu, 1 Too many pods x1',
    '0/1 nodes are available: 1 Too many pods x2',
    'no nodes available to schedule pods x1',
  ])
})

test('scheduler leaves a gated pod the condition it was created with', async (t) => {
  const { createNode, createPod, pod, clock, eventsOf, bound, client } = await startCluster(t)
  await createNode('a')
  await createPod('p', { schedulingGates: [{ name: 'example.com/wait' }] })
  await clock.advance(60_000)
  const [condition, ...others] = (await pod('p')).status!.conditions!
  assert.deepEqual(
    [condition!.type, condition!.status, condition!.reason, condition!.message, others.length],
    ['PodScheduled', 'False', 'SchedulingGated', 'Scheduling is blocked due to non-empty scheduling gates', 0],
  )
  assert.deepEqual(await eventsOf('p'), [])
  await client.patch(Pod, { namespace: 'default', name: 'p' }, { type: 'merge', patch: { spec: { schedulingGates: null } } })
  assert.equal(await bound('p'), 'a')
})
