import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { startCluster } from './testing.ts'

/** Name -> type, labels, first and last bound with their number: as upstream's v1.36 has them. */
const UPSTREAM: Record<string, [type: string, labels: string, bounds?: string]> = {
  scheduler_schedule_attempts_total: ['counter', 'result profile'],
  scheduler_scheduling_attempt_duration_seconds: ['histogram', 'result profile', '0.001..16.384 (15)'],
  scheduler_scheduling_algorithm_duration_seconds: ['histogram', '', '0.001..16.384 (15)'],
  scheduler_pod_scheduling_sli_duration_seconds: ['histogram', 'attempts', '0.01..5242.88 (20)'],
  scheduler_pod_scheduling_attempts: ['histogram', '', '1..16 (5)'],
  scheduler_queue_incoming_pods_total: ['counter', 'queue event'],
  scheduler_framework_extension_point_duration_seconds: ['histogram', 'extension_point status profile', '0.0001..0.2048 (12)'],
  scheduler_plugin_execution_duration_seconds: ['histogram', 'plugin extension_point status', '1e-05..0.0221683782005 (20)'],
  scheduler_plugin_evaluation_total: ['counter', 'plugin extension_point profile'],
  scheduler_queueing_hint_execution_duration_seconds: ['histogram', 'plugin event hint', '1e-05..0.0221683782005 (20)'],
  scheduler_event_handling_duration_seconds: ['histogram', 'event', '0.0001..0.2048 (12)'],
  scheduler_inflight_events: ['gauge', 'event'],
  scheduler_goroutines: ['gauge', 'operation'],
  scheduler_preemption_attempts_total: ['counter', ''],
  scheduler_preemption_victims: ['histogram', '', '1..64 (7)'],
  scheduler_preemption_goroutines_duration_seconds: ['histogram', 'result', '0.01..5242.88 (20)'],
  scheduler_preemption_goroutines_execution_total: ['counter', 'result'],
  scheduler_pending_pods: ['gauge', 'queue'],
  scheduler_unschedulable_pods: ['gauge', 'plugin profile'],
  scheduler_cache_size: ['gauge', 'type'],
}

test("createSchedulerMetrics has upstream's metrics, with their types, labels and buckets", () => {
  const metrics = createSchedulerMetrics()
  assert.deepEqual([...metrics.families()].map(({ name }) => name).toSorted(), Object.keys(UPSTREAM).toSorted())
  for (const [name, [type, labels, bounds]] of Object.entries(UPSTREAM)) {
    const values = labels ? labels.split(' ') : []
    if (type === 'histogram') metrics.observe(name as never, values, 0)
    else if (type === 'counter') metrics.add(name as never, values)
    else metrics.measure(name as never, () => [[values, 1]])
    const family = [...metrics.families()].find((one) => one.name === name)!
    assert.equal(family.type, type, name)
    const samples = [...family.samples]
    const { le: _, ...given } = samples[0]!.labels
    assert.deepEqual(given, Object.fromEntries(values.map((label) => [label, label])), name)
    const limits = samples.filter(({ suffix }) => suffix === '_bucket').map(({ labels: { le } }) => le!)
    if (bounds) assert.equal(`${limits[0]}..${limits.at(-2)} (${limits.length - 1})`, bounds, name)
  }
})

test('scheduler counts and times what plugins and points of a cycle do, and why pods come to wait', async (t) => {
  const { client, createNode, createPod, bound, told, metric, clock, eventually, pod } = await startCluster(t)
  await createNode('a', { cpu: '2' })
  await createNode('b', { cpu: '2' })
  await createPod('fits', { cpu: '1' })
  await bound('fits')
  await createPod('large', { cpu: '3' })
  await told('large')
  const profile = 'default-scheduler'
  const value = (name: string, labels: Record<string, string>) =>
    metric(name).find(
      (one) => (one.suffix ?? '_count') === '_count' && Object.entries(labels).every(([label, text]) => one.labels[label] === text),
    )?.value ?? 0
  const point = (extension_point: string, status: string) =>
    value('scheduler_framework_extension_point_duration_seconds', { extension_point, status, profile })
  const points = () => ({
    preFilter: point('PreFilter', 'Success'),
    filter: point('Filter', 'Success'),
    postFilter: [point('PostFilter', 'Success'), point('PostFilter', 'Unschedulable')],
    scored: [point('PreScore', 'Success'), point('Score', 'Success')],
    reserve: point('Reserve', 'Success'),
    bind: point('Bind', 'Success'),
  })
  assert.deepEqual(points(), { preFilter: 2, filter: 2, postFilter: [0, 1], scored: [1, 1], reserve: 1, bind: 1 })
  const asked = (plugin: string, extension_point: string) =>
    value('scheduler_plugin_evaluation_total', { plugin, extension_point, profile })
  assert.deepEqual(
    (['PreFilter', 'Filter', 'PreScore', 'Score'] as const).map((one) => asked('NodeResourcesFit', one)),
    [2, 4, 1, 2],
  )
  assert.equal(
    value('scheduler_plugin_execution_duration_seconds', { plugin: 'NodeResourcesFit', extension_point: 'Filter' }),
    2,
    'of the first pod',
  )
  const came = (queue: string, event: string) => value('scheduler_queue_incoming_pods_total', { queue, event })
  assert.deepEqual([came('active', 'UnscheduledPodAdd'), came('unschedulable', 'ScheduleAttemptFailure')], [2, 1])

  await createNode('c', { cpu: '1' })
  const resized = 'NodeUpdateNodeAllocatable'
  assert.equal(came('backoff', resized) + came('active', resized), 0, 'it is too small to help')
  await createPod('tiny', { priority: -2 })
  await bound('tiny')
  await client.delete(Pod, { namespace: 'default', name: 'tiny' }, { gracePeriodSeconds: 0 })
  await eventually(async () => came('backoff', 'AssignedPodDelete') + came('active', 'AssignedPodDelete') > 0)
  await clock.advance(1000)
  await createPod('low', { cpu: '2', priority: -1 })
  await bound('low')
  await createPod('high', { cpu: '2', priority: 9 })
  await eventually(async () => (await pod('high')).status?.nominatedNodeName)
  assert.equal(point('PostFilter', 'Success'), 1)
  await client.delete(Pod, { namespace: 'default', name: 'low' }, { gracePeriodSeconds: 0 })
  await bound('high')
  assert.equal(value('scheduler_preemption_goroutines_execution_total', { result: 'success' }), 1)
  assert.equal(value('scheduler_preemption_goroutines_duration_seconds', { result: 'success' }), 1)
  assert.ok(came('active', 'AssignedPodDelete') + came('backoff', 'AssignedPodDelete') >= 1)
  assert.equal(value('scheduler_goroutines', { operation: 'binding' }), 0)
})
