// Several schedulers at once: profiles of one process, processes of which one leads, and processes that nobody keeps apart. A pod is bound once, to
// one node; those who know of each other never give a node more than it has. Seeds decide pods, their order and which of them go again.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createEventRecorder } from '#client/event-recorder.ts'
import { createInformers } from '#client/informers.ts'
import { leaderElected } from '#client/leader-election.ts'
import { silentLogger as log } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { startTestServer } from '#server/testing.ts'
import { defaultProfile } from './profile.ts'
import { createScheduler } from './scheduler.ts'
import { nodeOf, podOf } from './testing.ts'

const SEEDS = [1, 2, 3, 4]
const NODES = 4
const PODS = 40
const NAMES = ['default-scheduler', 'second', 'third']

async function startRivals(t: TestContext, seed: number) {
  const clock = createVirtualClock()
  const random = seededRandom(seed)
  const cleanUp = new AsyncDisposableStack()
  t.after(() => cleanUp.disposeAsync())
  const { client } = cleanUp.use(await startTestServer({ clock, random }))
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
  for (let i = 0; i < NODES; i++) {
    const { status, ...node } = nodeOf(`n${i}`, { cpu: '4', pods: '9' })
    const created = await client.create(Node, { ...node, metadata: { name: `n${i}` } })
    await client.update(Node, { ...created, status: status! }, { subresource: 'status' })
  }
  /** A process of its own: it sees the cluster through informers of its own. */
  const scheduler = (signal: AbortSignal, names: readonly string[]) => {
    const informers = createInformers({ client, clock, random, log, signal })
    const eventsFor = (component: string) => createEventRecorder({ client, clock, random, log, component, api: 'events.k8s.io', signal })
    const profiles = names.map((schedulerName) => ({ ...defaultProfile(), schedulerName }))
    return createScheduler({ client, informers, eventsFor, clock, random, log, configuration: { profiles } })
  }
  /** Where each pod went, and how often it was sent somewhere. */
  const places = new Map<string, string[]>()
  const watcher = new AbortController()
  cleanUp.defer(() => watcher.abort(new Error('the test is over')))
  const seen = createInformers({ client, clock, random, log, signal: watcher.signal }).of(Pod)
  seen.subscribe(({ object, previous }) => {
    const [node, before] = [object?.spec?.nodeName, previous?.spec?.nodeName]
    if (node && node !== before) places.set(object!.metadata!.uid!, [...(places.get(object!.metadata!.uid!) ?? []), node])
  })
  const pods = async () => (await client.list(Pod)).items
  /** Pods come in bursts, some of those that are placed go. */
  const churn = async (names: readonly string[]) => {
    const pick = <T>(from: readonly T[]) => from[Math.floor(random.float() * from.length)]!
    for (let made = 0; made < PODS; ) {
      const burst = 1 + Math.floor(random.float() * 8)
      await Promise.all(
        Array.from({ length: burst }, (_, i) => {
          const { metadata, ...pod } = podOf(`p${made + i}`, { cpu: pick(['250m', '500m', '1', '2']), schedulerName: pick(names) })
          return client.create(Pod, { ...pod, metadata: { name: metadata!.name!, namespace: 'default' } })
        }),
      )
      made += burst
      await clock.advance(pick([0, 1, 50, 2000]))
      const placed = (await pods()).filter(({ spec }) => spec!.nodeName)
      if (placed.length && random.float() < 0.3)
        await client.delete(Pod, { namespace: 'default', name: pick(placed).metadata!.name! }, { gracePeriodSeconds: 0 })
    }
    await clock.advance(30_000)
  }
  const assertBoundOnce = () => {
    assert.ok(places.size > NODES, 'pods are placed')
    for (const [uid, nodes] of places) assert.equal(nodes.length, 1, `pod ${uid} went to ${nodes.join()}`)
  }
  const assertWithinNodes = async () => {
    const milli = ({ spec }: Pod) => {
      const cpu = spec!.containers[0]!.resources!.requests!['cpu']!
      return cpu.endsWith('m') ? Number.parseInt(cpu) : Number(cpu) * 1000
    }
    const all = await pods()
    for (let i = 0; i < NODES; i++) {
      const there = all.filter(({ spec }) => spec!.nodeName === `n${i}`)
      const asked = there.reduce((sum, pod) => sum + milli(pod), 0)
      assert.ok(asked <= 4000 && there.length <= 9, `n${i} has ${there.length} pods that ask for ${asked}m`)
      // Whoever still waits would not fit here.
      for (const waiting of all.filter(({ spec }) => !spec!.nodeName)) assert.ok(asked + milli(waiting) > 4000 || there.length === 9)
    }
  }
  return { clock, client, random, cleanUp, scheduler, churn, assertBoundOnce, assertWithinNodes }
}

for (const seed of SEEDS) {
  test(`schedulers of several names in one process bind pods once and give nodes no more than they have (seed ${seed})`, async (t) => {
    const { cleanUp, scheduler, churn, assertBoundOnce, assertWithinNodes } = await startRivals(t, seed)
    const stop = new AbortController()
    cleanUp.defer(() => stop.abort(new Error('the test is over')))
    cleanUp.use(await scheduler(stop.signal, NAMES).start(stop.signal))
    await churn(NAMES)
    assertBoundOnce()
    await assertWithinNodes()
  })

  test(`schedulers of which one leads bind pods once and give nodes no more than they have, a leader ending (seed ${seed})`, async (t) => {
    const { cleanUp, scheduler, churn, clock, client, random, assertBoundOnce, assertWithinNodes } = await startRivals(t, seed)
    const lease = { namespace: 'default', name: 'kube-scheduler' }
    const processes = ['one', 'two', 'three'].map((identity) => {
      const stop = new AbortController()
      cleanUp.defer(() => stop.abort(new Error('the test is over')))
      const leading = { name: identity, start: (signal: AbortSignal) => scheduler(stop.signal, ['default-scheduler']).start(signal) }
      return { stop, service: leaderElected([leading], { client, clock, random, log, identity, lease }) }
    })
    const running: AsyncDisposable[] = []
    for (const { stop, service } of processes) running.push(cleanUp.use(await service.start(stop.signal)))
    // With whatever it has under way: bindings that were sent, and pods that it has only assumed on their nodes.
    const ended = clock.after(3000 * random.float(), () => {
      processes[0]!.stop.abort(new Error('ended'))
      void running[0]![Symbol.asyncDispose]()
    })
    await churn(['default-scheduler'])
    ended.cancel()
    await clock.advance(60_000)
    assertBoundOnce()
    await assertWithinNodes()
  })

  test(`schedulers that nobody keeps apart bind no pod twice (seed ${seed})`, async (t) => {
    const { cleanUp, scheduler, churn, assertBoundOnce } = await startRivals(t, seed)
    const stop = new AbortController()
    cleanUp.defer(() => stop.abort(new Error('the test is over')))
    for (let i = 0; i < 2; i++) cleanUp.use(await scheduler(stop.signal, ['default-scheduler']).start(stop.signal))
    await churn(['default-scheduler'])
    assertBoundOnce()
  })
}
