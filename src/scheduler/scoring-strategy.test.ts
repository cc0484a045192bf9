import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podInfoOf } from './pod-info.ts'
import { leastAllocated, mostAllocated, requestedToCapacityRatio, type ScoringStrategy } from './scoring-strategy.ts'
import { clusterOf, nodeOf, podOf } from './testing.ts'

const GPU = 'example.com/gpu'
const asking = (gpu?: string) =>
  podOf('p', { containers: [{ name: 'c', resources: { requests: { cpu: '1500m', memory: '1Gi', ...(gpu ? { [GPU]: gpu } : {}) } } }] })
const both = [
  { name: 'cpu', weight: 3 },
  { name: 'memory', weight: 1 },
]
const rising = [
  { utilization: 0, score: 0 },
  { utilization: 60, score: 6 },
  { utilization: 100, score: 0 },
]
// The node has 4 cpus and 8 Gi; the pod there asks for 500m and 1 Gi: with this one 2000m of 4000m and 2 of 8 Gi.
const cases: [title: string, ScoringStrategy, gpu: string | undefined, expected: number][] = [
  ['leastAllocated: (50 + 75) / 2, rounded down', leastAllocated(), undefined, 62],
  ['leastAllocated by weight: (3 * 50 + 75) / 4, rounded down', leastAllocated(both), undefined, 56],
  ['mostAllocated: (50 + 25) / 2, rounded down', mostAllocated(), undefined, 37],
  ['requestedToCapacityRatio: 50 % is 50, 25 % is 25, their mean 37.5 rounded', requestedToCapacityRatio(rising), undefined, 38],
  ['leastAllocated counts what the pod asks for: gpu 1 of 4 is 75', leastAllocated([{ name: GPU, weight: 1 }]), '1', 75],
  ['leastAllocated leaves out what the pod does not ask for', leastAllocated([...both, { name: GPU, weight: 100 }]), undefined, 56],
  [
    // 100 % of the gpu scores 0 and counts for nothing; 50 % of cpu scores 50.
    'requestedToCapacityRatio leaves out resources that score nothing',
    requestedToCapacityRatio(rising, [
      { name: 'cpu', weight: 1 },
      { name: GPU, weight: 9 },
    ]),
    '4',
    50,
  ],
  [
    'requestedToCapacityRatio beyond the capacity is as at its end',
    requestedToCapacityRatio([{ utilization: 0, score: 10 }], [{ name: GPU, weight: 1 }]),
    '9',
    100,
  ],
]
for (const [title, strategy, gpu, expected] of cases) {
  test(title, () => {
    const there = podOf('x', { cpu: '500m', memory: '1Gi' })
    const cluster = clusterOf(
      [nodeOf('n', { cpu: '4', memory: '8Gi', more: { [GPU]: '4' } })],
      [{ ...there, spec: { ...there.spec!, nodeName: 'n' } }],
    )
    assert.equal(strategy(podInfoOf(asking(gpu)), cluster.nodes[0]!), expected)
  })
}
