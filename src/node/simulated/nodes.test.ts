import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Binding } from '#api/generated/types.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CSINode } from '#api/kinds/storage/csi-node.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { keyOf } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createInformers } from '#client/informers.ts'
import { createLogger, type Logger, silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { until } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'
import { AddressPool, subnetOf } from './addresses.ts'
import { createSimulatedNodes } from './nodes.ts'

async function world(
  count: number,
  { through = (client) => client, log = silentLogger }: { through?(client: Client): Client; log?: Logger } = {},
) {
  await using parts = new AsyncDisposableStack()
  const clock = createVirtualClock()
  const { client } = parts.use(await startTestServer({ clock }))
  const stop = new AbortController()
  parts.defer(() => stop.abort(new Error('the test is over')))
  const informers = createInformers({ client, clock, random: seededRandom(1), log, signal: stop.signal })
  const start = () => createSimulatedNodes({ count, client: through(client), informers, clock, log }).start(stop.signal)
  let running = await start()
  parts.defer(() => running[Symbol.asyncDispose]())
  const all = parts.move()
  const pods = async () => (await client.list(Pod, { namespace: 'default' })).items
  return {
    clock,
    client,
    pods,
    create: (name: string, node: number, spec: object = {}, annotations: Record<string, string> = {}) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', annotations },
        spec: { nodeName: `simulated-${node}`, containers: [{ name: 'main', image: 'app' }], ...spec },
      }),
    annotate: (state: string | null) =>
      client.patch(
        Node,
        { name: 'simulated-0' },
        { type: 'merge', patch: { metadata: { annotations: { 'sampan.dev/node-state': state } } } },
      ),
    async restart() {
      await running[Symbol.asyncDispose]()
      running = await start()
    },
    until,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

test('createSimulatedNodes joins Ready nodes with a range and a lease each', async () => {
  await using own = await world(50)
  const nodes = (await own.client.list(Node)).items
  assert.equal(nodes.length, 50)
  assert.ok(nodes.every(({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'))
  assert.equal(new Set(nodes.map(({ spec }) => spec?.podCIDR)).size, 50)
  const renewals = async () =>
    (await own.client.list(Lease, { namespace: 'kube-node-lease' })).items.map(({ spec }) => spec?.renewTime ?? '')
  const before = await renewals()
  assert.equal(before.length, 50)
  await own.clock.advance(20_000)
  await own.until(async () => (await renewals()).every((time) => time > before[0]!))
})

test('createSimulatedNodes does nothing any more once another process has taken the names over', async () => {
  await using own = await world(0)
  const { client, clock } = own
  const stop = new AbortController()
  const lines: string[] = []
  const log = createLogger({ write: (line) => void lines.push(line), now: () => clock.now() })
  const informers = createInformers({ client, clock, random: seededRandom(1), log: silentLogger, signal: stop.signal })
  const start = (identity: string, isGone: () => boolean) =>
    createSimulatedNodes({ count: 2, namePrefix: 'web', client, informers, clock, log, joining: { identity, isGone } }).start(stop.signal)
  await using _first = await start('one', () => false)
  await using second = await start('two', () => true)
  await clock.advance(30_000)
  await second[Symbol.asyncDispose]()
  const renewed = async () => (await client.get(Lease, { namespace: 'kube-node-lease', name: 'web-0' })).spec?.renewTime
  const last = await renewed()
  await clock.advance(60_000)
  assert.equal(await renewed(), last)
  assert.match(lines.join('\n'), /another process simulates nodes of these names since this one was held up/)
  stop.abort(new Error('the test is over'))
})

test('createSimulatedNodes says every five minutes that conditions stand, of each node at its own time, and changes none', async () => {
  await using own = await world(10)
  const { client, clock } = own
  const name = 'simulated-3'
  const ill = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'somebody said so' }
  await client.patch(Node, { name }, { type: 'strategic', patch: { status: { conditions: [ill] } } }, { subresource: 'status' })
  const begun = (await client.list(Node)).items
  const told = async () => {
    const { items } = await client.list(Node)
    return items.map(({ status }) => status?.conditions?.map(({ lastHeartbeatTime = '' }) => lastHeartbeatTime).join())
  }
  const seen = new Set<string>()
  const before = await told()
  for (let seconds = 0; seconds < 450; seconds += 10) {
    await clock.advance(10_000)
    for (const [index, times] of (await told()).entries()) if (times !== before[index]) seen.add(`${index} ${times}`)
  }
  // Each once, half of them after two and a half minutes and the last after seven and a half; who was early comes again.
  const times = new Set([...seen].map((one) => one.split(' ')[1]))
  assert.equal(new Set([...seen].map((one) => one.split(' ')[0])).size, 10)
  assert.ok(times.size >= 8 && seen.size <= 20, [...seen].join('\n'))
  const bare = ({ status }: Node) => status?.conditions?.map((one) => ({ ...one, lastHeartbeatTime: '' }))
  assert.deepEqual((await client.list(Node)).items.map(bare), begun.map(bare))
})

test('createSimulatedNodes has a CSINode for each node, which goes with it', async () => {
  await using own = await world(2)
  const nodes = (await own.client.list(Node)).items
  const ofThem = (await own.client.list(CSINode)).items
  assert.deepEqual(
    ofThem.map(({ metadata }) => [metadata?.name, metadata?.ownerReferences?.[0]?.uid]),
    nodes.map(({ metadata }) => [metadata?.name, metadata?.uid]),
  )
})

test('createSimulatedNodes renews leases though the statuses of many pods cannot be written', async () => {
  const pods = 100
  let held = 0
  const release = Promise.withResolvers<void>()
  const through = (client: Client): Client => ({
    ...client,
    async patch(kind, key, patch, options) {
      if ((kind as unknown) === Pod) {
        held++
        await release.promise
      }
      return client.patch(kind, key, patch, options)
    },
    get: (...args) => client.get(...args),
    create: (kind, object, options) => client.create(kind, object, options),
    update: (...args) => client.update(...args),
  })
  await using own = await world(1, { through })
  const renewed = async () => (await own.client.get(Lease, { namespace: 'kube-node-lease', name: 'simulated-0' })).spec?.renewTime
  const before = await renewed()
  for (let i = 0; i < pods; i++) await own.create(`pod-${i}`, 0)
  await own.until(async () => held > 0)
  await own.clock.advance(20_000)
  await own.until(async () => (await renewed()) !== before)
  release.resolve()
  await own.until(async () => (await own.pods()).every(({ status }) => status?.phase === 'Running'))
})

test('createSimulatedNodes runs pods with addresses of their own', async () => {
  await using own = await world(2)
  for (let i = 0; i < 30; i++) await own.create(`pod-${i}`, i % 2)
  const pods = await own.until(async () => {
    const all = await own.pods()
    return all.every(({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True') && all
  })
  assert.equal(new Set(pods.map(({ status }) => status?.podIP)).size, 30)
  assert.ok(pods.every(({ status, spec }) => status?.podIP?.startsWith(spec?.nodeName === 'simulated-0' ? '10.244.0.' : '10.244.1.')))
  assert.ok(pods.every(({ status }) => status?.phase === 'Running' && status.containerStatuses?.[0]?.started))
})

test('createSimulatedNodes ends pods that may end after their time', async () => {
  await using own = await world(1)
  await own.create('job', 0, { restartPolicy: 'Never' }, { 'sampan.dev/run-seconds': '30' })
  await own.create('bad', 0, { restartPolicy: 'Never' }, { 'sampan.dev/run-seconds': '30', 'sampan.dev/exit-code': '2' })
  await own.create('service', 0, {}, { 'sampan.dev/run-seconds': '30' })
  const phases = async () => Object.fromEntries((await own.pods()).map(({ metadata, status }) => [metadata?.name, status?.phase]))
  await own.until(async () => Object.values(await phases()).every((phase) => phase === 'Running'))
  await own.clock.advance(29_000)
  assert.equal((await phases()).job, 'Running')
  await own.clock.advance(1000)
  await own.until(async () => (await phases()).job === 'Succeeded' && (await phases()).bad === 'Failed')
  assert.equal((await phases()).service, 'Running')
  const bad = (await own.pods()).find(({ metadata }) => metadata?.name === 'bad')
  assert.equal(bad?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 2)
})

test('createSimulatedNodes fails pods at their deadline, also one that comes later', async () => {
  await using own = await world(1)
  await own.create('early', 0, { activeDeadlineSeconds: 5 })
  await own.create('late', 0)
  await own.until(async () => (await own.pods()).every(({ status }) => status?.phase === 'Running'))
  const patch = { spec: { activeDeadlineSeconds: 60 } }
  await own.client.patch(Pod, { name: 'late', namespace: 'default' }, { type: 'merge', patch })
  await own.until(async () => (await own.pods()).every(({ metadata, status }) => status?.observedGeneration === metadata?.generation))
  const phases = async () => Object.fromEntries((await own.pods()).map(({ metadata, status }) => [metadata?.name, status?.phase]))
  await own.clock.advance(6000)
  await own.until(async () => (await phases()).early === 'Failed')
  assert.equal((await phases()).late, 'Running')
  await own.clock.advance(60_000)
  await own.until(async () => (await phases()).late === 'Failed')
  for (const { status } of await own.pods()) assert.equal(status?.reason, 'DeadlineExceeded')
})

test('createSimulatedNodes waits for images of registries that cannot be', async () => {
  await using own = await world(1)
  await own.create('lost', 0, { containers: [{ name: 'main', image: 'registry.invalid/app:1' }] })
  const [pod] = await own.until(async () => {
    const pods = await own.pods()
    return pods[0]?.status?.containerStatuses && pods
  })
  assert.deepEqual([pod!.status!.phase, pod!.status!.containerStatuses![0]!.state?.waiting?.reason], ['Pending', 'ImagePullBackOff'])
  const patch = { spec: { containers: [{ name: 'main', image: 'app:1' }] } }
  await own.client.patch(Pod, { name: 'lost', namespace: 'default' }, { type: 'strategic', patch })
  await own.until(async () => (await own.pods())[0]!.status!.phase === 'Running')
})

test('createSimulatedNodes refuses pods whose host ports are taken, until they are free', async () => {
  await using own = await world(2)
  const ports = { containers: [{ name: 'main', image: 'app', ports: [{ containerPort: 80, hostPort: 8080 }] }] }
  const phase = async (name: string, wanted: string) =>
    own.until(async () => (await own.pods()).find((pod) => pod.metadata?.name === name && pod.status?.phase === wanted))
  await own.create('first', 0, ports)
  await phase('first', 'Running')
  await own.create('second', 0, ports)
  await own.create('elsewhere', 1, ports)
  await own.until(async () => {
    await own.clock.advance(100)
    return (await own.pods()).some(({ status }) => status?.phase === 'Failed')
  })
  const { status } = await phase('second', 'Failed')
  assert.equal(status?.reason, 'NodePorts')
  assert.match(status?.message ?? '', /^Pod was rejected: Predicate NodePorts failed/)
  await phase('elsewhere', 'Running')
  await own.client.delete(Pod, { name: 'first', namespace: 'default' })
  await own.until(async () => (await own.pods()).length === 2)
  await own.create('third', 0, ports)
  await phase('third', 'Running')
})

test('createSimulatedNodes refuses pods that do not fit beside the others, whoever sent them', async () => {
  await using own = await world(1)
  const large = { containers: [{ name: 'main', image: 'app', resources: { requests: { cpu: '20' } } }] }
  const status = async (name: string, wanted: string) =>
    own.until(async () => {
      await own.clock.advance(100)
      return (await own.pods()).find((pod) => pod.metadata?.name === name && pod.status?.phase === wanted)?.status
    })
  await own.create('first', 0, large)
  await status('first', 'Running')
  await own.create('second', 0, large)
  const { reason, message } = await status('second', 'Failed')
  assert.deepEqual(
    [reason, message],
    ['OutOfcpu', "Pod was rejected: Node didn't have enough resource: cpu, requested: 20000, used: 20000, capacity: 32000"],
  )
  await own.client.delete(Pod, { name: 'first', namespace: 'default' })
  await own.until(async () => (await own.pods()).length === 1)
  await own.create('third', 0, large)
  await status('third', 'Running')
})

test('createSimulatedNodes starts a pod whose claims are there though it could not be told at first', async () => {
  let failures = 0
  const through = (client: Client): Client => ({
    ...client,
    get: (...args) => client.get(...args),
    patch: (kind, key, patch, options) => {
      const running = JSON.stringify(patch).includes('"phase":"Running"')
      if (running && failures++ === 0) throw new StatusError('ServerTimeout', 'the server did not come to it')
      return client.patch(kind, key, patch, options)
    },
    create: (kind, object, options) => client.create(kind, object, options),
    delete: (...args) => client.delete(...args),
  })
  await using own = await world(1, { through })
  const key = { namespace: 'default', name: 'mine' }
  await own.client.create(ResourceClaim, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: key,
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } },
  })
  const pod = await own.create('claiming', 0, { resourceClaims: [{ name: 'd', resourceClaimName: 'mine' }] })
  const status = {
    allocation: { devices: { results: [{ request: 'r', driver: 'gpu.example.com', pool: 'p', device: 'd' }] } },
    reservedFor: [{ resource: 'pods', name: 'claiming', uid: (pod as Pod).metadata!.uid! }],
  }
  await own.client.patch(ResourceClaim, key, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await own.until(async () => {
    await own.clock.advance(1000)
    return (await own.pods())[0]?.status?.phase === 'Running'
  })
  assert.equal(failures, 2)
})

test('createSimulatedNodes ends pods whose time came while their node was lost', async () => {
  await using own = await world(1)
  const phase = async (wanted: string) => own.until(async () => (await own.pods())[0]?.status?.phase === wanted)
  await own.create('short', 0, { restartPolicy: 'Never' }, { 'sampan.dev/run-seconds': '15' })
  await phase('Running')
  await own.annotate('lost')
  await own.clock.advance(60_000)
  assert.equal((await own.pods())[0]?.status?.phase, 'Running')
  await own.annotate(null)
  await own.until(async () => {
    await own.clock.advance(0)
    return (await own.pods())[0]?.status?.phase === 'Succeeded'
  })
})

test('createSimulatedNodes lets go of a pod that somebody else ended while it could not be told how it lives', async () => {
  let refusing = true
  const warnings: string[] = []
  const log = createLogger({ write: (line) => void warnings.push(line), now: () => 0, level: 'warn' })
  const through = (client: Client): Client => ({
    ...client,
    get: (...args) => client.get(...args),
    async patch(kind, ...rest) {
      if (refusing && kind.plural === 'pods') throw new Error('nobody answers')
      return client.patch(kind, ...rest)
    },
    create: (...args) => client.create(...args),
    update: (...args) => client.update(...args),
  })
  await using own = await world(1, { through, log })
  const pod = await own.create('ended', 0, {}, { 'sampan.dev/ready-delay': '5' })
  await own.until(async () => warnings.length > 0)
  await own.client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status: { phase: 'Failed' } } }, { subresource: 'status' })
  refusing = false
  await own.clock.advance(120_000)
  assert.deepEqual(
    warnings.filter((line) => !line.includes('nobody answers')),
    [],
  )
  assert.equal(warnings.length, 1)
})

test('createSimulatedNodes gives no address twice, though a node was lost when the process began anew', async () => {
  await using own = await world(1)
  const metadata = { name: 'a-late', namespace: 'default' }
  await own.client.create<Pod>(Pod, { metadata, spec: { containers: [{ name: 'main', image: 'app' }] } })
  await own.create('b-first', 0)
  await own.until(async () => (await own.pods())[1]?.status?.phase === 'Running')
  await own.annotate('lost')
  await own.restart()
  // Known for longer than the other, bound later.
  const binding = { metadata, target: { kind: 'Node', name: 'simulated-0' } }
  await own.client.create<Pod, Binding>(Pod, binding, { ...metadata, subresource: 'binding' })
  await own.annotate(null)
  const pods = await own.until(async () => {
    await own.clock.advance(0)
    const all = await own.pods()
    return all.length === 2 && all.every(({ status }) => status?.phase === 'Running') && all
  })
  assert.equal(new Set(pods.map(({ status }) => status?.podIP)).size, 2)
})

test('createSimulatedNodes deletes what is deleted', async () => {
  await using own = await world(1)
  await own.create('web', 0)
  await own.until(async () => (await own.pods())[0]?.status?.phase === 'Running')
  await own.client.delete(Pod, { namespace: 'default', name: 'web' })
  await own.until(async () => (await own.pods()).length === 0)
})

for (const [what, phase, spec, annotations, state] of [
  ['one that runs', 'Running', {}, {}, ['Failed', 137, 'Error']],
  ['one that has ended', 'Succeeded', { restartPolicy: 'Never' }, { 'sampan.dev/run-seconds': '1' }, ['Succeeded', 0, 'Completed']],
  [
    'one that never started',
    'Pending',
    { containers: [{ name: 'main', image: 'a.invalid/b' }] },
    {},
    ['Failed', 137, 'ContainerStatusUnknown'],
  ],
] as const)
  test(`createSimulatedNodes ends a deleted pod that finalizers hold: ${what}`, async () => {
    await using own = await world(1)
    const pod = await own.create('held', 0, spec, annotations)
    const finalizers = ['example.com/hold']
    await own.client.patch(Pod, keyOf(pod), { type: 'merge', patch: { metadata: { finalizers } } })
    await own.clock.advance(2000)
    await own.until(async () => (await own.pods())[0]?.status?.phase === phase)
    await own.client.delete(Pod, keyOf(pod))
    const { status } = await own.until(async () => {
      const [left] = await own.pods()
      return left?.metadata?.deletionGracePeriodSeconds === 0 && left.status?.phase !== 'Pending' && left
    })
    const { terminated } = status?.containerStatuses?.[0]?.state ?? {}
    assert.deepEqual([status?.phase, terminated?.exitCode, terminated?.reason], state)
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'False')
    await own.client.patch(Pod, keyOf(pod), { type: 'merge', patch: { metadata: { finalizers: null } } })
    await own.until(async () => (await own.pods()).length === 0)
  })

test('AddressPool hands out each address once until it is freed', () => {
  const pool = new AddressPool('10.244.7.0/24')
  const taken = Array.from({ length: 253 }, () => pool.take())
  assert.equal(new Set(taken).size, 253)
  assert.equal(pool.take(), undefined)
  pool.free(taken[5]!)
  assert.equal(pool.take(), taken[5])
})

test('AddressPool calls those who wait, one for each address that is freed', () => {
  const pool = new AddressPool('10.244.7.0/24')
  const taken = Array.from({ length: 253 }, () => pool.take()!)
  const called: string[] = []
  pool.wait(() => called.push('first'))
  pool.wait(() => called.push('gone'))[Symbol.dispose]()
  pool.wait(() => called.push('second'))
  pool.free('')
  assert.deepEqual(called, [])
  pool.free(taken[0]!)
  assert.deepEqual(called, ['first'])
  // The first did not come for it.
  pool.free('')
  assert.deepEqual(called, ['first', 'second'])
})

test('subnetOf gives every node a range of its own', () => {
  const ranges = Array.from({ length: 5000 }, (_, index) => subnetOf(index))
  assert.equal(new Set(ranges).size, 5000)
  assert.equal(ranges[255], '10.244.255.0/24')
  assert.equal(ranges[256], '10.128.0.0/24')
})
