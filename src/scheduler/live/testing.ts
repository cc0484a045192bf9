// A scheduler at work on a cluster of its own, under virtual time, for tests. Nodes and pods are what tests create; nobody else acts.
import type { TestContext } from 'node:test'
import { EventsEvent } from '#api/kinds/events/event.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createEventRecorder } from '#client/event-recorder.ts'
import { createInformers } from '#client/informers.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { createScheduler } from '#scheduler/scheduler.ts'
import { nodeOf, podOf, type PodShape } from '#scheduler/testing.ts'
import { startTestServer } from '#server/testing.ts'

export async function startCluster(t: TestContext, configuration?: SchedulerConfiguration) {
  const clock = createVirtualClock()
  const random = seededRandom(1)
  const log = silentLogger
  const cleanUp = new AsyncDisposableStack()
  t.after(() => cleanUp.disposeAsync())
  const { client } = cleanUp.use(await startTestServer({ clock, random }))
  const stop = new AbortController()
  cleanUp.defer(() => stop.abort(new Error('the test is over')))
  const informers = createInformers({ client, clock, random, log, signal: stop.signal })
  const eventsFor = (component: string) =>
    createEventRecorder({
      client,
      clock,
      random,
      log,
      component,
      api: 'events.k8s.io',
      signal: stop.signal,
    })
  const metrics = createSchedulerMetrics()
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
  cleanUp.use(
    await createScheduler({
      client,
      informers,
      eventsFor,
      clock,
      random,
      log,
      metrics,
      ...(configuration ? { configuration } : {}),
    }).start(stop.signal),
  )
  const metric = (name: string) => [...metrics.families()].filter((family) => family.name === name).flatMap(({ samples }) => [...samples])
  const createNode = async (name: string, shape = {}) => {
    const { status, ...node } = nodeOf(name, shape)
    const created = await client.create(Node, { ...node, metadata: { name, labels: node.metadata!.labels! } })
    await client.update(Node, { ...created, status: status! }, { subresource: 'status' })
  }
  const createPod = (name: string, shape: PodShape = {}) => {
    const { uid: _, ...metadata } = podOf(name, shape).metadata!
    return client.create(Pod, { ...podOf(name, shape), metadata })
  }
  const pod = (name: string) => client.get(Pod, { namespace: 'default', name })
  const eventually = async <T>(check: () => Promise<T | undefined | false>): Promise<T> => {
    for (let step = 0; step < 400; step++) {
      const result = await check()
      if (result) return result
      await clock.advance(20)
      // Extenders live in real time.
      if (configuration?.extenders.length) await systemClock.sleep(step < 200 ? 5 : 100)
    }
    throw new Error('did not come about within 8 s of cluster time')
  }
  const bound = (name: string) => eventually(async () => (await pod(name)).spec!.nodeName)
  const told = (name: string) =>
    eventually(
      async () => (await pod(name)).status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')?.message,
    )
  const eventsOf = async (name: string) =>
    (await client.list(EventsEvent)).items
      .filter(({ regarding }) => regarding?.name === name)
      .map(({ type, reason, note }) => `${type} ${reason}: ${note}`)
  return { client, clock, createNode, createPod, pod, bound, told, eventually, eventsOf, metric }
}
