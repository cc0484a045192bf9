import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Candidate } from '#scheduler/preemption.ts'
import { Diagnosis } from '#scheduler/diagnosis.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { clusterOf, nodeOf, podOf } from '#scheduler/testing.ts'
import { silentLogger } from '#lib/log.ts'
import { Extender } from './extender.ts'
import { Extenders } from './extenders.ts'
import type { ExtenderOptions } from './extender-options.ts'
import { type Answer, startExtender } from './testing.ts'

/** An extender that answers so, and what it was asked. */
async function start(t: TestContext, answer: Answer, own: Partial<ExtenderOptions> = {}) {
  const { url, asked } = await startExtender(t, answer)
  const options: ExtenderOptions = {
    url,
    filterVerb: 'filter',
    prioritizeVerb: 'prioritize',
    preemptVerb: 'preempt',
    bindVerb: 'bind',
    weight: 2,
    timeoutMs: 60_000,
    nodeCacheCapable: true,
    ignorable: false,
    managedResources: [],
    ignoredResources: [],
    tls: {},
    ...own,
  }
  const { signal } = new AbortController()
  return { asked, options, extender: new Extender(options, signal), all: new Extenders([options], { log: silentLogger, signal }) }
}

const pod = podInfoOf(podOf('p'))
const { nodes } = clusterOf(['a', 'b', 'c'].map((name) => nodeOf(name)))

test('Extender.filter passes names and heeds what comes back, whatever the case of its fields', async (t) => {
  const { asked, extender } = await start(t, () => ({
    nodeNames: ['b'],
    FailedNodes: { a: 'too small' },
    failedAndUnresolvableNodes: { c: 'too old' },
  }))
  const diagnosis = new Diagnosis(3)
  assert.deepEqual(
    (await extender.filter(pod, nodes, diagnosis)).map(({ name }) => name),
    ['b'],
  )
  assert.deepEqual(asked[0]!.args.NodeNames, ['a', 'b', 'c'])
  assert.equal(asked[0]!.args.Pod.metadata.name, 'p')
  assert.deepEqual(
    [...diagnosis.refusals],
    [
      ['a', { reasons: ['too small'] }],
      ['c', { reasons: ['too old'], final: true }],
    ],
  )
  assert.deepEqual([...diagnosis.plugins], ['Extender'])
})

test('Extender.filter passes whole nodes to those that know none', async (t) => {
  const { asked, extender } = await start(t, (_verb, { Nodes }) => ({ Nodes: { items: [Nodes.items[2]] } }), { nodeCacheCapable: false })
  assert.deepEqual(
    (await extender.filter(pod, nodes, new Diagnosis(3))).map(({ name }) => name),
    ['c'],
  )
  assert.deepEqual(
    asked[0]!.args.Nodes.items.map(({ kind, metadata }: any) => `${kind} ${metadata.name}`),
    ['Node a', 'Node b', 'Node c'],
  )
})

const failures: [title: string, Answer, RegExp][] = [
  ['an error it names', () => ({ Error: 'out of order' }), /^out of order$/],
  ['a code other than 200', () => 500, /^failed filter with extender at URL http:.*\/x\/filter, code 500$/],
  ['nodes it was not asked about', () => ({ NodeNames: ['z'] }), /claims a filtered node "z" which is not found in the input node list/],
  ['what is no JSON', () => 'well', /JSON/],
  [
    'an answer that never ends',
    () => undefined,
    /^Post "http:.*\/x\/filter": context deadline exceeded \(Client\.Timeout exceeded while awaiting headers\)$/,
  ],
]
for (const [title, answer, message] of failures) {
  test(`Extender.filter fails on ${title}, and is passed over if it is ignorable`, async (t) => {
    const own = title.includes('never') ? { timeoutMs: 50 } : {}
    const { all } = await start(t, answer, own)
    await assert.rejects(all.filter(pod, nodes, new Diagnosis(3)), { message })
    const ignorable = await start(t, answer, { ...own, ignorable: true })
    assert.equal((await ignorable.all.filter(pod, nodes, new Diagnosis(3))).length, 3)
  })
}

test('Extender.filter says in the words of upstream that nobody answers', async (t) => {
  const { extender } = await start(t, () => ({}), { url: 'http://127.0.0.1:1/x' })
  await assert.rejects(extender.filter(pod, nodes, new Diagnosis(3)), {
    message: 'Post "http://127.0.0.1:1/x/filter": dial tcp 127.0.0.1:1: connect: connection refused',
  })
})

test('Extenders.prioritize weighs points, and one that fails has no say', async (t) => {
  const { all } = await start(t, () => [
    { Host: 'b', Score: 3 },
    { host: 'c', score: 10 },
  ])
  assert.deepEqual(await all.prioritize(pod, nodes), [0, 60, 200])
  const failing = await start(t, () => 500)
  assert.deepEqual(await failing.all.prioritize(pod, nodes), [0, 0, 0])
})

const on = (node: string, name: string) => podOf(name, { nodeName: node })
const crowd = clusterOf(
  nodes.map(({ node }) => node!),
  [on('a', 'x'), on('b', 'y'), on('b', 'z')],
)
const candidateOn = (node: string, ...victims: string[]) => ({
  node: crowd.node(node)!,
  victims: victims.map((name) => crowd.node(node)!.pods.get(`uid-default-${name}`)!),
  violations: 1,
})
const candidates = [candidateOn('a', 'x'), candidateOn('b', 'y')]
const metaVictims = (...names: string[]) => ({ Pods: names.map((name) => ({ UID: `uid-default-${name}` })), NumPDBViolations: 2 })
const agreed = (left: readonly Candidate[]) =>
  left.map(({ node, victims, violations }) => [node.name, victims.map(({ uid }) => uid.slice('uid-default-'.length)), violations])

test('Extender.preempt is told of victims and may drop nodes, or name others there', async (t) => {
  const { asked, extender } = await start(t, () => ({ NodeNameToMetaVictims: { b: metaVictims('z', 'y') } }))
  assert.deepEqual(agreed(await extender.preempt(pod, candidates)), [['b', ['z', 'y'], 2]])
  assert.deepEqual(asked[0]!.args.NodeNameToMetaVictims.a, { Pods: [{ UID: 'uid-default-x' }], NumPDBViolations: 1 })
})

const wrongVictims: [title: string, object, RegExp][] = [
  ['nodes it was not asked about', { c: metaVictims('x') }, /claims node "c", which it was not asked about/],
  [
    'pods that are not there',
    { a: metaVictims('y') },
    /^extender: .* claims to preempt pod \(UID: &{uid-default-y}\) on node: a, but the pod is not found on that node$/,
  ],
  ['nobody at all', { a: metaVictims() }, /^expected at least one victim pod on node "a"$/],
]
for (const [title, NodeNameToMetaVictims, message] of wrongVictims) {
  test(`Extenders.preempt fails on ${title}`, async (t) => {
    const { all } = await start(t, () => ({ NodeNameToMetaVictims }))
    await assert.rejects(all.preempt(pod, candidates), { message })
  })
}

test('Extenders.preempt passes over an ignorable extender that fails, and over nodes for which it names nobody', async (t) => {
  const failing = await start(t, () => 500, { ignorable: true })
  assert.equal((await failing.all.preempt(pod, candidates)).length, 2)
  const naming = await start(t, () => ({ NodeNameToMetaVictims: { a: metaVictims(), b: metaVictims('y') } }), { ignorable: true })
  assert.deepEqual(agreed(await naming.all.preempt(pod, candidates)), [['b', ['y'], 2]])
})

test('Extender.bind says who goes where, and fails as it is told', async (t) => {
  const { asked, extender } = await start(t, (_verb, { Node }) => (Node === 'a' ? {} : { Error: 'no' }))
  await extender.bind(pod, 'a')
  assert.deepEqual(asked[0], { verb: 'bind', args: { PodName: 'p', PodNamespace: 'default', PodUID: 'uid-default-p', Node: 'a' } })
  await assert.rejects(extender.bind(pod, 'b'), { message: 'no' })
})

test('Extenders.concerned are those that manage what the pod asks for', async (t) => {
  const { all } = await start(t, () => ({}), { managedResources: ['example.com/gpu'] })
  const asking = podInfoOf(podOf('p', { containers: [{ name: 'c', resources: { limits: { 'example.com/gpu': '1' } } }] }))
  assert.deepEqual([all.concerned(pod).length, all.concerned(asking).length], [0, 1])
})

test('Extenders.bind leaves to the API what an ignorable extender fails to bind', async (t) => {
  const { all } = await start(t, (_verb, { Node }) => (Node === 'a' ? {} : { Error: 'no' }))
  assert.equal(await all.bind(pod, 'a'), true)
  await assert.rejects(all.bind(pod, 'b'), { message: 'no' })
  const ignorable = await start(t, () => ({ Error: 'no' }), { ignorable: true })
  assert.equal(await ignorable.all.bind(pod, 'b'), false)
  assert.equal(await new Extenders([], { log: silentLogger, signal: new AbortController().signal }).bind(pod, 'a'), false)
})
