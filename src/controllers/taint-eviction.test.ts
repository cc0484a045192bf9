import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { forbid, gone, startTestCluster } from './testing.ts'
import { patienceMs } from './taint-eviction.ts'

const taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }
const toleration = { key: taint.key, operator: 'Exists', effect: 'NoExecute' }

for (const [what, tolerations, expected] of [
  ['an untolerated taint evicts at once', [], 0],
  ['a toleration without end keeps the pod', [toleration], Infinity],
  ['a toleration of 300 seconds is one', [{ ...toleration, tolerationSeconds: 300 }], 300_000],
  [
    'the shortest of several counts',
    [
      { ...toleration, tolerationSeconds: 300 },
      { operator: 'Exists', tolerationSeconds: 30 },
    ],
    30_000,
  ],
  ['zero seconds evict at once', [{ ...toleration, tolerationSeconds: 0 }], 0],
] as const) {
  test(`patienceMs ${what}`, () => assert.equal(patienceMs([taint], tolerations), expected))
}

const namespace = 'default'
const key = { namespace, name: 'web' }

/** A pod that bears `a` for 20 s and `b` for 10 s, nothing else; `taints` are put on its node one second apart from those before. */
async function tainted(t: Parameters<typeof startTestCluster>[0], { taints, after }: { taints: string[][]; after: number }) {
  const cluster = await startTestCluster(t, { only: ['taint-eviction-controller'], runPods: true })
  const { client, clock, events } = cluster
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } })
  const bears = (name: string, tolerationSeconds: number) => ({ key: name, operator: 'Exists', effect: 'NoExecute', tolerationSeconds })
  const spec = { nodeName: 'n', tolerations: [bears('a', 20), bears('b', 10)], containers: [{ name: 'c', image: 'x' }] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key }, spec })
  for (const keys of taints) {
    const patch = { spec: { taints: keys.map((name) => ({ key: name, effect: 'NoExecute' })) } }
    await client.patch(Node, { name: 'n' }, { type: 'merge', patch })
    await clock.advance(1000)
  }
  await clock.advance(after)
  const there = await client.get(Pod, key).then(
    () => true,
    (error: unknown) => !gone(error),
  )
  return { there, events: await events('web') }
}

const MARKED = 'TaintManagerEviction: Marking for deletion Pod default/web'
const CANCELLED = 'TaintManagerEviction: Cancelling deletion of Pod default/web'

test('taintEvictionController lets a pod stay as long as it bears the taint', async (t) => {
  assert.deepEqual(await tainted(t, { taints: [['a']], after: 18_500 }), { there: true, events: [] })
})

test('taintEvictionController evicts a pod when its patience is over', async (t) => {
  assert.deepEqual(await tainted(t, { taints: [['a']], after: 19_500 }), { there: false, events: [MARKED] })
})

test('taintEvictionController keeps to the time it first set, though another taint is borne for less', async (t) => {
  assert.deepEqual(await tainted(t, { taints: [['a'], ['a', 'b']], after: 17_500 }), { there: true, events: [] })
})

test('taintEvictionController keeps to the time it first set, though the taint now there is borne for longer', async (t) => {
  assert.deepEqual(await tainted(t, { taints: [['b'], ['a']], after: 8_500 }), { there: false, events: [MARKED] })
})

test('taintEvictionController calls a deletion off, and says so, when the taint goes', async (t) => {
  assert.deepEqual(await tainted(t, { taints: [['b'], []], after: 30_000 }), { there: true, events: [CANCELLED] })
})

test('taintEvictionController does not wait with a taint that the pod does not bear at all', async (t) => {
  const { there, events } = await tainted(t, { taints: [['a'], ['a', 'c']], after: 0 })
  assert.deepEqual({ there, events: events.sort() }, { there: false, events: [CANCELLED, MARKED] })
})

test('taintEvictionController says once that a pod has to go that it may not delete, and tries again with backoff', async (t) => {
  const cluster = await startTestCluster(t, { only: ['taint-eviction-controller'], runPods: true })
  const { client, advance, eventually, warnings } = cluster
  await forbid(cluster, { operation: 'DELETE', group: '', resource: 'pods' })
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } })
  const tolerations = [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }]
  const spec = { nodeName: 'n', tolerations, containers: [{ name: 'c', image: 'x' }] }
  await client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key }, spec })
  await client.patch(Node, { name: 'n' }, { type: 'merge', patch: { spec: { taints: [{ key: 'a', effect: 'NoExecute' }] } } })
  await advance(22_000)
  assert.ok(warnings.length >= 5, `${warnings.length} attempts`)
  await advance(600_000)
  const { items } = await client.list(CoreEvent)
  assert.deepEqual(
    items.map(({ reason, count }) => [reason, count]),
    [['TaintManagerEviction', 1]],
  )
  await client.delete(ValidatingAdmissionPolicyBinding, { name: 'forbidden' })
  await advance(1_000_000)
  await eventually(() => client.get(Pod, key).then(() => false, gone))
})
