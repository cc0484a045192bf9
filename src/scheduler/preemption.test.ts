import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { seededRandom } from '#lib/random.ts'
import { NominatedPods } from './nominations.ts'
import { podInfoOf } from './pod-info.ts'
import { preempt } from './preemption.ts'
import { clusterOf, nodeOf, place, podOf, type PodShape } from './testing.ts'

const one = { cpu: '1' }
const on = (node: string, name: string, priority: number, shape: PodShape = one): Pod => {
  const pod = podOf(name, { ...shape, priority })
  return { ...pod, spec: { ...pod.spec!, nodeName: node } }
}
const started = (pod: Pod, startTime: string): Pod => ({ ...pod, status: { startTime } })
const promised = (node: string) => podOf('p', { ...one, priority: 100, status: { nominatedNodeName: node } })
const leaving = ({ metadata, ...pod }: Pod, reason = 'PreemptionByScheduler'): Pod => ({
  ...pod,
  metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
  status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason }] },
})
const budget = (labels: Record<string, string>, disruptionsAllowed: number) =>
  ({
    metadata: { namespace: 'default' },
    spec: { selector: { matchLabels: labels } },
    status: { disruptionsAllowed },
  }) as unknown as PodDisruptionBudget

/** `node: victims`, or the message. */
function outcome(pod: Pod, nodes: Node[], pods: Pod[], budgets: PodDisruptionBudget[] = []): string {
  const cluster = clusterOf(nodes, pods)
  const before = JSON.stringify([...cluster.nodes].map(({ requested, pods: there }) => [requested, [...there.keys()]]))
  const placement = place(pod, cluster)
  assert.ok('diagnosis' in placement, 'the pod fits without preemption')
  const { diagnosis, filters } = placement
  const options = { cluster, filters, diagnosis, nominations: new NominatedPods(), random: seededRandom(1), budgets: () => budgets }
  const found = preempt(podInfoOf(pod), options)
  assert.equal(
    JSON.stringify([...cluster.nodes].map(({ requested, pods: there }) => [requested, [...there.keys()]])),
    before,
    'nothing was moved',
  )
  return typeof found === 'string' ? found : `${found.node.name}: ${found.victims.map(({ pod: { metadata } }) => metadata!.name).join(' ')}`
}

const [a, b] = [nodeOf('a', one), nodeOf('b', one)]
const important = podOf('p', { ...one, priority: 100 })
const cases: [title: string, Pod, Node[], Pod[], expected: string, PodDisruptionBudget[]?][] = [
  ['takes the place of a pod of lower priority', important, [a], [on('a', 'x', 1)], 'a: x'],
  ['leaves equals alone', important, [a], [on('a', 'x', 100)], '0/1 nodes are available: 1 No preemption victims found for incoming pod.'],
  [
    'does not help where leaving would not help',
    important,
    [nodeOf('a', { ...one, spec: { unschedulable: true } }), b],
    [on('b', 'x', 100)],
    '0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
  ],
  [
    'respects a policy of never',
    podOf('p', { ...one, priority: 100, preemptionPolicy: 'Never' }),
    [a],
    [on('a', 'x', 1)],
    'not eligible due to preemptionPolicy=Never.',
  ],
  [
    'gives back every pod that may stay, the most important first',
    podOf('p', { cpu: '2', priority: 100 }),
    [nodeOf('a', { cpu: '4' })],
    [on('a', 'w', 1), on('a', 'x', 5), on('a', 'y', 3), on('a', 'z', 2)],
    'a: z w',
  ],
  ['prefers the lowest top priority', important, [a, b], [on('a', 'x', 2), on('b', 'y', 1)], 'b: y'],
  [
    'breaks no budget if it can',
    important,
    [a, b],
    [on('a', 'x', 2), on('b', 'y', 1, { ...one, labels: { app: 'y' } })],
    'a: x',
    [budget({ app: 'y' }, 0)],
  ],
  [
    'breaks a budget rather than not run',
    important,
    [a],
    [on('a', 'x', 1, { ...one, labels: { app: 'y' } })],
    'a: x',
    [budget({ app: 'y' }, 0)],
  ],
  [
    'prefers fewer victims at equal top priority',
    podOf('p', { cpu: '2', priority: 100 }),
    [nodeOf('a', { cpu: '2' }), nodeOf('b', { cpu: '2' })],
    [on('a', 'x', 1), on('a', 'y', 1), on('b', 'z', 1, { cpu: '2' })],
    'b: z',
  ],
  [
    'spares who has run longest',
    important,
    [a, b],
    [started(on('a', 'x', 1), '2026-01-01T00:00:00Z'), started(on('b', 'y', 1), '2026-01-02T00:00:00Z')],
    'b: y',
  ],
  ['takes a budget that selects everything for none', important, [a, b], [on('a', 'x', 2), on('b', 'y', 1)], 'b: y', [budget({}, 0)]],
  [
    'asks whoever was disrupted already nothing of its budget',
    important,
    [a, b],
    [on('a', 'x', 2), on('b', 'y', 1, { ...one, labels: { app: 'y' } })],
    'b: y',
    [{ ...budget({ app: 'y' }, 0), status: { disruptionsAllowed: 0, disruptedPods: { y: '2026-01-01T00:00:00Z' } } } as never],
  ],
  [
    'prefers the smallest sum of priorities at equal top priority',
    podOf('p', { cpu: '2', priority: 100 }),
    [nodeOf('a', { cpu: '2' }), nodeOf('b', { cpu: '2' })],
    [on('a', 'w', 5), on('a', 'x', 4), on('b', 'y', 5), on('b', 'z', -4)],
    'b: y z',
  ],
  [
    'prefers fewer victims at equal sums',
    podOf('p', { cpu: '2', priority: 100 }),
    [nodeOf('a', { cpu: '2' }), nodeOf('b', { cpu: '2' })],
    [on('a', 'w', 5), on('a', 'x', -2147483648), on('b', 'y', 5, { cpu: '2' })],
    'b: y',
  ],
  [
    'waits while victims leave the node it was promised',
    promised('a'),
    [a, b],
    [leaving(on('a', 'x', 1)), on('b', 'y', 1)],
    'not eligible due to a terminating pod on the nominated node.',
  ],
  [
    'waits for none who leaves for another reason',
    promised('a'),
    [a, b],
    [leaving(on('a', 'x', 1), 'DeletionByPodGC'), on('b', 'y', 0)],
    'b: y',
  ],
  [
    'waits for none where leaving would not help any more',
    promised('a'),
    [nodeOf('a', { ...one, spec: { unschedulable: true } }), b],
    [leaving(on('a', 'x', 1)), on('b', 'y', 1)],
    'b: y',
  ],
  [
    'makes room by removing pods that refuse company',
    podOf('p', { priority: 100, labels: { app: 'web' } }),
    [nodeOf('a')],
    [
      on('a', 'x', 1, {
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } },
            ],
          },
        },
      }),
    ],
    'a: x',
  ],
]
for (const [title, pod, nodes, pods, expected, budgets] of cases) {
  test(`preempt ${title}`, () => assert.equal(outcome(pod, nodes, pods, budgets), expected))
}

test('preempt looks for a node whose budgets hold beyond as many as it must look at', () => {
  const nodes = Array.from({ length: 40 }, (_, i) => nodeOf(`n${i}`, one))
  const guarded = { ...one, labels: { app: 'guarded' } }
  const pods = nodes.map((_, i) => on(`n${i}`, `x${i}`, i === 7 ? 5 : 1, i === 7 ? one : guarded))
  const cluster = clusterOf(nodes, pods)
  const placement = place(important, cluster)
  assert.ok('diagnosis' in placement)
  for (let seed = 1; seed <= 10; seed++) {
    const found = preempt(podInfoOf(important), {
      cluster,
      ...placement,
      nominations: new NominatedPods(),
      random: seededRandom(seed),
      budgets: () => [budget({ app: 'guarded' }, 0)],
      limits: { minCandidateNodesAbsolute: 1, minCandidateNodesPercentage: 1 },
    })
    assert.equal(typeof found !== 'string' && found.node.name, 'n7', `seed ${seed}`)
  }
})
