import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { conditionOf } from '#api/conditions.ts'
import { namesOf, startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { formatTime } from '#lib/clock.ts'

const namespace = 'default'
const key = { namespace, name: 'work' }
const only = ['job-controller', 'cronjob-controller', 'ttl-after-finished-controller', 'garbage-collector-controller']
const podSpec = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }] }

const job = (spec: object = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { ...key },
  spec: { template: { spec: podSpec }, ...spec },
})
const podsOf = async ({ client }: TestCluster) =>
  (await client.list(Pod, { namespace })).items.sort((a, b) => (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
const active = async (cluster: TestCluster) =>
  (await podsOf(cluster)).filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')

async function finish(
  { client, clock }: TestCluster,
  pod: Pod,
  phase: 'Succeeded' | 'Failed',
  exitCode = phase === 'Failed' ? 1 : 0,
): Promise<void> {
  const state = { terminated: { exitCode, finishedAt: formatTime(clock.now()) } }
  const status = { phase, containerStatuses: [{ name: 'c', image: 'c:1', imageID: '', ready: false, restartCount: 0, state }] }
  await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
}

const finished = (cluster: TestCluster, type: string) =>
  cluster.eventually(async () => {
    const current = await cluster.client.get(Job, key)
    return conditionOf(current.status?.conditions, type)?.status === 'True' && current
  })

test('jobController runs a job to its completions, no more than parallelism at once', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job({ completions: 3, parallelism: 2 }))
  for (let done = 0; done < 3; done++) {
    const running = await cluster.eventually(async () => {
      const pods = await active(cluster)
      return pods.length === Math.min(2, 3 - done) && pods
    })
    await finish(cluster, running[0]!, 'Succeeded')
  }
  const { status } = await finished(cluster, 'Complete')
  assert.deepEqual([status?.succeeded, status?.failed ?? 0, status?.active ?? 0, status?.uncountedTerminatedPods], [3, 0, 0, {}])
  assert.equal(conditionOf(status?.conditions, 'SuccessCriteriaMet')?.reason, 'CompletionsReached')
  assert.ok(status?.startTime && status.completionTime)
  assert.ok((await podsOf(cluster)).every(({ metadata }) => !metadata?.finalizers?.length))
  await cluster.eventually(async () => (await cluster.events('work')).includes('Completed: Job completed'))
})

test('jobController tries again within a minute, however long it could not make pods', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const { client } = cluster
  const none = { name: 'none', namespace }
  await client.create(ResourceQuota, { metadata: none, spec: { hard: { pods: '0' } } })
  await client.create(Job, job())
  await cluster.advance(30 * 60_000)
  assert.match(
    (await cluster.events('work')).join('\n'),
    /FailedCreate: Error creating: pods "work-\w+" is forbidden: exceeded quota: none/,
  )
  await client.delete(ResourceQuota, none)
  await cluster.advance(61_000)
  assert.equal((await podsOf(cluster)).length, 1)
})

test('jobController completes a job whose time of day was set back behind its start', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job())
  const [pod] = await cluster.eventually(async () => {
    const pods = await active(cluster)
    return pods.length === 1 && pods
  })
  cluster.clock.set(cluster.clock.now() - 3_600_000)
  await finish(cluster, pod!, 'Succeeded')
  const { status } = await finished(cluster, 'Complete')
  assert.equal(status?.completionTime, status?.startTime)
  assert.deepEqual(cluster.warnings, [])
})

test('jobController starts again after failures, later each time, until the limit', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job({ backoffLimit: 2 }))
  for (const waitMs of [0, 10_000, 20_000]) {
    await cluster.advance(Math.max(0, waitMs - 1000))
    if (waitMs > 0) assert.equal((await active(cluster)).length, 0, `too soon, before ${waitMs} ms`)
    await cluster.advance(waitMs > 0 ? 2000 : 0)
    const [pod] = await cluster.eventually(async () => {
      const pods = await active(cluster)
      return pods.length === 1 && pods
    })
    await finish(cluster, pod!, 'Failed')
    await cluster.advance(100)
  }
  const { status } = await finished(cluster, 'Failed')
  assert.equal(status?.failed, 3)
  assert.equal(conditionOf(status?.conditions, 'Failed')?.reason, 'BackoffLimitExceeded')
  await cluster.eventually(async () =>
    (await cluster.events('work')).includes('BackoffLimitExceeded: Job has reached the specified backoff limit'),
  )
})

test('jobController gives each index its pod, its name and its variable', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job({ completionMode: 'Indexed', completions: 3, parallelism: 3 }))
  const pods = await cluster.eventually(async () => {
    const all = await active(cluster)
    return all.length === 3 && all
  })
  assert.deepEqual(
    pods.map(({ metadata, spec }) => [metadata!.annotations!['batch.kubernetes.io/job-completion-index'], spec!.hostname]),
    [
      ['0', 'work-0'],
      ['1', 'work-1'],
      ['2', 'work-2'],
    ],
  )
  assert.equal(pods[0]!.spec!.containers[0]!.env![0]!.name, 'JOB_COMPLETION_INDEX')
  await finish(cluster, pods[2]!, 'Succeeded')
  await finish(cluster, pods[0]!, 'Succeeded')
  await cluster.eventually(async () => (await cluster.client.get(Job, key)).status?.completedIndexes === '0,2')
  await finish(cluster, pods[1]!, 'Succeeded')
  assert.equal((await finished(cluster, 'Complete')).status?.completedIndexes, '0-2')
})

test('jobController ends a job at its deadline and deletes its pods', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Job, job({ activeDeadlineSeconds: 30 }))
  await cluster.eventually(async () => (await cluster.client.get(Job, key)).status?.ready === 1)
  await cluster.advance(31_000)
  const { status } = await finished(cluster, 'Failed')
  assert.equal(conditionOf(status?.conditions, 'Failed')?.reason, 'DeadlineExceeded')
  await cluster.eventually(async () => (await podsOf(cluster)).length === 0)
})

test('jobController suspends and resumes', async (t) => {
  const cluster = await startTestCluster(t, { only, runPods: true })
  await cluster.client.create(Job, job({ suspend: true, activeDeadlineSeconds: 30 }))
  const suspended = await finished(cluster, 'Suspended')
  assert.equal(suspended.status?.startTime, undefined)
  assert.equal((await podsOf(cluster)).length, 0)
  await cluster.client.patch(Job, key, { type: 'merge', patch: { spec: { suspend: false } } })
  await cluster.eventually(async () => (await cluster.client.get(Job, key)).status?.ready === 1)
  await cluster.client.patch(Job, key, { type: 'merge', patch: { spec: { suspend: true } } })
  await cluster.eventually(async () => (await podsOf(cluster)).length === 0)
  await cluster.eventually(async () => (await cluster.events('work')).filter((text) => /^(Suspended|Resumed)/.test(text)).length === 2)
  const { startTime, failed } = (await cluster.client.get(Job, key)).status!
  assert.deepEqual([startTime, failed], [undefined, undefined], 'as if it had never started, and its pods did not fail')
  await cluster.advance(60_000)
  await cluster.client.patch(Job, key, { type: 'merge', patch: { spec: { suspend: false } } })
  await cluster.eventually(async () => (await cluster.client.get(Job, key)).status?.ready === 1)
  const resumed = (await cluster.client.get(Job, key)).status!
  assert.ok(Date.parse(resumed.startTime!) >= Date.UTC(2026, 0, 1, 0, 1))
})

test('jobController gives a job that ends without ever having run a time of its start', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job({ suspend: true, completions: 0 }))
  const { status } = await finished(cluster, 'Complete')
  assert.ok(status?.startTime)
})

test('jobController obeys the failure policy: some exit codes fail the job, others do not count', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const rules = [
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } },
    { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [42] } },
  ]
  await cluster.client.create(Job, job({ backoffLimit: 0, podFailurePolicy: { rules } }))
  const next = async () => (await cluster.eventually(async () => (await active(cluster)).length === 1 && (await active(cluster))))[0]!
  await finish(cluster, await next(), 'Failed', 3)
  await cluster.advance(11_000)
  const pod = await next()
  await finish(cluster, pod, 'Failed', 42)
  const { status } = await finished(cluster, 'Failed')
  const failed = conditionOf(status?.conditions, 'Failed')
  assert.equal(failed?.reason, 'PodFailurePolicy')
  assert.equal(
    failed?.message,
    `Container c for pod default/${pod.metadata?.name} failed with exit code 42 matching FailJob rule at index 1`,
  )
  assert.equal(status?.failed, 1)
})

test('jobController frees the pods of a deleted job, and ttlAfterFinishedController deletes finished ones', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(Job, job({ ttlSecondsAfterFinished: 60 }))
  const [pod] = await cluster.eventually(async () => (await active(cluster)).length === 1 && (await active(cluster)))
  await finish(cluster, pod!, 'Succeeded')
  await finished(cluster, 'Complete')
  await cluster.advance(59_000)
  await cluster.client.get(Job, key)
  await cluster.advance(2_000)
  await cluster.eventually(() =>
    cluster.client.get(Job, key).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
  await cluster.client.create(Job, job())
  await cluster.eventually(async () => (await active(cluster)).length === 1)
  await cluster.client.delete(Job, key, { propagationPolicy: 'Background' })
  await cluster.eventually(async () => (await podsOf(cluster)).length === 0)
})

test('jobOrphanController lets go the pods of a job that was deleted without them', async (t) => {
  const cluster = await startTestCluster(t, { only: [...only, 'job-orphan-controller'] })
  const { client, eventually } = cluster
  await client.create(Job, job({ completions: 2, parallelism: 2 }))
  await eventually(async () => (await podsOf(cluster)).length === 2)
  await client.delete(Job, key, { propagationPolicy: 'Orphan' })
  await eventually(async () => (await podsOf(cluster)).every(({ metadata }) => !metadata?.finalizers && !metadata?.ownerReferences))
})

const cronJob = (spec: object = {}): CronJob => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { namespace, name: 'nightly' },
  spec: { schedule: '*/10 * * * *', jobTemplate: { spec: { template: { spec: podSpec } } }, ...spec },
})
const jobsOf = async ({ client }: TestCluster) => namesOf((await client.list(Job, { namespace })).items)

test('cronJobController starts a job at each time, named by its minute, and sleeps between', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob())
  await cluster.advance(9 * 60_000)
  assert.deepEqual(await jobsOf(cluster), [])
  await cluster.advance(61_000)
  const minute = Date.UTC(2026, 0, 1, 0, 10) / 60_000
  assert.deepEqual(await jobsOf(cluster), [`nightly-${minute}`])
  await cluster.advance(600_000)
  assert.deepEqual(await jobsOf(cluster), [`nightly-${minute}`, `nightly-${minute + 10}`])
  const { status } = await cluster.client.get(CronJob, { namespace, name: 'nightly' })
  assert.equal(status?.lastScheduleTime, '2026-01-01T00:20:00Z')
  assert.equal(status?.active?.length, 2)
  const created = await cluster.client.get(Job, { namespace, name: `nightly-${minute}` })
  assert.equal(created.metadata?.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'], '2026-01-01T00:10:00Z')
})

test('cronJobController forbids, replaces, and keeps as much history as it is told', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ concurrencyPolicy: 'Forbid', successfulJobsHistoryLimit: 1 }))
  await cluster.advance(21 * 60_000)
  assert.equal((await jobsOf(cluster)).length, 1)
  await cluster.eventually(async () =>
    (await cluster.events('nightly')).some((text) => text.startsWith('JobAlreadyActive: Not starting job')),
  )
  for (let round = 0; round < 3; round++) {
    for (const pod of await active(cluster)) await finish(cluster, pod, 'Succeeded')
    await cluster.advance(10 * 60_000)
  }
  await cluster.eventually(async () => (await jobsOf(cluster)).length <= 2)
  await cluster.eventually(async () =>
    (await cluster.events('nightly')).some((text) => /^SawCompletedJob: Saw completed job: nightly-\d+, condition: Complete$/.test(text)),
  )
  await cluster.client.patch(CronJob, { namespace, name: 'nightly' }, { type: 'merge', patch: { spec: { concurrencyPolicy: 'Replace' } } })
  const before = await active(cluster)
  await cluster.advance(10 * 60_000)
  const after = await active(cluster)
  assert.equal(after.length, 1)
  assert.notEqual(after[0]!.metadata!.uid, before[0]?.metadata!.uid)
})
