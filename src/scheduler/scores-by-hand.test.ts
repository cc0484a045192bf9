// Scores worked out by hand from upstream's formulas, the arithmetic beside each: neither the plugins nor the reference had a part in the numbers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import { podInfoOf } from './pod-info.ts'
import { defaultProfile } from './profile.ts'
import type { Scene } from './reference.ts'
import { clusterOver, nodeOf, podOf } from './testing.ts'

const MEBIBYTE = 2 ** 20
const on = (node: string, pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec!, nodeName: node } })
const matchLabels = { app: 'web' }
const term = (topologyKey: string) => ({ topologyKey, labelSelector: { matchLabels } })
const web = (node: string, i = 0, more = {}) => on(node, podOf(`web-${node}-${i}`, { labels: matchLabels, ...more }))
const zones = (...names: string[]) => names.map((zone, i) => nodeOf(`n${i}`, { labels: { zone } }))
const image = (name: string, mebibytes: number) => ({ images: [{ names: [name], sizeBytes: mebibytes * MEBIBYTE }] })
const taints = (count: number) => ({
  spec: { taints: Array.from({ length: count }, (_, i) => ({ key: `k${i}`, effect: 'PreferNoSchedule' })) },
})
const preferring = (...wishes: [weight: number, zone: string][]) => ({
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: wishes.map(([weight, zone]) => ({
        weight,
        preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] },
      })),
    },
  },
})
const resource = (kind: string, name: string, spec: object) =>
  ({ apiVersion: 'resource.k8s.io/v1', kind, metadata: { name, namespace: 'default', uid: name }, spec }) as KubeObject

const cases: [plugin: string, what: string, pod: Pod, scene: Scene, expected: number[]][] = [
  [
    'NodeResourcesFit',
    'weighs what is left of cpu and memory alike',
    podOf('p', { cpu: '1', memory: '1Gi' }),
    {
      nodes: [nodeOf('a', { cpu: '4', memory: '8Gi' }), nodeOf('b', { cpu: '2', memory: '8Gi' })],
      pods: [on('b', podOf('x', { cpu: '500m', memory: '3Gi' }))],
    },
    // a: cpu (4000-1000)*100/4000 = 75, memory 7/8 = 87.5 -> 87; (75+87)/2 = 81.
    // b: cpu (2000-1500)*100/2000 = 25, memory 4/8 = 50; 75/2 = 37.5 -> 37.
    [81, 37],
  ],
  [
    'NodeResourcesFit',
    'takes pods that ask for nothing to need 100m and 200Mi',
    podOf('p'),
    { nodes: [nodeOf('a', { cpu: '1', memory: '1000Mi' })], pods: [on('a', podOf('x'))] },
    // cpu (1000-200)*100/1000 = 80, memory (1000-400)*100/1000 = 60; 140/2 = 70.
    [70],
  ],
  [
    'NodeResourcesBalancedAllocation',
    'compares the balance with the pod and without it',
    podOf('p', { cpu: '1', memory: '1Gi' }),
    {
      nodes: [nodeOf('a', { cpu: '4', memory: '8Gi' }), nodeOf('b', { cpu: '4', memory: '8Gi' })],
      pods: [on('b', podOf('x', { cpu: '1', memory: '5Gi' }))],
    },
    // a: with 1/4 and 1/8: (1 - 0.125/2)*100 = 93.75 -> 93; without 100. 50 + (50+93-100)/2 = 50 + 21.5 -> 71.
    // b: with 2/4 and 6/8: (1 - 0.25/2)*100 = 87.5 -> 87; without 1/4 and 5/8: (1 - 0.375/2)*100 = 81.25 -> 81. 50 + (50+87-81)/2 = 78.
    [71, 78],
  ],
  [
    'TaintToleration',
    'shuns discouraging taints by their number',
    podOf('p'),
    { nodes: [nodeOf('a'), nodeOf('b', taints(1)), nodeOf('c', taints(3))], pods: [] },
    // 100 - 100*count/3: 100, 100 - 33, 0.
    [100, 67, 0],
  ],
  [
    'NodeAffinity',
    'adds up wishes and scales by the best',
    podOf('p', preferring([30, 'x'], [45, 'y'], [15, 'x'])),
    { nodes: zones('x', 'y', 'z'), pods: [] },
    // 45, 45, 0 of at most 45.
    [100, 100, 0],
  ],
  [
    'NodeAffinity',
    'rounds down',
    podOf('p', preferring([7, 'x'], [60, 'y'])),
    { nodes: zones('x', 'y', 'z'), pods: [] },
    // 7*100/60 = 11.67 -> 11.
    [11, 100, 0],
  ],
  [
    'ImageLocality',
    'counts sizes by how far an image has spread',
    podOf('p', { containers: [{ name: 'c', image: 'app:1' }] }),
    {
      nodes: [nodeOf('a', image('app:1', 1000)), nodeOf('b', image('app:1', 500)), nodeOf('c'), nodeOf('d', image('other:1', 900))],
      pods: [],
    },
    // Two of four nodes have it: 1000*0.5 = 500 and 250 MiB, between 23 and 1000: 100*(500-23)/977 = 48.8 -> 48, 100*(250-23)/977 = 23.2 -> 23.
    [48, 23, 0, 0],
  ],
  [
    'ImageLocality',
    'allows each container its part, and knows images without a tag',
    podOf('p', {
      containers: [
        { name: 'c', image: 'app' },
        { name: 'd', image: 'other:1' },
      ],
    }),
    { nodes: [nodeOf('a', image('app:latest', 1500)), nodeOf('b', image('app:latest', 10))], pods: [] },
    // On all nodes; of two containers the most is 2000: 100*(1500-23)/1977 = 74.7 -> 74; 10 is below 23.
    [74, 0],
  ],
  [
    'InterPodAffinity',
    'counts wishes for and against company in the domain',
    podOf('p', {
      affinity: {
        podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: term('zone') }] },
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 4, podAffinityTerm: term('kubernetes.io/hostname') }],
        },
      },
    }),
    { nodes: zones('x', 'x', 'y'), pods: [web('n0'), web('n0', 1), web('n2')] },
    // n0: 2*10 - 2*4 = 12; n1: 20; n2: 10 - 4 = 6. From 6 to 20: 100*6/14 = 42.9 -> 42, 100, 0.
    [42, 100, 0],
  ],
  [
    'InterPodAffinity',
    'counts rules and wishes of others, a rule for 1',
    podOf('p', { labels: matchLabels }),
    {
      nodes: zones('x', 'y', 'z'),
      pods: [
        on('n0', podOf('a', { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('zone')] } } })),
        on(
          'n1',
          podOf('b', {
            affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 3, podAffinityTerm: term('zone') }] } },
          }),
        ),
        on(
          'n2',
          podOf('c', {
            affinity: {
              podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 2, podAffinityTerm: term('zone') }] },
            },
          }),
        ),
      ],
    },
    // 1, 3, -2: from -2 to 3, 100*3/5 = 60, 100, 0.
    [60, 100, 0],
  ],
  [
    'PodTopologySpread',
    'weighs pods by the number of domains, fewer being better',
    podOf('p', {
      labels: matchLabels,
      topologySpreadConstraints: [{ topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels } }],
    }),
    { nodes: zones('x', 'x', 'y', 'z'), pods: [web('n0'), web('n1'), web('n2')] },
    // Three zones: ln(3+2) = 1.609. x: 2*1.609 = 3.2 -> 3, y: 1.6 -> 2, z: 0; 100*(3+0-s)/3: 0, 0, 33, 100.
    [0, 0, 33, 100],
  ],
  [
    'PodTopologySpread',
    'adds constraints, by nodes those on each node alone',
    podOf('p', {
      labels: matchLabels,
      topologySpreadConstraints: ['zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
        topologyKey,
        maxSkew: 3,
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels },
      })),
    }),
    { nodes: zones('x', 'x', 'y'), pods: [web('n0'), web('n0', 1), web('n2')] },
    // Zones: ln(2+2) = 1.386, nodes: ln(3+2) = 1.609; each constraint adds maxSkew - 1 = 2.
    // n0: 2*1.386 + 2 + 2*1.609 + 2 = 9.99 -> 10; n1: 2.77 + 2 + 0 + 2 = 6.77 -> 7; n2: 1.386 + 2 + 1.609 + 2 = 6.995 -> 7.
    // 100*(10+7-s)/10: 70, 100, 100.
    [70, 100, 100],
  ],
  [
    'DynamicResources',
    'prefers earlier alternatives: 8 for the first, 7 for the second, of the best',
    podOf('p', { resourceClaims: [{ name: 'd', resourceClaimName: 'c' }] }),
    {
      nodes: [nodeOf('a'), nodeOf('b')],
      pods: [],
      objects: [
        resource('DeviceClass', 'gpu', {}),
        resource('ResourceClaim', 'c', {
          devices: {
            requests: [
              {
                name: 'r',
                firstAvailable: [
                  { name: 'two', deviceClassName: 'gpu', count: 2 },
                  { name: 'one', deviceClassName: 'gpu', count: 1 },
                ],
              },
            ],
          },
        }),
        ...[2, 1].map((count, i) => {
          const nodeName = 'ab'[i]!
          const devices = Array.from({ length: count }, (_, j) => ({ name: `g${j}` }))
          return resource('ResourceSlice', nodeName, {
            driver: 'd.example.com',
            nodeName,
            pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
            devices,
          })
        }),
      ],
    },
    // 100*8/8 = 100, 100*7/8 = 87.5 -> 87.
    [100, 87],
  ],
]
for (const [name, what, pod, scene, expected] of cases) {
  test(`${name} ${what}`, async () => {
    const cluster = await clusterOver(scene)
    const { plugin } = defaultProfile().plugins.find((one) => one.plugin.name === name)!
    const score = plugin.score!(podInfoOf(pod), cluster, cluster.nodes)!
    const scores = cluster.nodes.map((node) => score.of(node))
    score.normalize?.(scores)
    assert.deepEqual(scores, expected)
  })
}
