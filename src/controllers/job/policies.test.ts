import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { conditionOf } from '#api/conditions.ts'
import { type TestCluster } from '#controllers/testing.ts'
import { INDEX, end, finished, running, startJob, statusOf } from './testing.ts'

const indexOf = ({ metadata }: Pod) => Number(metadata?.annotations?.[INDEX])
const ofIndex = (cluster: TestCluster, index: number) =>
  cluster.eventually(async () => (await running(cluster)).find((pod) => indexOf(pod) === index))

test('jobController ends a job by its success policy, names the rule and stops the rest', async (t) => {
  const rules = [
    { succeededIndexes: '0', succeededCount: 1 },
    { succeededIndexes: '1-3', succeededCount: 2 },
  ]
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: 4, parallelism: 4, successPolicy: { rules } })
  await end(cluster, await ofIndex(cluster, 2), 0)
  await cluster.advance(5000)
  assert.equal(conditionOf((await statusOf(cluster))?.conditions, 'SuccessCriteriaMet'), undefined)
  await end(cluster, await ofIndex(cluster, 3), 0)
  const status = await finished(cluster, 'Complete')
  const met = conditionOf(status.conditions, 'SuccessCriteriaMet')
  assert.deepEqual([met?.reason, met?.message], ['SuccessPolicy', 'Matched rules at index 1'])
  assert.deepEqual([status.completedIndexes, status.succeeded, status.failed ?? 0], ['2,3', 2, 0])
})

test('jobController gives each index its own limit and its own pause, and fails the job for its indexes at the end', async (t) => {
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 1 })
  await end(cluster, await ofIndex(cluster, 0), 1)
  await cluster.advance(8000)
  assert.deepEqual((await running(cluster)).map(indexOf), [1])
  // Index 1 fails later and has its own ten seconds; index 0 does not wait for it.
  await end(cluster, await ofIndex(cluster, 1), 1)
  await cluster.advance(3000)
  assert.deepEqual((await running(cluster)).map(indexOf), [0])
  await cluster.advance(9000)
  assert.deepEqual((await running(cluster)).map(indexOf).sort(), [0, 1])
  await end(cluster, await ofIndex(cluster, 0), 1)
  await end(cluster, await ofIndex(cluster, 1), 0)
  const status = await finished(cluster, 'Failed')
  assert.equal(conditionOf(status.conditions, 'Failed')?.reason, 'FailedIndexes')
  assert.deepEqual([status.failedIndexes, status.completedIndexes, status.failed], ['0', '1', 3])
})

test('jobController fails a job at once when more indexes failed than may', async (t) => {
  const spec = { completionMode: 'Indexed', completions: 3, parallelism: 3, backoffLimitPerIndex: 0, maxFailedIndexes: 1 }
  const cluster = await startJob(t, spec)
  await end(cluster, await ofIndex(cluster, 0), 1)
  await cluster.advance(5000)
  assert.equal(conditionOf((await statusOf(cluster))?.conditions, 'FailureTarget'), undefined)
  await end(cluster, await ofIndex(cluster, 1), 1)
  const status = await finished(cluster, 'Failed')
  assert.equal(conditionOf(status.conditions, 'Failed')?.reason, 'MaxFailedIndexesExceeded')
  // The index that was stopped for it may count as failed as well.
  assert.match(status.failedIndexes ?? '', /^0(,1|-2)$/)
})

test('jobController by action FailIndex gives up an index without using its limit', async (t) => {
  const podFailurePolicy = { rules: [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [42] } }] }
  const spec = { completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 5, podFailurePolicy }
  const cluster = await startJob(t, spec)
  await end(cluster, await ofIndex(cluster, 1), 42)
  await cluster.eventually(async () => (await statusOf(cluster))?.failedIndexes === '1')
  await cluster.advance(60_000)
  assert.deepEqual((await running(cluster)).map(indexOf), [0])
})

for (const [policy, before] of [
  ['TerminatingOrFailed', 1],
  ['Failed', 0],
] as const) {
  test(`jobController with podReplacementPolicy ${policy} has ${before} replacement while a pod is on its way out`, async (t) => {
    const cluster = await startJob(t, { podReplacementPolicy: policy, backoffLimit: 3 }, { pod: { nodeName: 'n1' } })
    const [pod] = await cluster.eventually(async () => {
      const pods = await running(cluster)
      return pods.length === 1 && pods
    })
    await cluster.client.delete(Pod, keyOf(pod!), { gracePeriodSeconds: 600 })
    await cluster.advance(60_000)
    assert.equal((await running(cluster)).length, before)
    assert.equal((await statusOf(cluster))?.terminating, 1)
    await end(cluster, pod!, 1)
    await cluster.advance(60_000)
    assert.equal((await running(cluster)).length, 1)
  })
}

test('jobController counts failures anew after a success: the next pause is short again', async (t) => {
  const cluster = await startJob(t, { completions: 3, parallelism: 1, backoffLimit: 10 })
  const next = async (exitCode: number) => {
    const [pod] = await cluster.eventually(async () => {
      const pods = await running(cluster)
      return pods.length === 1 && pods
    })
    await end(cluster, pod!, exitCode)
  }
  await next(1)
  await cluster.advance(12_000)
  await next(1)
  await cluster.advance(15_000)
  // The second failure in a row costs twenty seconds.
  assert.equal((await running(cluster)).length, 0)
  await cluster.advance(10_000)
  await cluster.advance(2000)
  await next(0)
  await cluster.advance(2000)
  await next(1)
  await cluster.advance(8000)
  assert.equal((await running(cluster)).length, 0)
  await cluster.advance(5000)
  assert.equal((await running(cluster)).length, 1)
})

test('jobController matches a success policy that names two billion indexes', async (t) => {
  const most = 2_147_483_647
  const rules = [{ succeededIndexes: `0-${most - 1}`, succeededCount: 2 }]
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: most, parallelism: 2, successPolicy: { rules } })
  for (const index of [0, 1]) await end(cluster, await ofIndex(cluster, index), 0)
  assert.equal((await finished(cluster, 'Complete')).completedIndexes, '0,1')
})
