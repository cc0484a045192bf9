import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Node } from '#api/kinds/core/node.ts'
import { feasibleNodesWanted } from './place.ts'
import { clusterOf, nodeOf, outcome, podOf } from './testing.ts'

const on = (node: string, pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec!, nodeName: node } })
const cordoned = { spec: { unschedulable: true } }
const tainted = (key: string, effect: string, value = '') => ({ spec: { taints: [{ key, value, effect }] } })
const affinity = (values: string[], key = 'zone', operator = 'In') => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }] },
    },
  },
})
const hostPort = (port: number, hostIP?: string) => ({
  containers: [{ name: 'c', ports: [{ containerPort: port, hostPort: port, ...(hostIP ? { hostIP } : {}) }] }],
})

/** Has one processor and asks for three. */
const growing = (conditions: NonNullable<Pod['status']>['conditions'] = []): Pod => {
  const container = { name: 'c', image: 'i', imageID: '', ready: true, restartCount: 0, allocatedResources: { cpu: '1' } }
  return podOf('x', { cpu: '3', status: { conditions, containerStatuses: [{ ...container, resources: { requests: { cpu: '1' } } }] } })
}
/** As a whole: asks for one processor, has two and was given three. */
const shrinking: Pod = podOf('x', {
  resources: { requests: { cpu: '1' } },
  status: { resources: { requests: { cpu: '2' } }, allocatedResources: { cpu: '3' } },
})
const pending = (reason: string) => [{ type: 'PodResizePending', status: 'True', reason }]

const cases: [title: string, Pod, Node[], Pod[], expected: string][] = [
  [
    'keeps room for a pod that is being resized',
    podOf('p', { cpu: '2' }),
    [nodeOf('a')],
    [on('a', growing(pending('Deferred')))],
    '0/1 nodes are available: 1 Insufficient cpu.',
  ],
  ['keeps none for a resize that cannot be', podOf('p', { cpu: '2' }), [nodeOf('a')], [on('a', growing(pending('Infeasible')))], 'a'],
  [
    'keeps room for what a pod as a whole has until that is less',
    podOf('p', { cpu: '2' }),
    [nodeOf('a')],
    [on('a', shrinking)],
    '0/1 nodes are available: 1 Insufficient cpu.',
  ],
  ['says so when there are no nodes', podOf('p'), [], [], 'no nodes available to schedule pods'],
  ['takes the only node', podOf('p'), [nodeOf('a')], [], 'a'],
  ['prefers the emptier node', podOf('p', { cpu: '1' }), [nodeOf('a'), nodeOf('b')], [on('a', podOf('x', { cpu: '2' }))], 'b'],
  [
    'counts reasons in the words of upstream',
    podOf('p', { cpu: '3' }),
    [nodeOf('a', { cpu: '2' }), nodeOf('b', cordoned), nodeOf('c', cordoned)],
    [],
    '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.',
  ],
  [
    'names every resource that lacks',
    podOf('p', { cpu: '9', memory: '99Gi' }),
    [nodeOf('a')],
    [],
    '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.',
  ],
  ['counts pods', podOf('p'), [nodeOf('a', { pods: '1' })], [on('a', podOf('x'))], '0/1 nodes are available: 1 Too many pods.'],
  [
    'knows extended resources',
    podOf('p', { containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '2' } } }] }),
    [nodeOf('a', { more: { 'example.com/gpu': '1' } }), nodeOf('b', { more: { 'example.com/gpu': '2' } })],
    [],
    'b',
  ],
  [
    'refuses untolerated taints',
    podOf('p'),
    [nodeOf('a', tainted('k', 'NoSchedule'))],
    [],
    '0/1 nodes are available: 1 node(s) had untolerated taint(s).',
  ],
  [
    'tolerates what it tolerates',
    podOf('p', { tolerations: [{ key: 'k', operator: 'Exists' }] }),
    [nodeOf('a', tainted('k', 'NoExecute'))],
    [],
    'a',
  ],
  ['tolerates everything', podOf('p', { tolerations: [{ operator: 'Exists' }] }), [nodeOf('a', tainted('k', 'NoSchedule', 'v'))], [], 'a'],
  [
    'compares values of tolerations',
    podOf('p', { tolerations: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
    [nodeOf('a', tainted('k', 'NoSchedule', 'w')), nodeOf('b', tainted('k', 'NoSchedule', 'v'))],
    [],
    'b',
  ],
  [
    'shuns discouraging taints',
    podOf('p'),
    [nodeOf('a', tainted('k', 'PreferNoSchedule')), nodeOf('b')],
    [on('b', podOf('x', { cpu: '1' }))],
    'b',
  ],
  [
    'lets daemons onto cordoned nodes',
    podOf('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
    [nodeOf('a', cordoned)],
    [],
    'a',
  ],
  ['follows nodeSelector', podOf('p', { nodeSelector: { zone: 'y' } }), [nodeOf('a'), nodeOf('b', { labels: { zone: 'y' } })], [], 'b'],
  [
    'follows required affinity',
    podOf('p', affinity(['y'])),
    [nodeOf('a', { labels: { zone: 'x' } })],
    [],
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
  ],
  [
    'knows Gt',
    podOf('p', affinity(['5'], 'n', 'Gt')),
    [nodeOf('a', { labels: { n: '5' } }), nodeOf('b', { labels: { n: '16' } })],
    [],
    'b',
  ],
  ['knows DoesNotExist', podOf('p', affinity([], 'n', 'DoesNotExist')), [nodeOf('a', { labels: { n: '5' } }), nodeOf('b')], [], 'b'],
  [
    'goes straight to the node that affinity names',
    podOf('p', {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
          },
        },
      },
    }),
    [nodeOf('a'), nodeOf('b'), nodeOf('c')],
    [],
    'b',
  ],
  [
    'follows preferred affinity against load',
    podOf('p', {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['y'] }] } },
          ],
        },
      },
    }),
    [nodeOf('a'), nodeOf('b', { labels: { zone: 'y' } })],
    [on('b', podOf('x', { cpu: '1' }))],
    'b',
  ],
  [
    'refuses taken host ports',
    podOf('p', hostPort(80)),
    [nodeOf('a')],
    [on('a', podOf('x', hostPort(80, '10.0.0.1')))],
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  ],
  [
    'tells addresses of host ports apart',
    podOf('p', hostPort(80, '10.0.0.2')),
    [nodeOf('a')],
    [on('a', podOf('x', hostPort(80, '10.0.0.1')))],
    'a',
  ],
  [
    'prefers nodes with the image',
    podOf('p', { containers: [{ name: 'c', image: 'big' }] }),
    [nodeOf('a'), nodeOf('b', { images: [{ names: ['big:latest'], sizeBytes: 900 * 1024 * 1024 }] })],
    [],
    'b',
  ],
  ['adds overhead', podOf('p', { cpu: '3', overhead: { cpu: '2' } }), [nodeOf('a')], [], '0/1 nodes are available: 1 Insufficient cpu.'],
  [
    'takes init containers for their highest step beside sidecars',
    podOf('p', {
      initContainers: [
        { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '2' } } },
        { name: 'i', resources: { requests: { cpu: '3' } } },
      ],
    }),
    [nodeOf('a', { cpu: '4' }), nodeOf('b', { cpu: '5' })],
    [],
    'b',
  ],
  ['lets the pod level override', podOf('p', { cpu: '9', resources: { requests: { cpu: '1' } } }), [nodeOf('a')], [], 'a'],
]
for (const [title, pod, nodes, pods, expected] of cases) {
  test(`placePod ${title}`, () => assert.equal(outcome(pod, clusterOf(nodes, pods)), expected))
}

test('placePod balances cpu against memory', () => {
  const nodes = [nodeOf('a', { cpu: '10', memory: '10Gi' }), nodeOf('b', { cpu: '10', memory: '10Gi' })]
  // Both are half full by the same measure; on b the pod evens things out.
  const pods = [on('a', podOf('x', { cpu: '6', memory: '2Gi' })), on('b', podOf('y', { cpu: '2', memory: '6Gi' }))]
  assert.equal(outcome(podOf('p', { cpu: '3', memory: '1Gi' }), clusterOf(nodes, pods)), 'b')
})

test('placePod gives back what a pod took when it leaves', () => {
  const cluster = clusterOf([nodeOf('a', { cpu: '1' })], [on('a', podOf('x', { cpu: '1' }))])
  assert.match(outcome(podOf('p', { cpu: '1' }), cluster), /Insufficient cpu/)
  cluster.removePod('uid-default-x')
  assert.equal(outcome(podOf('p', { cpu: '1' }), cluster), 'a')
})

test('placePod spreads over equals by chance', () => {
  const cluster = clusterOf([nodeOf('a'), nodeOf('b'), nodeOf('c')])
  const seen = new Set(Array.from({ length: 3 }, (_, i) => outcome(podOf(`p${i}`), cluster)))
  assert.equal(seen.size, 1, 'the same seed gives the same choice')
})

test('feasibleNodesWanted samples large clusters', () => {
  for (const [nodes, wanted] of [
    [1, 1],
    [99, 99],
    [100, 100],
    [1000, 420],
    [5000, 500],
    [10_000, 500],
  ] as const) {
    assert.equal(feasibleNodesWanted(nodes), wanted, String(nodes))
  }
})
