import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Diagnosis } from '#scheduler/diagnosis.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { clusterOf, nodeOf, podOf } from '#scheduler/testing.ts'
import { silentLogger } from '#lib/log.ts'
import { Extender } from './extender.ts'
import { Extenders } from './extenders.ts'
import type { ExtenderOptions } from './extender-options.ts'

type Answer = (verb: string, args: any) => unknown

/** An extender that answers so, and what it was asked. */
async function start(t: TestContext, answer: Answer, own: Partial<ExtenderOptions> = {}) {
  const asked: { verb: string; args: any }[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const args = JSON.parse(String(Buffer.concat(parts)))
    const verb = request.url!.slice('/x/'.length)
    asked.push({ verb, args })
    const said = answer(verb, args)
    if (said === undefined) return
    response.writeHead(typeof said === 'number' ? said : 200).end(typeof said === 'string' ? said : JSON.stringify(said))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))))
  const options: ExtenderOptions = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`,
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
  ['a code other than 200', () => 500, /^failed filter with extender at URL .*, code 500$/],
  ['nodes it was not asked about', () => ({ NodeNames: ['z'] }), /claims a filtered node "z" which is not found in the input node list/],
  ['what is no JSON', () => 'well', /JSON/],
  ['an answer that never ends', () => undefined, /^Post ".*": context deadline exceeded$/],
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

test('Extenders.prioritize weighs points, and one that fails has no say', async (t) => {
  const { all } = await start(t, () => [
    { Host: 'b', Score: 3 },
    { host: 'c', score: 10 },
  ])
  assert.deepEqual(await all.prioritize(pod, nodes), [0, 60, 200])
  const failing = await start(t, () => 500)
  assert.deepEqual(await failing.all.prioritize(pod, nodes), [0, 0, 0])
})

test('Extender.preempt is told of victims and may drop nodes, but not add to them', async (t) => {
  const victims = [podInfoOf(podOf('x')), podInfoOf(podOf('y'))]
  const candidates = nodes.slice(0, 2).map((node) => ({ node, victims, violations: 1 }))
  const { asked, extender } = await start(t, (_verb, { NodeNameToMetaVictims: { b } }) => ({
    NodeNameToMetaVictims: { b: { ...b, Pods: b.Pods.slice(1) } },
  }))
  const [left, ...others] = await extender.preempt(pod, candidates)
  assert.deepEqual([left!.node.name, left!.victims.map(({ uid }) => uid), left!.violations, others], ['b', ['uid-default-y'], 1, []])
  assert.deepEqual(asked[0]!.args.NodeNameToMetaVictims.a, {
    Pods: [{ UID: 'uid-default-x' }, { UID: 'uid-default-y' }],
    NumPDBViolations: 1,
  })
  const wild = await start(t, () => ({ NodeNameToMetaVictims: { c: { Pods: [] } } }))
  await assert.rejects(wild.extender.preempt(pod, candidates), /claims node "c", which it was not asked about/)
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
