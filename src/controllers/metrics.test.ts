import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Job } from '#api/kinds/batch/job.ts'
import { Service } from '#api/kinds/core/service.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { conditionOf } from '#api/conditions.ts'
import { formatMetrics } from '#lib/metric-family.ts'
import { createControllerMetrics, queueNames } from './metrics.ts'
import { startTestCluster } from './testing.ts'

const namespace = 'default'

test("controllers count under upstream's names", async (t) => {
  const metrics = createControllerMetrics()
  const only = ['job-controller', 'ttl-after-finished-controller', 'endpointslice-controller', 'root-ca-certificate-publisher-controller']
  const cluster = await startTestCluster(t, { only, controllers: { metrics } })
  const { client, eventually } = cluster
  const key = { namespace, name: 'work' }
  const rules = [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }]
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }] } }
  await client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...key },
    spec: { template, podFailurePolicy: { rules }, ttlSecondsAfterFinished: 100_000 },
  })
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  for (const exitCode of [3, 0]) {
    const pod = await eventually(async () => {
      const { items } = await client.list(Pod, { namespace })
      return items.find(({ status }) => status?.phase === 'Pending')
    })
    const containerStatuses = [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode } } }]
    const status = { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses }
    await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
    await cluster.advance(11_000)
  }
  await eventually(async () => conditionOf((await client.get(Job, key)).status?.conditions, 'Complete')?.status === 'True')
  const lines = formatMetrics(metrics.families()).split('\n')
  for (const line of [
    'job_controller_jobs_finished_total{completion_mode="NonIndexed",result="succeeded",reason=""} 1',
    'job_controller_job_pods_finished_total{completion_mode="NonIndexed",result="succeeded"} 1',
    'job_controller_pod_failures_handled_by_failure_policy_total{action="Ignore"} 1',
    'endpoint_slice_controller_num_endpoint_slices 1',
    'endpoint_slice_controller_changes{operation="create"} 1',
    'workqueue_depth{name="job"} 0',
    'workqueue_unfinished_work_seconds{name="endpoint_slice"} 0',
    'running_managed_controllers{manager="kube-controller-manager",name="job-controller"} 1',
  ])
    assert.ok(lines.includes(line), `${line}\n${lines.filter((one) => one.startsWith(line.slice(0, 25))).join('\n')}`)
  const count = (start: string) =>
    Number(
      lines
        .find((line) => line.startsWith(start))
        ?.split(' ')
        .at(-1),
    )
  for (const start of [
    'workqueue_adds_total{name="job"}',
    'workqueue_work_duration_seconds_count{name="job"}',
    'workqueue_queue_duration_seconds_count{name="ttl_jobs_to_delete"}',
    'root_ca_cert_publisher_sync_total{code="200"}',
    'job_controller_job_syncs_total{completion_mode="NonIndexed",result="success",action="pods_created"}',
  ])
    assert.ok(count(start) > 0, start)
  assert.ok(Object.values(queueNames).every((name) => /^[A-Za-z_]+$/.test(name)))
})
