import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Binding } from '#api/kinds/core/binding.ts'
import { EventsEvent } from '#api/kinds/events/event.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Device } from '#api/generated/types.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import type { Client } from '#client/client.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { CSIStorageCapacity } from '#api/kinds/storage/csi-storage-capacity.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { parseSchedulerConfiguration } from './configuration/configuration.ts'
import { startCluster } from './live/testing.ts'
import { mounting, type PodShape } from './testing.ts'

test('scheduler binds a pod and says so', async (t) => {
  const { createNode, createPod, bound, eventually, eventsOf } = await startCluster(t)
  await createNode('a')
  await createPod('p')
  assert.equal(await bound('p'), 'a')
  await eventually(async () => (await eventsOf('p')).length > 0)
  assert.deepEqual(await eventsOf('p'), ['Normal Scheduled: Successfully assigned default/p to a'])
})

test('scheduler counts attempts, waiting pods and what it knows under upstream’s names', async (t) => {
  const { createNode, createPod, bound, told, eventually, eventsOf, metric } = await startCluster(t)
  const value = (name: string, labels: Record<string, string>) =>
    metric(name).find((one) => !one.suffix && Object.entries(labels).every(([label, text]) => one.labels[label] === text))?.value
  const count = (name: string) => metric(name).find(({ suffix }) => suffix === '_count')?.value
  await createNode('a', { cpu: '2' })
  await createPod('fits')
  await bound('fits')
  await eventually(async () => (await eventsOf('fits')).length > 0)
  await createPod('large', { cpu: '3' })
  await told('large')
  const profile = 'default-scheduler'
  assert.deepEqual(
    ['scheduled', 'unschedulable', 'error'].map((result) => value('scheduler_schedule_attempts_total', { result, profile })),
    [1, 1, undefined],
  )
  assert.deepEqual(
    ['active', 'backoff', 'unschedulable', 'gated'].map((queue) => value('scheduler_pending_pods', { queue })),
    [0, 0, 1, 0],
  )
  assert.deepEqual(
    ['nodes', 'pods', 'assumed_pods'].map((type) => value('scheduler_cache_size', { type })),
    [1, 1, 0],
  )
  assert.equal(value('scheduler_unschedulable_pods', { plugin: 'NodeResourcesFit', profile }), 1)
  assert.equal(value('scheduler_preemption_attempts_total', {}), 1)
  assert.equal(count('scheduler_scheduling_algorithm_duration_seconds'), 2)
  assert.equal(count('scheduler_pod_scheduling_attempts'), 1)
  assert.equal(metric('scheduler_pod_scheduling_sli_duration_seconds')[0]?.labels.attempts, '1')
  const counted = (name: string, label: string) =>
    new Map(metric(name).flatMap(({ suffix, labels, value: times }) => (suffix === '_count' ? [[labels[label], times] as const] : [])))
  const events = counted('scheduler_event_handling_duration_seconds', 'event')
  for (const event of ['NodeAdd', 'UnscheduledPodAdd', 'AssignedPodAdd']) assert.ok(events.get(event), event)
  await createNode('b', { cpu: '4' })
  assert.equal(await bound('large'), 'b')
  const hints = metric('scheduler_queueing_hint_execution_duration_seconds').filter(({ suffix }) => suffix === '_count')
  assert.deepEqual(hints[0]?.labels, { plugin: 'NodeResourcesFit', event: hints[0]?.labels.event, hint: hints[0]?.labels.hint })
  assert.ok(['Queue', 'QueueSkip'].includes(hints[0]!.labels.hint!))
})

test('scheduler tells a pod why it waits and places it once a node comes', async (t) => {
  const { createNode, createPod, bound, told, pod, eventsOf } = await startCluster(t)
  await createPod('p', { cpu: '3' })
  assert.equal(await told('p'), 'no nodes available to schedule pods')
  await createNode('small', { cpu: '1' })
  const waiting = await pod('p')
  assert.equal(waiting.status!.phase, 'Pending')
  const condition = waiting.status!.conditions!.find(({ type }) => type === 'PodScheduled')!
  assert.equal(condition.reason, 'Unschedulable')
  await createNode('large')
  assert.equal(await bound('p'), 'large')
  assert.match((await eventsOf('p')).join('\n'), /Warning FailedScheduling: no nodes available to schedule pods/)
})

test('scheduler places a waiting pod when another leaves', async (t) => {
  const { client, createNode, createPod, bound, told } = await startCluster(t)
  await createNode('a', { cpu: '1' })
  await createPod('first', { cpu: '1', terminationGracePeriodSeconds: 0 })
  await bound('first')
  await createPod('second', { cpu: '1' })
  assert.match(await told('second'), /^0\/1 nodes are available: 1 Insufficient cpu\./)
  await client.delete(Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })
  assert.equal(await bound('second'), 'a')
})

test('scheduler never puts more on a node than fits, however many pods come at once', async (t) => {
  const { client, createNode, createPod, eventually } = await startCluster(t)
  for (const name of ['a', 'b', 'c']) await createNode(name, { cpu: '2' })
  await Promise.all(Array.from({ length: 20 }, (_, i) => createPod(`p${i}`, { cpu: '1' })))
  const counts = await eventually(async () => {
    const { items } = await client.list(Pod)
    const nodes = items.flatMap(({ spec }) => spec!.nodeName ?? [])
    return nodes.length >= 6 && ['a', 'b', 'c'].map((name) => nodes.filter((node) => node === name).length)
  })
  assert.deepEqual(counts, [2, 2, 2])
})

test('scheduler leaves alone pods of others, gated pods until they are free, and deleted pods', async (t) => {
  const { client, clock, createNode, createPod, bound, pod } = await startCluster(t)
  await createNode('a')
  await createPod('foreign', { schedulerName: 'other' })
  await createPod('gated', { schedulingGates: [{ name: 'example.com/gate' }] })
  await createPod('p')
  await bound('p')
  await clock.advance(2000)
  assert.equal((await pod('foreign')).spec!.nodeName, undefined)
  assert.equal((await pod('gated')).spec!.nodeName, undefined)
  await client.patch(
    Pod,
    { namespace: 'default', name: 'gated' },
    { type: 'json', patch: [{ op: 'remove', path: '/spec/schedulingGates' }] },
  )
  assert.equal(await bound('gated'), 'a')
})

test('scheduler makes room for a pod of higher priority and says so everywhere', async (t) => {
  const { createNode, createPod, bound, eventually, eventsOf, pod, client } = await startCluster(t)
  await createNode('a', { cpu: '1' })
  await createPod('low', { cpu: '1', priority: 1 })
  await bound('low')
  await createPod('high', { cpu: '1', priority: 100 })
  await eventually(async () => (await pod('high')).status?.nominatedNodeName === 'a')
  const leaving = await pod('low')
  const condition = leaving.status!.conditions!.find(({ type }) => type === 'DisruptionTarget')!
  assert.deepEqual(
    [condition.status, condition.reason, condition.message],
    ['True', 'PreemptionByScheduler', 'default-scheduler: preempting to accommodate a higher priority pod'],
  )
  await eventually(async () => (await pod('low')).metadata!.deletionTimestamp)
  // A pod of lower priority does not slip in meanwhile.
  await createPod('late', { cpu: '1', priority: 2 })
  await client.delete(Pod, { namespace: 'default', name: 'low' }, { gracePeriodSeconds: 0 })
  assert.equal(await bound('high'), 'a')
  await eventually(async () => (await eventsOf('low')).some((text) => text.startsWith('Normal Preempted: Preempted by pod ')))
  assert.equal((await pod('late')).spec!.nodeName, undefined)
})

test('scheduler binds the volume a claim waits for on the node it chose, then the pod', async (t) => {
  const { client, createNode, createPod, bound, told, eventually, pod } = await startCluster(t)
  for (const name of ['a', 'b']) await createNode(name)
  const storage = (size: string) => ({ storage: size })
  await client.create(StorageClass, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local' },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  const claim = await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'local', accessModes: ['ReadWriteOnce'], resources: { requests: storage('1Gi') } },
  })
  await createPod('p', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] })
  assert.match(await told('p'), /^0\/2 nodes are available: 2 node\(s\) didn't find available persistent volumes to bind\./)
  const made = await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'on-b' },
    spec: {
      storageClassName: 'local',
      accessModes: ['ReadWriteOnce'],
      capacity: storage('2Gi'),
      local: { path: '/mnt' },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] }] }] },
      },
    },
  })
  await client.update(PersistentVolume, { ...made, status: { phase: 'Available' } }, { subresource: 'status' })
  const reserved = await eventually(async () => {
    const volume = await client.get(PersistentVolume, { name: 'on-b' })
    return volume.spec!.claimRef && volume
  })
  assert.equal((reserved.spec!.claimRef as { uid?: string }).uid, (claim.metadata as { uid?: string }).uid)
  assert.equal((await pod('p')).spec!.nodeName, undefined)
  // The part of the volume controller.
  const completed = { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }, spec: { volumeName: 'on-b' } }
  await client.patch(PersistentVolumeClaim, { namespace: 'default', name: 'data' }, { type: 'merge', patch: completed })
  assert.equal(await bound('p'), 'b')
})

test('scheduler heeds the space that a driver says it has', async (t) => {
  const { client, createNode, createPod, told, eventually } = await startCluster(t)
  await createNode('a')
  const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'csi' }, provisioner: 'csi.example.com' }
  await client.create(StorageClass, { ...storageClass, volumeBindingMode: 'WaitForFirstConsumer' })
  await client.create(CSIDriver, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'csi.example.com' },
    spec: { storageCapacity: true },
  })
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'csi', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
  })
  const capacityOf = (name: string, capacity: string) =>
    client.create(CSIStorageCapacity, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIStorageCapacity',
      metadata: { name, namespace: 'default' },
      storageClassName: 'csi',
      capacity,
      nodeTopology: { matchLabels: { 'kubernetes.io/hostname': 'a' } },
    })
  await capacityOf('small', '1Gi')
  await createPod('p', mounting('data'))
  assert.match(await told('p'), /^0\/1 nodes are available: 1 node\(s\) did not have enough free storage\./)
  await capacityOf('large', '3Gi')
  const selected = async () => (await client.get(PersistentVolumeClaim, { namespace: 'default', name: 'data' })).metadata!.annotations
  assert.equal((await eventually(selected))['volume.kubernetes.io/selected-node'], 'a')
})

test('scheduler holds a pod whose claim is missing or unbound', async (t) => {
  const { client, createNode, createPod, told, bound } = await startCluster(t)
  await createNode('a')
  await createPod('p', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] })
  assert.match(await told('p'), /^0\/1 nodes are available: persistentvolumeclaim "data" not found\./)
  await createPod('free')
  assert.equal(await bound('free'), 'a')
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: '', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  await createPod('q', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] })
  assert.match(await told('q'), /pod has unbound immediate PersistentVolumeClaims/)
})

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n'
const configured = (fields: string) => parseSchedulerConfiguration(HEAD + fields, () => '')

test('scheduler serves pods of several profiles, each in its own way and name', async (t) => {
  const configuration = configured(`profiles:
- schedulerName: default-scheduler
- schedulerName: packer
  pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]
  plugins: {score: {disabled: [{name: NodeResourcesBalancedAllocation}]}}
`)
  const { createNode, createPod, bound, eventually, client } = await startCluster(t, configuration)
  await createNode('a')
  await createNode('b')
  await createPod('first', { cpu: '1' })
  const taken = await bound('first')
  await createPod('packed', { cpu: '1', schedulerName: 'packer' })
  await createPod('apart', { cpu: '1' })
  assert.equal(await bound('packed'), taken)
  assert.notEqual(await bound('apart'), taken)
  const reporter = async (name: string) =>
    (await client.list(EventsEvent)).items.find(({ regarding }) => regarding?.name === name)?.reportingController
  assert.equal(await eventually(() => reporter('packed')), 'packer')
  assert.equal(await eventually(() => reporter('apart')), 'default-scheduler')
})

test('scheduler asks extenders, and lets one of them bind', async (t) => {
  const asked: string[] = []
  let bindPod: (node: string) => Promise<unknown> = async () => {}
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const args = JSON.parse(String(Buffer.concat(parts)))
    asked.push(request.url!)
    if (request.url === '/bind') await bindPod(args.Node)
    response.end(
      JSON.stringify(
        request.url === '/filter'
          ? { NodeNames: args.NodeNames.filter((name: string) => name !== 'a'), FailedNodes: { a: 'not this one' } }
          : request.url === '/prioritize'
            ? [{ Host: 'c', Score: 10 }]
            : {},
      ),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => (server.closeAllConnections(), server.close()))
  const configuration = configured(`extenders:
- urlPrefix: http://127.0.0.1:${(server.address() as AddressInfo).port}
  filterVerb: filter
  prioritizeVerb: prioritize
  bindVerb: bind
  weight: 100
  nodeCacheCapable: true
  managedResources: [{name: example.com/gpu, ignoredByScheduler: true}]
`)
  const { createNode, createPod, bound, told, client } = await startCluster(t, configuration)
  bindPod = (node) =>
    client.create<Pod, Binding>(
      Pod,
      { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p', namespace: 'default' }, target: { kind: 'Node', name: node } },
      { namespace: 'default', name: 'p', subresource: 'binding' },
    )
  await createNode('a')
  const resources = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } }
  await createPod('plain')
  assert.equal(await bound('plain'), 'a')
  assert.deepEqual(asked, [])
  await createPod('p', { containers: [{ name: 'c', image: 'i', resources }] })
  assert.match(await told('p'), /^0\/1 nodes are available: 1 not this one\./)
  for (const name of ['b', 'c', 'd']) await createNode(name)
  assert.equal(await bound('p'), 'c')
  assert.equal(asked.at(-1), '/bind')
})

const DRIVER = 'gpu.example.com'
async function publishDevices(client: Client, node: string, devices: Device[]) {
  await client.create(ResourceSlice, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `slice-${node}` },
    spec: { driver: DRIVER, nodeName: node, pool: { name: node, generation: 1, resourceSliceCount: 1 }, devices },
  })
}
const createClass = (client: Client, own: object = {}) =>
  client.create(DeviceClass, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: { name: 'gpu' },
    spec: { selectors: [{ cel: { expression: `device.driver == "${DRIVER}"` } }], ...own },
  })
const createClaim = (client: Client, name: string, own: object = {}) =>
  client.create(ResourceClaim, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name, namespace: 'default' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', ...own } }] } },
  })
const claims = (...names: string[]): PodShape => ({ resourceClaims: names.map((name) => ({ name, resourceClaimName: name })) })

test('scheduler allocates what a pod claims, reserves it, then binds the pod', async (t) => {
  const { client, createNode, createPod, bound, told, pod } = await startCluster(t)
  for (const name of ['a', 'b']) await createNode(name)
  const opaque = { driver: DRIVER, parameters: { mode: 'fast' } }
  await createClass(client, { config: [{ opaque }] })
  await createClaim(client, 'c')
  await createPod('p', claims('c'))
  assert.match(
    await told('p'),
    /^0\/2 nodes are available: 2 cannot allocate all claims\. still not schedulable, preemption: 0\/2 nodes are available: 2 Preemption is not helpful for scheduling\.$/,
  )
  await publishDevices(client, 'b', [{ name: 'g0' }])
  assert.equal(await bound('p'), 'b')
  const { metadata, status } = await client.get(ResourceClaim, { namespace: 'default', name: 'c' })
  assert.deepEqual(metadata!.finalizers, ['resource.kubernetes.io/delete-protection'])
  assert.deepEqual(status!.reservedFor, [{ resource: 'pods', name: 'p', uid: (await pod('p')).metadata!.uid }])
  const { allocationTimestamp, ...allocation } = status!.allocation!
  assert.ok(allocationTimestamp)
  assert.deepEqual(allocation, {
    devices: {
      results: [{ request: 'r', driver: DRIVER, pool: 'b', device: 'g0' }],
      config: [{ source: 'FromClass', requests: ['r'], opaque }],
    },
    nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }] },
  })
})

test('scheduler gives each device to one claim, however many pods come at once, and shares a claim among its pods', async (t) => {
  const { client, createNode, createPod, bound, eventually, told } = await startCluster(t)
  for (const name of ['a', 'b']) await createNode(name)
  await createClass(client)
  for (const name of ['a', 'b']) await publishDevices(client, name, [{ name: 'g0' }, { name: 'g1' }])
  await Promise.all(Array.from({ length: 6 }, (_, i) => createClaim(client, `c${i}`)))
  await Promise.all(Array.from({ length: 6 }, (_, i) => createPod(`p${i}`, claims(`c${i}`))))
  const results = await eventually(async () => {
    const { items } = await client.list(ResourceClaim)
    const found = items.flatMap(({ status }) => status?.allocation?.devices?.results ?? [])
    return found.length === 4 && found
  })
  assert.equal(new Set(results.map(({ pool, device }) => `${pool}/${device}`)).size, 4)
  const taken = await eventually(async () => (await client.list(ResourceClaim)).items.find(({ status }) => status?.reservedFor?.length))
  await createPod('sharing', claims(taken.metadata!.name!))
  assert.equal(await bound('sharing'), taken.status!.allocation!.devices!.results![0]!.pool)
  const waiting = await eventually(async () =>
    (await client.list(Pod)).items.find(({ spec, status }) => !spec!.nodeName && status?.conditions?.length),
  )
  assert.match(await told(waiting.metadata!.name!), /cannot allocate all claims/)
})

test('scheduler waits for claims to be made, and gives up one that is allocated where the pod cannot go', async (t) => {
  const { client, clock, createNode, createPod, bound, pod } = await startCluster(t)
  for (const name of ['a', 'b']) await createNode(name)
  await createClass(client)
  for (const name of ['a', 'b']) await publishDevices(client, name, [{ name: 'g0' }])
  await createPod('p', { ...claims('c'), nodeSelector: { 'kubernetes.io/hostname': 'b' } })
  await clock.advance(3000)
  assert.equal((await pod('p')).status!.conditions?.some(({ reason }) => reason === 'Unschedulable') ?? false, false)
  const claim = await createClaim(client, 'c')
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }
  const allocation = {
    devices: { results: [{ request: 'r', driver: DRIVER, pool: 'a', device: 'g0' }] },
    nodeSelector: { nodeSelectorTerms: [term] },
  }
  await client.update(ResourceClaim, { ...claim, status: { allocation } }, { subresource: 'status' }).catch(() => {})
  assert.equal(await bound('p'), 'b')
})

test('scheduler binds a pod once its devices are ready, and not when that fails', async (t) => {
  const { client, clock, createNode, createPod, bound, eventually, eventsOf, pod } = await startCluster(t)
  await createNode('a')
  await createClass(client)
  await publishDevices(client, 'a', [
    { name: 'g0', bindingConditions: ['example.com/ready'], bindingFailureConditions: ['example.com/broken'] },
  ])
  await createClaim(client, 'c')
  await createPod('p', claims('c'))
  const tell = async (type: string) => {
    const claim = await eventually(async () => {
      const found = await client.get(ResourceClaim, { namespace: 'default', name: 'c' })
      return found.status?.reservedFor?.length ? found : undefined
    })
    const conditions = [{ type, status: 'True', reason: 'Said', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }]
    const devices = [{ driver: DRIVER, pool: 'a', device: 'g0', conditions }]
    await client.update(ResourceClaim, { ...claim, status: { ...claim.status, devices } }, { subresource: 'status' })
  }
  await eventually(async () => (await client.get(ResourceClaim, { namespace: 'default', name: 'c' })).status?.allocation)
  await clock.advance(1000)
  assert.equal((await pod('p')).spec!.nodeName, undefined)
  await tell('example.com/broken')
  await eventually(async () =>
    (await eventsOf('p')).some((text) =>
      text.includes('running PreBind plugin "DynamicResources": claim c binding failed: example.com/broken'),
    ),
  )
  await tell('example.com/ready')
  assert.equal(await bound('p'), 'a')
})

test('scheduler gives up devices that a pod waits for once the pod is deleted', async (t) => {
  const { client, clock, createNode, createPod, bound, eventually, eventsOf } = await startCluster(t)
  await createNode('a')
  await createClass(client)
  await publishDevices(client, 'a', [
    { name: 'g0', bindingConditions: ['example.com/ready'], bindingFailureConditions: ['example.com/broken'] },
  ])
  await createClaim(client, 'c')
  await createPod('p', claims('c'))
  const claim = () => client.get(ResourceClaim, { namespace: 'default', name: 'c' })
  await eventually(async () => (await claim()).status?.allocation)
  await client.delete(Pod, { namespace: 'default', name: 'p' }, { gracePeriodSeconds: 0 })
  await eventually(async () => !(await claim()).status?.allocation)
  await publishDevices(client, 'b', [{ name: 'g0' }])
  await createNode('b')
  await createPod('q', { ...claims('c'), nodeSelector: { 'kubernetes.io/hostname': 'b' } })
  assert.equal(await bound('q'), 'b')
  await clock.advance(700_000)
  assert.deepEqual(await eventsOf('p'), [])
})

test('scheduler gets devices for extended resources that a class stands for, where the node does not offer them itself', async (t) => {
  const { client, createNode, createPod, bound, told, pod } = await startCluster(t)
  await createNode('a')
  const asking = (name: string) => {
    const requests = { [name]: '2' }
    return { containers: [{ name: 'main', image: 'i', resources: { requests, limits: requests } }] }
  }
  await createPod('p', asking('example.com/gpu'))
  assert.match(await told('p'), /1 Insufficient example\.com\/gpu/)
  await createClass(client, { extendedResourceName: 'example.com/gpu' })
  await publishDevices(client, 'a', [{ name: 'g0' }, { name: 'g1' }, { name: 'g2' }])
  assert.equal(await bound('p'), 'a')
  const { extendedResourceClaimStatus } = (await pod('p')).status!
  const [claim] = (await client.list(ResourceClaim)).items
  assert.match(claim!.metadata!.name!, /^p-extended-resources-/)
  assert.deepEqual(extendedResourceClaimStatus, {
    resourceClaimName: claim!.metadata!.name,
    requestMappings: [{ containerName: 'main', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' }],
  })
  assert.deepEqual(
    claim!.status!.allocation!.devices!.results!.map(({ request, device }) => `${request} ${device}`),
    ['container-0-request-0 g0', 'container-0-request-0 g1'],
  )
  assert.equal(claim!.status!.reservedFor![0]!.name, 'p')
  await createPod('q', asking('deviceclass.resource.kubernetes.io/gpu'))
  assert.match(await told('q'), /1 cannot allocate all claims/)
  await createNode('b', { more: { 'example.com/gpu': '2' } })
  await createPod('r', asking('example.com/gpu'))
  assert.equal(await bound('r'), 'b')
  assert.equal((await client.list(ResourceClaim)).items.length, 1)
})
