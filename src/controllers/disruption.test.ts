import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKind } from '#api/custom/custom-kind.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { conditionOf } from '#api/conditions.ts'
import type { KubeObject } from '#api/object.ts'
import { formatTime } from '#lib/clock.ts'
import { startTestCluster, type TestCluster } from './testing.ts'

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

async function addPod({ client, eventually }: TestCluster, name: string, metadata: object = {}): Promise<void> {
  await eventually(() => client.get(ServiceAccount, { namespace, name: 'default' }))
  await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels, ...metadata },
    spec: { containers: [{ name: 'c', image: 'c:1' }] },
  })
}
const addBudget = ({ client }: TestCluster, name: string, spec: object) =>
  client.create(PodDisruptionBudget, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { namespace, name },
    spec: { selector: { matchLabels: labels }, ...spec },
  })

test('disruptionController tells of pods without controller, and of pods of two budgets', async (t) => {
  const cluster = await startTestCluster(t, { only: ['disruption-controller'] })
  await addPod(cluster, 'a')
  await addBudget(cluster, 'web', { maxUnavailable: 1 })
  const start =
    'UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},'
  await cluster.eventually(async () => (await cluster.events('web')).some((text) => text.startsWith(start)))
  assert.ok(!(await cluster.events('a')).some((text) => text.startsWith('Multiple')))
  await addBudget(cluster, 'also', { minAvailable: 1 })
  const text = 'MultiplePodDisruptionBudgets: Pod "default"/"a" matches multiple PodDisruptionBudgets.  Chose "also" arbitrarily.'
  await cluster.eventually(async () => (await cluster.events('a')).includes(text))
})

test('disruptionController allows nothing while a controller of pods cannot be found', async (t) => {
  const cluster = await startTestCluster(t, { only: ['disruption-controller'] })
  const uid = '6d1e0b0c-0000-4000-8000-000000000000'
  await addPod(cluster, 'a', { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'gone', uid, controller: true }] })
  await addBudget(cluster, 'web', { minAvailable: '50%' })
  const condition = await cluster.eventually(async () => {
    const { status } = await cluster.client.get(PodDisruptionBudget, { namespace, name: 'web' })
    return conditionOf(status?.conditions, 'DisruptionAllowed')
  })
  assert.deepEqual([condition.reason, condition.message], ['SyncFailed', 'found no controllers for pod "a"'])
})

test('disruptionController says which budget its condition is about, though the condition stays', async (t) => {
  const cluster = await startTestCluster(t, { only: ['disruption-controller'] })
  const { client, eventually } = cluster
  await addPod(cluster, 'a')
  await addBudget(cluster, 'web', { minAvailable: 1 })
  const observed = async () => {
    const { status } = await client.get(PodDisruptionBudget, { namespace, name: 'web' })
    const condition = conditionOf(status?.conditions, 'DisruptionAllowed')
    return [status?.observedGeneration, condition?.observedGeneration, condition?.reason, condition?.lastTransitionTime]
  }
  await eventually(async () => (await observed())[0] === 1)
  const [, , reason, since] = await observed()
  await cluster.advance(5000)
  await client.patch(PodDisruptionBudget, { namespace, name: 'web' }, { type: 'merge', patch: { spec: { minAvailable: 2 } } })
  await eventually(async () => (await observed())[0] === 2)
  assert.deepEqual(await observed(), [2, 2, reason, since])
})

test('staleDisruptionController takes the mark of a disruption back after two minutes, but not that of a node', async (t) => {
  const cluster = await startTestCluster(t, { only: ['stale-pod-disruption-controller'] })
  for (const [name, reason] of [
    ['a', 'EvictionByEvictionAPI'],
    ['b', 'TerminationByKubelet'],
  ] as const) {
    await addPod(cluster, name)
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason, lastTransitionTime: formatTime(cluster.clock.now()) }]
    const key = { namespace, name }
    await cluster.client.patch(Pod, key, { type: 'strategic', patch: { status: { conditions } } }, { subresource: 'status' })
  }
  const marks = async () =>
    Promise.all(
      ['a', 'b'].map(
        async (name) => conditionOf((await cluster.client.get(Pod, { namespace, name })).status?.conditions, 'DisruptionTarget')?.status,
      ),
    )
  await cluster.advance(119_000)
  assert.deepEqual(await marks(), ['True', 'True'])
  await cluster.advance(2000)
  assert.deepEqual(await marks(), ['False', 'True'])
})

test('disruptionController says whose number of pods cannot be asked for', async (t) => {
  const { client, eventually, events } = await startTestCluster(t, { only: ['disruption-controller', 'job-controller'], runPods: true })
  await client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name: 'sums' },
    spec: { template: { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }] } } },
  })
  await client.create(PodDisruptionBudget, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { namespace, name: 'web' },
    spec: { selector: { matchLabels: labels }, maxUnavailable: 1 },
  })
  const message = 'jobs.batch does not implement the scale subresource'
  await eventually(async () => {
    const { status } = await client.get(PodDisruptionBudget, { namespace, name: 'web' })
    const condition = conditionOf(status?.conditions, 'DisruptionAllowed')
    return condition?.reason === 'SyncFailed' && condition.message === message
  })
  await eventually(async () =>
    (await events('web')).includes(`CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: ${message}`),
  )
})

test('disruptionController asks custom resources for their scale, whatever they are called', async (t) => {
  const cluster = await startTestCluster(t, { only: ['disruption-controller'] })
  const { client, eventually } = cluster
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' }
  const definition = customDefinition('StatefulSet', {
    group: 'apps.example.com',
    schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    version: { subresources: { status: {}, scale } },
  })
  await client.create(CustomResourceDefinition, definition)
  const Custom = customKind(definition, definition.spec.versions[0]!)
  const set = { apiVersion: 'apps.example.com/v1', kind: 'StatefulSet', metadata: { namespace, name: 'web' }, spec: { replicas: 4 } }
  const { metadata } = (await eventually(() => client.create(Custom, set))) as KubeObject
  const owner = { apiVersion: set.apiVersion, kind: set.kind, name: 'web', uid: metadata!.uid!, controller: true }
  await addPod(cluster, 'a', { ownerReferences: [owner] })
  await addBudget(cluster, 'web', { minAvailable: '50%' })
  const status = await eventually(async () => {
    const budget = await client.get(PodDisruptionBudget, { namespace, name: 'web' })
    return budget.status?.conditions && budget.status
  })
  assert.deepEqual([status.conditions?.[0]?.message, status.expectedPods, status.desiredHealthy], ['', 4, 2])
})

test('disruptionController says which kind nobody serves', async (t) => {
  const cluster = await startTestCluster(t, { only: ['disruption-controller'] })
  const uid = '6d1e0b0c-0000-4000-8000-000000000000'
  await addPod(cluster, 'a', { ownerReferences: [{ apiVersion: 'example.com/v1', kind: 'Fleet', name: 'gone', uid, controller: true }] })
  await addBudget(cluster, 'web', { minAvailable: '50%' })
  const message = 'no matches for kind "Fleet" in version "example.com/v1"'
  await cluster.eventually(async () => {
    const { status } = await cluster.client.get(PodDisruptionBudget, { namespace, name: 'web' })
    return status?.conditions?.[0]?.message === message
  })
})
