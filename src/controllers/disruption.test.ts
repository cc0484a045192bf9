import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { conditionOf } from './conditions.ts'
import { startTestCluster } from './testing.ts'

const namespace = 'default'
const labels = { app: 'web' }
const only = ['disruption-controller', 'deployment-controller', 'replicaset-controller']

for (const [spec, healthy, desired, expected, allowed] of [
  [{ minAvailable: 2 }, 4, 2, 4, 2],
  [{ minAvailable: '75%' }, 4, 3, 4, 1],
  [{ maxUnavailable: 1 }, 4, 3, 4, 1],
  [{ maxUnavailable: '30%' }, 4, 2, 4, 2],
  [{ minAvailable: '100%' }, 4, 4, 4, 0],
] as const) {
  test(`disruptionController allows ${allowed} of 4 with ${JSON.stringify(spec)}`, async (t) => {
    const { client, eventually } = await startTestCluster(t, { only, runPods: true })
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'c:1' }] } }
    await client.create(Deployment, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name: 'web' },
      spec: { replicas: 4, selector: { matchLabels: labels }, template },
    })
    await client.create(PodDisruptionBudget, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { namespace, name: 'web' },
      spec: { selector: { matchLabels: labels }, ...spec },
    })
    const { status } = await eventually(async () => {
      const budget = await client.get(PodDisruptionBudget, { namespace, name: 'web' })
      return budget.status?.currentHealthy === healthy && budget.status.expectedPods === expected && budget
    })
    assert.deepEqual([status?.desiredHealthy, status?.disruptionsAllowed], [desired, allowed])
    assert.equal(conditionOf(status?.conditions, 'DisruptionAllowed')?.reason, allowed > 0 ? 'SufficientPods' : 'InsufficientPods')
  })
}

test('disruptionController counts an eviction granted for two minutes, then no more', async (t) => {
  const { client, eventually, advance, clock } = await startTestCluster(t, { only, runPods: true })
  const key = { namespace, name: 'web' }
  for (const name of ['a', 'b']) {
    await eventually(() =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name, labels },
        spec: { containers: [{ name: 'c', image: 'c:1' }] },
      }),
    )
  }
  await client.create(PodDisruptionBudget, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: key,
    spec: { selector: { matchLabels: labels }, minAvailable: 1 },
  })
  const allowed = async () => (await client.get(PodDisruptionBudget, key)).status?.disruptionsAllowed ?? 0
  await eventually(async () => (await allowed()) === 1)
  const disruptedPods = { a: new Date(clock.now()).toISOString().replace('.000', '') }
  await client.patch(PodDisruptionBudget, key, { type: 'merge', patch: { status: { disruptedPods } } }, { subresource: 'status' })
  await eventually(async () => (await allowed()) === 0)
  await advance(121_000)
  await eventually(async () => (await allowed()) === 1)
  assert.equal((await client.get(PodDisruptionBudget, key)).status?.disruptedPods, undefined)
})
