import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Affinity, PodAffinityTerm, TopologySpreadConstraint } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { podInfoOf } from './pod-info.ts'
import { clusterOf, nodeOf, outcome, podOf, type PodShape } from './testing.ts'

const web = { labels: { app: 'web' } }
const selector = { matchLabels: { app: 'web' } }
const zoned = (name: string, zone: string) => nodeOf(name, { labels: { zone } })
const zones = [zoned('a', 'x'), zoned('b', 'x'), zoned('c', 'y')]
const at = (node: string, name: string, shape: PodShape = web): Pod => {
  const pod = podOf(name, shape)
  return { ...pod, spec: { ...pod.spec!, nodeName: node } }
}
const term = (topologyKey: string, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  topologyKey,
  labelSelector: selector,
  ...more,
})
const near = (...terms: PodAffinityTerm[]): Affinity => ({ podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } })
const apart = (...terms: PodAffinityTerm[]): Affinity => ({ podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } })
const spread = (more: Partial<TopologySpreadConstraint> = {}): PodShape => ({
  ...web,
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector, ...more }],
})

const closed = nodeOf('c', { labels: { zone: 'y' }, spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } })

const cases: [title: string, Pod, Node[], Pod[], expected: string][] = [
  [
    'spreading counts domains of nodes that a pod does not tolerate',
    podOf('p', spread()),
    [zones[0]!, zones[1]!, closed],
    [at('a', 'w'), at('b', 'v')],
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match pod topology spread constraints.",
  ],
  [
    'spreading that honours taints does not',
    podOf('p', spread({ nodeTaintsPolicy: 'Honor' })),
    [zones[0]!, zones[1]!, closed],
    [at('a', 'w'), at('b', 'v')],
    'a|b',
  ],
  ['required affinity finds its company', podOf('p', { affinity: near(term('zone')) }), zones, [at('c', 'w')], 'c'],
  [
    'required affinity without company',
    podOf('p', { affinity: near(term('zone')) }),
    zones,
    [],
    "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
  ],
  [
    'the first of a group may start anywhere that has the key',
    podOf('p', { ...web, affinity: near(term('zone')) }),
    [nodeOf('a'), zoned('b', 'x')],
    [],
    'b',
  ],
  [
    'other namespaces do not count',
    podOf('p', { affinity: near(term('zone')) }),
    zones,
    [at('c', 'w', { ...web, namespace: 'other' })],
    "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
  ],
  [
    'unless named',
    podOf('p', { affinity: near(term('zone', { namespaces: ['other'] })) }),
    zones,
    [at('c', 'w', { ...web, namespace: 'other' })],
    'c',
  ],
  [
    'or selected',
    podOf('p', { affinity: near(term('zone', { namespaceSelector: {} })) }),
    zones,
    [at('c', 'w', { ...web, namespace: 'other' })],
    'c',
  ],
  ['required anti-affinity keeps its distance', podOf('p', { affinity: apart(term('zone')) }), zones, [at('a', 'w')], 'c'],
  [
    'required anti-affinity everywhere',
    podOf('p', { affinity: apart(term('zone')) }),
    zones,
    [at('a', 'w'), at('c', 'v')],
    "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
  ],
  [
    'those there may refuse company',
    podOf('p', web),
    zones,
    [at('a', 'w', { affinity: apart(term('zone')) }), at('c', 'v', { affinity: apart(term('kubernetes.io/hostname')) })],
    "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
  ],
  [
    'preferred affinity outweighs load',
    podOf('p', {
      affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term('zone') }] } },
    }),
    zones,
    [at('c', 'w', { ...web, cpu: '1' })],
    'c',
  ],
  [
    'those there may wish for company',
    podOf('p', web),
    zones,
    [at('c', 'w', { cpu: '1', affinity: near(term('kubernetes.io/hostname')) })],
    'c',
  ],
  ['spread keeps the skew', podOf('p', spread()), zones, [at('a', 'w')], 'c'],
  [
    'spread refuses what would exceed it',
    podOf('p', spread()),
    [...zones.slice(0, 2), nodeOf('c', { labels: { zone: 'y' }, spec: { unschedulable: true } })],
    [at('a', 'w')],
    "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints.",
  ],
  [
    'spread needs the label',
    podOf('p', spread()),
    [nodeOf('a')],
    [],
    "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).",
  ],
  [
    'minDomains takes domains that are missing for empty',
    podOf('p', spread({ minDomains: 3 })),
    zones,
    [at('a', 'w'), at('c', 'v')],
    "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
  ],
  [
    'nodes the pod cannot use do not count',
    podOf('p', { ...spread(), nodeSelector: { zone: 'x' } }),
    zones,
    [at('a', 'w'), at('b', 'v')],
    'a|b',
  ],
  [
    'matchLabelKeys narrow the count',
    podOf('p', { ...spread({ matchLabelKeys: ['v'] }), labels: { app: 'web', v: '2' } }),
    zones,
    [at('c', 'w', { labels: { app: 'web', v: '2' } })],
    'a|b',
  ],
  ['terminating pods do not count', podOf('p', spread()), zones, [terminating(at('a', 'w')), at('c', 'v')], 'a|b'],
  [
    'a wish to spread beats load',
    podOf('p', spread({ whenUnsatisfiable: 'ScheduleAnyway' })),
    zones,
    [at('a', 'w'), at('b', 'v'), at('c', 'u', { cpu: '1' })],
    'c',
  ],
]

function terminating(pod: Pod): Pod {
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
}

for (const [title, pod, nodes, pods, expected] of cases) {
  test(`placePod: ${title}`, () => {
    const found = outcome(pod, clusterOf(nodes, pods))
    if (/^[a-z]\|/.test(expected)) assert.ok(expected.split('|').includes(found), found)
    else assert.equal(found, expected)
  })
}

test('placePod spreads pods of one workload over nodes without being asked', () => {
  const cluster = clusterOf([nodeOf('a', { cpu: '64' }), nodeOf('b', { cpu: '4' })], [at('a', 'w'), at('a', 'v')])
  assert.equal(outcome(podOf('p', { ...web, cpu: '2' }), cluster), 'a')
  cluster.siblingsOf = () => ({ requirements: [{ key: 'app', operator: '=', values: ['web'] }] })
  assert.equal(outcome(podOf('p', { ...web, cpu: '2' }), cluster), 'b')
})

test('Cluster.matchCounts follows every change', () => {
  const cluster = clusterOf(zones, [at('a', 'w')])
  const app = { requirements: [{ key: 'app', operator: '=', values: ['web'] }] } as const
  const counts = () => Object.fromEntries([...cluster.matchCounts('default', app)].map(([{ name }, count]) => [name, count]))
  assert.deepEqual(counts(), { a: 1 })
  const more = podInfoOf(podOf('v', web))
  cluster.assume(more, 'c')
  assert.deepEqual(counts(), { a: 1, c: 1 })
  cluster.forget(more.uid)
  cluster.renewPod('uid-default-w', terminating(at('a', 'w')))
  assert.deepEqual(counts(), {})
})

test('spreading asks for the domains of all its constraints at once', (t) => {
  const keys = Array.from({ length: 50 }, (_, i) => `zone${i}`)
  const nodes = ['a', 'b'].map((name) => nodeOf(name, { labels: Object.fromEntries(keys.map((key) => [key, name])) }))
  const cluster = clusterOf(nodes, [at('a', 'w')])
  const domains = t.mock.method(cluster, 'domains')
  const constraints = keys.flatMap((topologyKey) => spread({ topologyKey }).topologySpreadConstraints ?? [])
  assert.equal(outcome(podOf('p', { ...web, topologySpreadConstraints: constraints }), cluster), 'b')
  assert.ok(domains.mock.callCount() <= 2, `${domains.mock.callCount()} times`)
})
