import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import { createNamespace, startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { formatMetrics } from '#lib/metric-family.ts'
import { autoscaleFleet, conditionsOf, createDefinition, createFleet, createReadyPod, Fleet } from './testing-target.ts'

const SYNC_MS = 16_000

async function start(t: TestContext, metrics = createControllerMetrics()): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only: ['horizontal-pod-autoscaler-controller'], controllers: { metrics } })
  await createNamespace(cluster, 'default').catch(() => {})
  await createDefinition(cluster.client)
  await cluster.eventually(() => createFleet(cluster.client, 'first', { replicas: 3 }).then(() => true))
  return cluster
}

const replicasOf = async ({ client }: TestCluster, name = 'first') =>
  ((await client.get(Fleet, { namespace: 'default', name }))['spec'] as { replicas: number }).replicas

test('horizontalPodAutoscalerController keeps a custom resource within its limits', async (t) => {
  const cluster = await start(t)
  await autoscaleFleet(cluster.client, 'first', { maxReplicas: 2 })
  await cluster.advance(SYNC_MS)
  assert.equal(await replicasOf(cluster), 2)
  assert.deepEqual(await conditionsOf(cluster.client, 'first'), [
    'AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 2',
  ])
  assert.deepEqual(await cluster.events('first'), [
    'SuccessfulRescale: New size: 2; reason: Current number of replicas above Spec.MaxReplicas',
  ])
  const { status } = await cluster.client.get(HorizontalPodAutoscalerV2, { namespace: 'default', name: 'first' })
  assert.deepEqual([status?.currentReplicas, status?.desiredReplicas, typeof status?.lastScaleTime], [3, 2, 'string'])
})

test('horizontalPodAutoscalerController leaves what was scaled to none alone', async (t) => {
  const cluster = await start(t)
  await createFleet(cluster.client, 'none', { replicas: 0 })
  await autoscaleFleet(cluster.client, 'none')
  await cluster.advance(SYNC_MS)
  assert.equal(await replicasOf(cluster, 'none'), 0)
  assert.deepEqual(await conditionsOf(cluster.client, 'none'), [
    "AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale",
    'ScalingActive False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
  ])
})

test('horizontalPodAutoscalerController says why it cannot scale', async (t) => {
  const cluster = await start(t)
  const { client } = cluster
  await createReadyPod(client, 'pod-0', 'first')
  await createFleet(client, 'blind', { replicas: 2, selector: '' })
  await autoscaleFleet(client, 'blind')
  await autoscaleFleet(client, 'gone', { fleet: 'gone' })
  await autoscaleFleet(client, 'strange', { scaleTargetRef: { apiVersion: 'example.com/v1', kind: 'Strange', name: 'x' } })
  await autoscaleFleet(client, 'foreign', { scaleTargetRef: { apiVersion: 'v1', kind: 'Strange', name: 'x' } })
  await autoscaleFleet(client, 'unmeasured', { fleet: 'first' })
  await cluster.advance(SYNC_MS)
  const said = async (name: string) => (await conditionsOf(client, name)).at(-1)
  const unable = "AbleToScale False FailedGetScale: the HPA controller was unable to get the target's current scale"
  assert.equal(await said('gone'), `${unable}: fleets.example.com "gone" not found`)
  assert.equal(await said('strange'), `${unable}: no matches for kind "Strange" in group "example.com"`)
  assert.equal(await said('foreign'), `${unable}: no matches for kind "Strange" in group ""`)
  assert.equal(await said('blind'), "ScalingActive False InvalidSelector: the HPA target's scale is missing a selector")
  assert.ok((await cluster.events('blind')).includes('SelectorRequired: selector is required'))
  const why = 'failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API'
  assert.equal(
    await said('unmeasured'),
    `ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${why}`,
  )
  assert.deepEqual((await cluster.events('unmeasured')).toSorted(), [
    `FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${why}`,
    `FailedGetResourceMetric: ${why}`,
  ])
})

test('horizontalPodAutoscalerController counts its passes, and the metrics it works out, by kind and outcome', async (t) => {
  const metrics = createControllerMetrics()
  const cluster = await start(t, metrics)
  await createReadyPod(cluster.client, 'pod-0', 'first')
  await autoscaleFleet(cluster.client, 'unmeasured', { fleet: 'first' })
  await cluster.advance(SYNC_MS)
  const text = formatMetrics([...metrics.families()])
  const labels = 'action="none",error="internal"'
  for (const line of [
    `reconciliations_total{${labels}} 1`,
    `metric_computation_total{${labels},metric_type="Resource"} 1`,
    `metric_computation_duration_seconds_count{${labels},metric_type="Resource"} 1`,
  ])
    assert.ok(text.includes(`\nhorizontal_pod_autoscaler_controller_${line}\n`), line)
})

test('horizontalPodAutoscalerController refuses pods that two autoscalers claim', async (t) => {
  const cluster = await start(t)
  const { client } = cluster
  await createReadyPod(client, 'pod-0', 'first')
  await autoscaleFleet(client, 'first')
  await autoscaleFleet(client, 'second', { fleet: 'first' })
  await cluster.advance(2 * SYNC_MS)
  const message = 'pods by selector app=first are controlled by multiple HPAs: [{first default} {second default}]'
  for (const name of ['first', 'second'])
    assert.equal((await conditionsOf(client, name)).at(-1), `ScalingActive False AmbiguousSelector: ${message}`)
  await client.delete(HorizontalPodAutoscalerV2, { namespace: 'default', name: 'second' })
  await cluster.advance(SYNC_MS)
  assert.match((await conditionsOf(client, 'first')).at(-1)!, /FailedGetResourceMetric/)
})

test('horizontalPodAutoscalerController writes nothing while nothing changes', async (t) => {
  const cluster = await start(t)
  await createReadyPod(cluster.client, 'pod-0', 'first')
  await autoscaleFleet(cluster.client, 'first')
  await cluster.advance(SYNC_MS)
  const version = async () =>
    (await cluster.client.get(HorizontalPodAutoscalerV2, { namespace: 'default', name: 'first' })).metadata!.resourceVersion
  const before = await version()
  await cluster.advance(10 * SYNC_MS)
  assert.equal(await version(), before)
})
