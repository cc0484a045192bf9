import assert from 'node:assert/strict'
import test from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { NodeMetrics } from '#api/kinds/metrics/node-metrics.ts'
import { PodMetrics } from '#api/kinds/metrics/pod-metrics.ts'
import { type Cluster, startCluster, virtual } from './testing.ts'

const KEY = { namespace: 'default', name: 'web' }

async function deploy(cluster: Cluster, options: { load: string; replicas?: number }): Promise<void> {
  const container = { name: 'web', image: 'web:1', resources: { requests: { cpu: '200m', memory: '64Mi' } } }
  await cluster.client.create(Deployment, {
    metadata: { ...KEY, annotations: { 'sampan.dev/load-cpu': options.load } },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } },
    },
  })
}

const autoscale = (cluster: Cluster, spec: Partial<HorizontalPodAutoscalerV2['spec']> = {}) =>
  cluster.client.create(HorizontalPodAutoscalerV2, {
    metadata: KEY,
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
      ...spec,
    },
  })

const load = (cluster: Cluster, cpu: string) =>
  cluster.client.patch(Deployment, KEY, { type: 'merge', patch: { metadata: { annotations: { 'sampan.dev/load-cpu': cpu } } } })

const replicas = async (cluster: Cluster) => (await cluster.client.get(Deployment, KEY)).spec!.replicas

test('autoscaling follows the load up and, once it was low for five minutes, down', async () => {
  await using cluster = await startCluster({ nodes: 2, clock: virtual(), seed: 1, listen: false })
  await deploy(cluster, { load: '100m' })
  await cluster.idle()
  await autoscale(cluster)
  await cluster.advance('10m')
  assert.equal(await replicas(cluster), 1)

  await load(cluster, '600m')
  await cluster.advance('10m')
  assert.equal(await replicas(cluster), 6)
  const { status } = await cluster.client.get(HorizontalPodAutoscalerV2, KEY)
  assert.deepEqual(status?.currentMetrics, [
    { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 50, averageValue: '100m' } } },
  ])
  assert.deepEqual(
    status?.conditions?.map(({ type, status: value, reason }) => `${type} ${value} ${reason}`),
    ['AbleToScale True ReadyForNewScale', 'ScalingActive True ValidMetricFound', 'ScalingLimited False DesiredWithinRange'],
  )

  await load(cluster, '180m')
  await cluster.advance('4m')
  assert.equal(await replicas(cluster), 6)
  await cluster.advance('4m')
  assert.equal(await replicas(cluster), 2)
  const { items } = await cluster.client.list(CoreEvent, { namespace: 'default' })
  const said = items
    .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler')
    .map(({ reason, message }) => `${reason}: ${message}`)
  assert.ok(said.includes('SuccessfulRescale: New size: 2; reason: All metrics below target'), said.join('\n'))
  assert.ok(
    said.some((text) =>
      /^SuccessfulRescale: New size: \d; reason: cpu resource utilization \(percentage of request\) above target$/.test(text),
    ),
  )
})

test('metrics of simulated nodes and pods are there, by name and by label', async () => {
  await using cluster = await startCluster({ nodes: 1, clock: virtual(), seed: 1, listen: false })
  await deploy(cluster, { load: '300m', replicas: 3 })
  await cluster.advance('1m')
  const { items } = await cluster.client.list(PodMetrics, { namespace: 'default', labelSelector: 'app=web' })
  assert.equal(items.length, 3)
  assert.deepEqual(items[0]!.containers, [{ name: 'web', usage: { cpu: '100m', memory: '32Mi' } }])
  assert.equal(items[0]!.window, '15s')
  assert.equal((await cluster.client.list(PodMetrics, { namespace: 'default', labelSelector: 'app=other' })).items.length, 0)
  const node = await cluster.client.get(NodeMetrics, { name: 'simulated-0' })
  assert.deepEqual(node.usage, { cpu: '300m', memory: '96Mi' })
  await assert.rejects(cluster.client.get(PodMetrics, { namespace: 'default', name: 'none' }), /pods "none" not found/)
})
