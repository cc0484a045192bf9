// Conformance tests of scheduling, preemption and taints, each written from its description and named after it: a cluster each, on time that is
// moved, so that "is not scheduled" means that nothing is left to do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { virtual } from '#main/testing.ts'
import { type Json, merge, startSuite, strategic } from './cluster.ts'

const PODS = '/api/v1/namespaces/default/pods'

/** A cluster at rest, and what these tests ask of it. */
async function rested(nodes = 2) {
  const suite = await startSuite({ nodes, clock: virtual() })
  const { ok, ask, cluster } = suite
  await cluster.idle()
  const names: string[] = (await ok('GET', '/api/v1/nodes')).items.map(({ metadata }: Json) => metadata.name)
  const pod = async (name: string, path = PODS): Promise<Json> => ok('GET', `${path}/${name}`)
  return {
    ...suite,
    names,
    pod,
    async create(name: string, spec: Json = {}, { path = PODS, ...metadata }: Json = {}): Promise<Json> {
      const containers = [{ name: 'pause', image: 'pause', ...spec['container'] }]
      const { container: _, ...rest } = spec
      await ok('POST', path, { body: { metadata: { name, ...metadata }, spec: { containers, ...rest } } })
      await cluster.idle()
      return pod(name, path)
    },
    /** Waits, and says why. */
    async refused(name: string, why: RegExp): Promise<void> {
      const { spec, status } = await pod(name)
      assert.equal(spec.nodeName, undefined)
      assert.match(status.conditions.find(({ type }: Json) => type === 'PodScheduled').message, why)
      const { items } = await ok('GET', '/apis/events.k8s.io/v1/namespaces/default/events')
      assert.ok(items.some(({ regarding, reason }: Json) => regarding.name === name && reason === 'FailedScheduling'))
    },
    label: (node: string, labels: Json) => ok('PATCH', `/api/v1/nodes/${node}`, { body: { metadata: { labels } }, type: merge }),
    offer: (node: string, resources: Json) =>
      ok('PATCH', `/api/v1/nodes/${node}/status`, { body: { status: { capacity: resources, allocatable: resources } }, type: strategic }),
    priority: (name: string, value: number) =>
      ok('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', { body: { metadata: { name }, value } }),
    gone: async (name: string) => (await ask('GET', `${PODS}/${name}`)).code === 404,
    [Symbol.asyncDispose]: () => suite[Symbol.asyncDispose](),
  }
}

type Rested = Awaited<ReturnType<typeof rested>>

const asking = (requests: Json) => ({ container: { resources: { requests, limits: requests } } })

describe('predicates', () => {
  const conformance = (title: string, run: (suite: Rested) => Promise<void>) =>
    test(`[sig-scheduling] SchedulerPredicates [Serial] validates ${title} [Conformance]`, async () => {
      await using suite = await rested()
      await run(suite)
    })

  conformance('resource limits of pods that are allowed to run', async ({ names, ok, create, refused }) => {
    const milli = (text: string) => (text.endsWith('m') ? Number.parseInt(text) : Number(text) * 1000)
    for (const node of names) {
      const { status } = await ok('GET', `/api/v1/nodes/${node}`)
      const filler = Math.floor(milli(status.allocatable.cpu) * 0.7)
      const placed = await create(`filler-${node}`, { ...asking({ cpu: `${filler}m` }), nodeSelector: { 'kubernetes.io/hostname': node } })
      assert.equal(placed['spec'].nodeName, node)
    }
    const { status } = await ok('GET', `/api/v1/nodes/${names[0]}`)
    const half = Math.floor(milli(status.allocatable.cpu) * 0.5)
    await create('additional-pod', asking({ cpu: `${half}m` }))
    await refused('additional-pod', /2 Insufficient cpu/)
  })

  conformance('that NodeSelector is respected if not matching', async ({ create, refused }) => {
    await create('restricted-pod', { nodeSelector: { label: 'nonempty' } })
    await refused('restricted-pod', /2 node\(s\) didn't match Pod's node affinity\/selector/)
  })

  conformance('that NodeSelector is respected if matching', async ({ create, label }) => {
    const { spec } = await create('without-label')
    await label(spec['nodeName'], { 'example.com/e2e': '42' })
    const selecting = await create('with-labels', { nodeSelector: { 'example.com/e2e': '42' } })
    assert.equal(selecting['spec'].nodeName, spec['nodeName'])
  })

  conformance('that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP', async (suite) => {
    const { create, label, names, refused } = suite
    await label(names[0]!, { 'example.com/e2e': '95' })
    const onPort = (hostIP: string) => ({
      container: { ports: [{ containerPort: 80, hostPort: 54322, protocol: 'TCP', hostIP }] },
      nodeSelector: { 'example.com/e2e': '95' },
    })
    assert.equal((await create('pod4', onPort('0.0.0.0')))['spec'].nodeName, names[0])
    await create('pod5', onPort('127.0.0.1'))
    await refused('pod5', /1 node\(s\) didn't have free ports for the requested pod ports/)
  })
})

describe('preemption', () => {
  const RESOURCE = 'scheduling.k8s.io/foo'
  const foo = (count: number) => asking({ [RESOURCE]: String(count) })
  const conformance = (title: string, run: (suite: Rested) => Promise<void>) =>
    test(`[sig-scheduling] SchedulerPreemption [Serial] ${title} [Conformance]`, async () => {
      await using suite = await rested()
      for (const [name, value] of Object.entries({ low: 1, medium: 100, high: 1000 })) await suite.priority(name, value)
      for (const node of suite.names) await suite.offer(node, { [RESOURCE]: '5' })
      await run(suite)
    })
  /** Fills both nodes: the first with a pod of low priority, the second with one of medium. */
  const fill = async ({ names, create }: Rested) => {
    const on = (node: string, priorityClassName: string) => ({
      ...foo(5),
      priorityClassName,
      nodeSelector: { 'kubernetes.io/hostname': node },
    })
    await create('low', on(names[0]!, 'low'))
    await create('medium', on(names[1]!, 'medium'))
  }

  conformance('validates basic preemption works', async (suite) => {
    await fill(suite)
    const preemptor = await suite.create('preemptor', { ...foo(5), priorityClassName: 'high' })
    assert.equal(preemptor['spec'].nodeName, suite.names[0])
    assert.ok(await suite.gone('low'))
    const kept = await suite.pod('medium')
    assert.deepEqual([kept['metadata'].deletionTimestamp, kept['status'].phase], [undefined, 'Running'])
  })

  conformance('validates lower priority pod preemption by critical pod', async (suite) => {
    await fill(suite)
    const path = '/api/v1/namespaces/kube-system/pods'
    const critical = await suite.create('critical', { ...foo(5), priorityClassName: 'system-cluster-critical' }, { path })
    assert.equal(critical['spec'].nodeName, suite.names[0])
    assert.ok(await suite.gone('low'))
    assert.equal((await suite.pod('medium'))['metadata'].deletionTimestamp, undefined)
  })

  conformance('validates pod disruption condition is added to the preempted pod', async (suite) => {
    const { create, pod, ok, cluster, names } = suite
    const here = { nodeSelector: { 'kubernetes.io/hostname': names[0]! } }
    await create('victim', { ...foo(5), ...here, priorityClassName: 'low' }, { finalizers: ['example.com/test-finalizer'] })
    await create('preemptor', { ...foo(5), ...here, priorityClassName: 'high' })
    const { metadata, status } = await pod('victim')
    assert.ok(metadata.deletionTimestamp)
    const { reason, message, ...condition } = status.conditions.find(({ type }: Json) => type === 'DisruptionTarget')
    assert.deepEqual([condition.status, reason], ['True', 'PreemptionByScheduler'])
    assert.equal(message, 'default-scheduler: preempting to accommodate a higher priority pod')
    await ok('PATCH', `${PODS}/victim`, { body: { metadata: { finalizers: null } }, type: merge })
    await cluster.idle()
    assert.equal((await pod('preemptor'))['spec'].nodeName, names[0])
  })

  conformance('PreemptionExecutionPath runs ReplicaSets to verify preemption running path', async (suite) => {
    const { ok, offer, priority, names, create, cluster } = suite
    const FAKE = 'example.com/fakecpu'
    await offer(names[0]!, { [FAKE]: '1000' })
    const here = { nodeSelector: { 'kubernetes.io/hostname': names[0]! } }
    for (let i = 1; i <= 4; i++) await priority(`p${i}`, i)
    using told = await suite.watch(PODS)
    const replicaSets: [replicas: number, cpu: number][] = [
      [5, 40],
      [4, 50],
      [4, 95],
    ]
    for (const [i, [replicas, cpu]] of replicaSets.entries()) {
      const name = `rs-pod${i + 1}`
      const requests = { [FAKE]: String(cpu) }
      const spec = {
        containers: [{ name, image: 'pause', resources: { requests, limits: requests } }],
        priorityClassName: `p${i + 1}`,
        ...here,
      }
      const selector = { matchLabels: { name } }
      const body = { metadata: { name }, spec: { replicas, selector, template: { metadata: { labels: { name } }, spec } } }
      await ok('POST', '/apis/apps/v1/namespaces/default/replicasets', { body })
      await cluster.idle()
      assert.equal((await ok('GET', `/apis/apps/v1/namespaces/default/replicasets/${name}`)).status.readyReplicas, replicas)
    }
    // 780 of 1000 are taken: 500 need all of the first and two of the second.
    const preemptor = await create('pod4', { ...asking({ [FAKE]: '500' }), ...here, priorityClassName: 'p4' })
    assert.deepEqual([preemptor['spec'].nodeName, preemptor['status'].phase], [names[0], 'Running'])
    await told.until((events) => events.some(({ object }) => object['metadata'].name === 'pod4' && object['status'].phase === 'Running'))
    // All has happened, but it may not all be told.
    const madeOf = (set: string) =>
      new Set(told.events.flatMap(({ object }) => (object['metadata'].labels?.name === set ? [object['metadata'].name] : []))).size
    await suite.eventually('10, 6 and 4 pods', () => ['rs-pod1', 'rs-pod2', 'rs-pod3'].map(madeOf).join() === '10,6,4')
  })
})

describe('taints', () => {
  const taint = { key: 'kubernetes.io/e2e-evict-taint-key', value: 'evictTaintVal', effect: 'NoExecute' }
  const tolerating = (tolerationSeconds: number, node: string) => ({
    tolerations: [{ key: taint.key, operator: 'Equal', value: taint.value, effect: taint.effect, tolerationSeconds }],
    nodeSelector: { 'kubernetes.io/hostname': node },
  })
  const setTaints = ({ ok }: Rested, node: string, taints: Json[]) =>
    ok('PATCH', `/api/v1/nodes/${node}`, { body: { spec: { taints: taints.length ? taints : null } }, type: merge })

  test('[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction [Disruptive] [Conformance]', async () => {
    await using suite = await rested()
    const [node] = suite.names as [string]
    const { metadata, status } = await suite.create('taint-eviction-4', tolerating(65, node))
    assert.equal(status['phase'], 'Running')
    await setTaints(suite, node, [taint])
    await suite.cluster.advance('30s')
    assert.equal((await suite.pod('taint-eviction-4'))['metadata'].deletionTimestamp, undefined)
    await setTaints(suite, node, [])
    await suite.cluster.advance('2m')
    const left = await suite.pod('taint-eviction-4')
    assert.deepEqual([left['metadata'].uid, left['metadata'].deletionTimestamp], [metadata['uid'], undefined])
  })

  test('[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive] [Conformance]', async () => {
    await using suite = await rested()
    const [node] = suite.names as [string]
    await suite.create('taint-eviction-b1', tolerating(5, node))
    await suite.create('taint-eviction-b2', tolerating(70, node))
    await setTaints(suite, node, [taint])
    const leaving = async (name: string) => (await suite.gone(name)) || (await suite.pod(name))['metadata'].deletionTimestamp !== undefined
    const both = () => Promise.all(['taint-eviction-b1', 'taint-eviction-b2'].map(leaving))
    await suite.cluster.advance('3s')
    assert.deepEqual(await both(), [false, false])
    await suite.cluster.advance('10s')
    assert.deepEqual(await both(), [true, false])
    await suite.cluster.advance('3m')
    assert.ok(await suite.gone('taint-eviction-b1'))
    assert.ok(await suite.gone('taint-eviction-b2'))
  })
})
