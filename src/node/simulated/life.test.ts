import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { createInformers } from '#client/informers.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { until } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'
import { createSimulatedNodes } from './nodes.ts'
import { Script } from './script.ts'

async function world() {
  await using parts = new AsyncDisposableStack()
  const clock = createVirtualClock()
  const { client } = parts.use(await startTestServer({ clock }))
  const stop = new AbortController()
  parts.defer(() => stop.abort(new Error('the test is over')))
  const random = seededRandom(1)
  const informers = createInformers({ client, clock, random, log: silentLogger, signal: stop.signal })
  const options = { count: 1, client, informers, clock, log: silentLogger, stages: { random, define: false } }
  parts.use(await createSimulatedNodes(options).start(stop.signal))
  const all = parts.move()
  const key = (name: string) => ({ name, namespace: 'default' })
  const get = (name: string) => client.get(Pod, key(name))
  const eventsOf = async (name: string) =>
    (await client.list(CoreEvent, { namespace: 'default' })).items.filter(({ involvedObject }) => involvedObject?.name === name)
  return {
    clock,
    client,
    get,
    annotate: (name: string, annotations: Record<string, string | null>) =>
      client.patch(Pod, key(name), { type: 'merge', patch: { metadata: { annotations } } }),
    create: (name: string, annotations: Record<string, string>, spec: object = {}) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          ...key(name),
          annotations: Object.fromEntries(Object.entries(annotations).map(([what, value]) => [`sampan.dev/${what}`, value])),
        },
        spec: { nodeName: 'simulated-0', containers: [{ name: 'main', image: 'app' }], ...spec },
      }),
    /** The pod once it is so. */
    pod: (name: string, holds: (pod: Pod) => unknown): Promise<Pod> =>
      until(async () => {
        await clock.advance(0)
        const pod = await get(name)
        return holds(pod) ? pod : undefined
      }),
    reasons: async (name: string) => (await eventsOf(name)).map(({ reason }) => reason),
    eventsOf,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

const main = (pod: Pod) => pod.status?.containerStatuses?.[0]
const isReady = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
const waits = (reason: string) => (pod: Pod) => main(pod)?.state?.waiting?.reason === reason

test('SimulatedPods start, are ready and go after as long as annotations say', async () => {
  await using own = await world()
  await own.create('slow', { 'start-delay': '30s', 'ready-delay': '10s', 'stop-delay': '5s' })
  await own.pod('slow', waits('ContainerCreating'))
  await own.clock.advance(29_000)
  assert.equal((await own.get('slow')).status?.phase, 'Pending')
  await own.clock.advance(1000)
  assert.equal(isReady(await own.pod('slow', ({ status }) => status?.phase === 'Running')), false)
  await own.clock.advance(9000)
  assert.equal(isReady(await own.get('slow')), false)
  await own.clock.advance(1000)
  await own.pod('slow', isReady)
  await own.client.delete(Pod, { name: 'slow', namespace: 'default' })
  await own.clock.advance(4000)
  await own.get('slow')
  await own.clock.advance(1000)
  await until(async () => (await own.client.list(Pod)).items.length === 0)
})

test('SimulatedPods that end are started again with the kubelet’s back-off, and tell why they ended', async () => {
  await using own = await world()
  await own.create('hungry', { 'exit-after': '20s', 'exit-reason': 'OOMKilled' })
  await own.pod('hungry', isReady)
  await own.clock.advance(20_000)
  const again = await own.pod('hungry', (pod) => main(pod)?.restartCount === 1)
  assert.deepEqual([main(again)?.lastState?.terminated?.reason, main(again)?.lastState?.terminated?.exitCode], ['OOMKilled', 137])
  for (const [restarts, pauseMs] of [
    [2, 10_000],
    [3, 20_000],
    [4, 40_000],
  ] as const) {
    await own.clock.advance(20_000)
    const crashed = await own.pod('hungry', waits('CrashLoopBackOff'))
    assert.match(
      main(crashed)?.state?.waiting?.message ?? '',
      new RegExp(`^back-off ${pauseMs / 1000}s restarting failed container=main pod=hungry_default`),
    )
    assert.equal(crashed.status?.phase, 'Running')
    await own.clock.advance(pauseMs - 1000)
    assert.ok(waits('CrashLoopBackOff')(await own.get('hungry')))
    await own.clock.advance(1000)
    await own.pod('hungry', (pod) => main(pod)?.restartCount === restarts && main(pod)?.state?.running)
  }
  assert.ok((await own.reasons('hungry')).includes('BackOff'))
})

test('SimulatedPods whose image cannot be pulled try again ever more slowly', async () => {
  await using own = await world()
  await own.create('lost', { 'image-pull': 'failing' })
  await own.pod('lost', waits('ImagePullBackOff'))
  await own.clock.advance(15_000)
  await own.annotate('lost', { 'sampan.dev/image-pull': 'passing' })
  await own.clock.advance(14_000)
  assert.ok(waits('ImagePullBackOff')(await own.get('lost')))
  await own.clock.advance(1000)
  await own.pod('lost', isReady)
  assert.ok((await own.reasons('lost')).includes('Failed'))
})

test('SimulatedPods whose registry cannot be tell so once, from their node', async () => {
  await using own = await world()
  await own.create('lost', {}, { containers: [{ name: 'main', image: 'registry.invalid/app:1' }] })
  await own.pod('lost', waits('ImagePullBackOff'))
  const told = async () =>
    (await own.eventsOf('lost')).map(({ source, reportingInstance, message, count }) => [source, reportingInstance, message, count])
  await until(async () => (await told()).length === 2)
  await own.annotate('lost', { 'example.com/touched': 'yes' })
  await own.clock.advance(60_000)
  const source = { component: 'kubelet', host: 'simulated-0' }
  assert.deepEqual((await told()).toSorted(), [
    [source, 'simulated-0', 'Error: ErrImagePull', 1],
    [source, 'simulated-0', 'Failed to pull image "registry.invalid/app:1": simulated', 1],
  ])
})

test('SimulatedPods whose registry cannot be wait, whatever else annotations say of them', async () => {
  await using own = await world()
  await own.create('lost', { 'ready-delay': '1s' }, { containers: [{ name: 'main', image: 'registry.invalid/app:1' }] })
  await own.pod('lost', waits('ImagePullBackOff'))
  const patch = { spec: { containers: [{ name: 'main', image: 'app:1' }] } }
  await own.client.patch(Pod, { name: 'lost', namespace: 'default' }, { type: 'strategic', patch })
  await own.clock.advance(1000)
  await own.pod('lost', isReady)
})

test('SimulatedPods start ephemeral containers, whose end is nothing to the pod', async () => {
  await using own = await world()
  await own.create('debugged', { 'ready-delay': '1s', 'exit-after.debugger': '30s' })
  await own.clock.advance(1000)
  await own.pod('debugged', isReady)
  const patch = { spec: { ephemeralContainers: [{ name: 'debugger', image: 'busybox' }] } }
  await own.client.patch(
    Pod,
    { name: 'debugged', namespace: 'default' },
    { type: 'strategic', patch },
    { subresource: 'ephemeralcontainers' },
  )
  const debugging = (pod: Pod) => pod.status?.ephemeralContainerStatuses?.[0]?.state
  await own.pod('debugged', (pod) => debugging(pod)?.running)
  await own.clock.advance(30_000)
  assert.ok(isReady(await own.pod('debugged', (pod) => debugging(pod)?.terminated)))
})

test('SimulatedPods fail the probes that annotations name, of the container they name', async () => {
  await using own = await world()
  const containers = ['a', 'b'].map((name) => ({ name, image: 'app' }))
  await own.create('pair', {}, { containers })
  await own.pod('pair', isReady)
  await own.annotate('pair', { 'sampan.dev/readiness.b': 'failing' })
  const unready = await own.pod('pair', (pod) => !isReady(pod))
  assert.deepEqual(
    unready.status?.containerStatuses?.map(({ ready }) => ready),
    [true, false],
  )
  await own.annotate('pair', { 'sampan.dev/readiness.b': null, 'sampan.dev/liveness.a': 'failing' })
  await own.pod('pair', isReady)
  await own.clock.advance(29_000)
  assert.equal(main(await own.get('pair'))?.restartCount, 0)
  await own.clock.advance(1000)
  const killed = await own.pod('pair', (pod) => main(pod)?.restartCount === 1)
  assert.equal(main(killed)?.lastState?.terminated?.exitCode, 137)
  assert.equal(killed.status?.containerStatuses?.[1]?.restartCount, 0)
  assert.ok((await own.reasons('pair')).includes('Unhealthy'))
})

test('SimulatedPods fail with an init container that does, and are evicted where annotations say so', async () => {
  await using own = await world()
  const initContainers = [{ name: 'setup', image: 'app' }]
  await own.create('broken', { 'exit-after.setup': '1s', 'exit-code.setup': '3' }, { initContainers, restartPolicy: 'Never' })
  await own.pod('broken', ({ status }) => status?.initContainerStatuses?.[0]?.state?.running)
  await own.clock.advance(1000)
  const broken = await own.pod('broken', ({ status }) => status?.phase === 'Failed')
  assert.equal(broken.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 3)
  await own.create('web', {})
  await own.pod('web', isReady)
  await own.annotate('web', { 'sampan.dev/evict': 'The node was low on resource: memory. ' })
  const evicted = await own.pod('web', ({ status }) => status?.phase === 'Failed')
  assert.deepEqual([evicted.status?.reason, evicted.status?.message], ['Evicted', 'The node was low on resource: memory. '])
  assert.equal(evicted.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason, 'TerminationByKubelet')
})

test('createSimulatedNodes lose nodes, make them unready and put them under pressure where annotations say so', async () => {
  await using own = await world()
  const annotate = (annotations: Record<string, string | null>) =>
    own.client.patch(Node, { name: 'simulated-0' }, { type: 'merge', patch: { metadata: { annotations } } })
  const conditions = async () => {
    const { status } = await own.client.get(Node, { name: 'simulated-0' })
    return Object.fromEntries((status?.conditions ?? []).map((one) => [one.type, one.status]))
  }
  await annotate({ 'sampan.dev/node-state': 'not-ready', 'sampan.dev/pressure': 'memory' })
  await until(async () => (await conditions()).Ready === 'False' && (await conditions()).MemoryPressure === 'True')
  await annotate({ 'sampan.dev/node-state': null, 'sampan.dev/pressure': null })
  await until(async () => (await conditions()).Ready === 'True' && (await conditions()).MemoryPressure === 'False')
  const renewed = async () => (await own.client.get(Lease, { namespace: 'kube-node-lease', name: 'simulated-0' })).spec?.renewTime
  await own.create('web', {})
  await own.pod('web', isReady)
  await annotate({ 'sampan.dev/node-state': 'lost' })
  await own.clock.advance(20_000)
  const before = await renewed()
  await own.client.delete(Pod, { name: 'web', namespace: 'default' })
  await own.clock.advance(60_000)
  assert.equal(await renewed(), before)
  assert.ok((await own.get('web')).metadata?.deletionTimestamp)
  await annotate({ 'sampan.dev/node-state': null })
  await until(async () => (await own.client.list(Pod)).items.length === 0 && (await renewed()) !== before)
})

test('Script draws times from the uid of the pod and tells what it cannot read', () => {
  const pod = (uid: string, annotations: Record<string, string>): Pod => ({ metadata: { uid, annotations } })
  const at = (uid: string) => new Script(pod(uid, { 'sampan.dev/start-delay': '2s-4s' })).timeMs('start-delay')
  assert.deepEqual([at('00000000-'), at('80000000-'), at('ffffffff-')], [2000, 3000, 4000])
  const wrong = {
    'sampan.dev/exit-after': 'soon',
    'sampan.dev/liveness': 'no',
    'sampan.dev/exit-code.main': '256',
    'sampan.dev/ready-delay': '5s-2s',
  }
  assert.equal(new Script(pod('', wrong)).faults().length, 4)
  assert.equal(new Script(pod('', wrong)).timeMs('exit-after'), undefined)
})

test('SimulatedPods starts no pod for which its node has no address until one is free', async () => {
  await using own = await world()
  const { client, clock, create, get, pod } = own
  const more = { status: { allocatable: { pods: '300' } } }
  await client.patch(Node, { name: 'simulated-0' }, { type: 'merge', patch: more }, { subresource: 'status' })
  for (let index = 0; index < 253; index++) await create(`web-${index}`, {})
  const { podIP } = (await pod('web-252', ({ status }) => status?.phase === 'Running')).status!
  await create('late', {})
  await create('scripted', { 'ready-delay': '1s' })
  await create('host', {}, { hostNetwork: true })
  await pod('host', ({ status }) => status?.phase === 'Running')
  for (const name of ['late', 'scripted']) {
    const { metadata, status } = await pod(name, (one) => one.status?.containerStatuses)
    assert.deepEqual([status?.phase, status?.podIP, status?.hostIP], ['Pending', undefined, '100.64.0.1'])
    assert.equal(status?.containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating')
    const conditions = status?.conditions?.map((one) => `${one.type} ${one.status}`)
    assert.ok(conditions?.includes('PodReadyToStartContainers False') && conditions.includes('Ready False'))
    const why = `failed to setup network for sandbox "sandbox-${metadata?.uid}": no IP addresses available in range set: 10.244.0.1-10.244.0.254`
    const [event] = await until(async () => {
      const told = (await client.list(CoreEvent, { namespace: 'default' })).items.filter(({ involvedObject: of }) => of?.name === name)
      return told.length > 0 && told
    })
    assert.deepEqual([event?.reason, event?.message], ['FailedCreatePodSandBox', `Failed to create pod sandbox: ${why}`])
  }
  // Told ever more seldom: after 10, 30 and 70 seconds.
  await clock.advance(60_000)
  await until(async () => {
    const told = (await client.list(CoreEvent, { namespace: 'default' })).items.filter(({ reason }) => reason === 'FailedCreatePodSandBox')
    return told.map(({ count }) => count).join() === '3,3'
  })
  // The first who came is the first who starts, as soon as there is an address.
  await client.delete(Pod, { namespace: 'default', name: 'web-252' })
  await pod('late', ({ status }) => status?.phase === 'Running' && status.podIP === podIP)
  assert.equal((await get('scripted')).status?.phase, 'Pending')
  await client.delete(Pod, { namespace: 'default', name: 'web-7' })
  await pod('scripted', ({ status }) => status?.phase === 'Running' && status.podIP)
})
