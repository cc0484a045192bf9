import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodAffinityTerm } from '#api/generated/types.ts'
import type { PodShape } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const anyone = { labelSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }
const term = (own: Partial<PodAffinityTerm>): PodAffinityTerm => ({ topologyKey: 'kubernetes.io/hostname', ...anyone, ...own })
const near = (own: Partial<PodAffinityTerm>) => ({ podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(own)] } })
const apart = (own: Partial<PodAffinityTerm>) => ({ podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(own)] } })
const rathered = (own: Partial<PodAffinityTerm>) => ({
  podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term(own) }] },
})

/** A pod of tenant red is on node a, one of tenant blue on node b; the pod is red. */
const cases: [title: string, PodShape, expected: string, requirement: object][] = [
  [
    'matchLabelKeys of required affinity',
    { affinity: near({ matchLabelKeys: ['tenant', 'absent'] }) },
    'a',
    { key: 'tenant', operator: 'In', values: ['red'] },
  ],
  [
    'mismatchLabelKeys of required affinity',
    { affinity: near({ mismatchLabelKeys: ['tenant'] }) },
    'b',
    { key: 'tenant', operator: 'NotIn', values: ['red'] },
  ],
  [
    'matchLabelKeys of required anti-affinity',
    { affinity: apart({ matchLabelKeys: ['tenant'] }) },
    'b',
    { key: 'tenant', operator: 'In', values: ['red'] },
  ],
  [
    'mismatchLabelKeys of required anti-affinity',
    { affinity: apart({ mismatchLabelKeys: ['tenant'] }) },
    'a',
    { key: 'tenant', operator: 'NotIn', values: ['red'] },
  ],
  [
    'mismatchLabelKeys of preferred affinity',
    { affinity: rathered({ mismatchLabelKeys: ['tenant'] }) },
    'b',
    { key: 'tenant', operator: 'NotIn', values: ['red'] },
  ],
  [
    'matchLabelKeys of spreading',
    {
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'DoNotSchedule', ...anyone, matchLabelKeys: ['tenant'] },
      ],
    },
    'b',
    { key: 'tenant', operator: 'In', values: ['red'] },
  ],
]
for (const [title, shape, expected, requirement] of cases) {
  test(`scheduler heeds ${title}, which the server makes part of the selector`, async (t) => {
    const { createNode, createPod, pod, bound } = await startCluster(t)
    for (const [node, tenant] of [
      ['a', 'red'],
      ['b', 'blue'],
    ] as const) {
      await createNode(node)
      await createPod(tenant, { nodeName: node, labels: { app: 'web', tenant } })
    }
    await createPod('p', { ...shape, labels: { app: 'web', tenant: 'red' } })
    const { affinity, topologySpreadConstraints } = (await pod('p')).spec!
    const all = JSON.stringify([affinity, topologySpreadConstraints])
    assert.ok(all.includes(JSON.stringify({ matchExpressions: [...anyone.labelSelector.matchExpressions, requirement] })), all)
    assert.equal(await bound('p'), expected)
  })
}
