import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { controllerReference } from '#controllers/owners.ts'
import { namesOf, startTestCluster, type TestCluster } from '#controllers/testing.ts'

const namespace = 'default'
const key = { namespace, name: 'nightly' }
const only = ['cronjob-controller']
const minute = (time: string) => Date.parse(time) / 60_000

const podSpec = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] }
const cronJob = (spec: object = {}): CronJob => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { ...key },
  spec: { schedule: '*/10 * * * *', jobTemplate: { spec: { template: { spec: podSpec } } }, ...spec },
})
const jobsOf = async ({ client }: TestCluster) => namesOf((await client.list(Job, { namespace })).items)
const change = ({ client }: TestCluster, spec: object) => client.patch(CronJob, key, { type: 'merge', patch: { spec } })

test('cronJobController tells of a job it did not start and is not held up by it', async (t) => {
  const cluster = await startTestCluster(t, { only })
  const owner = await cluster.client.create(CronJob, cronJob({ concurrencyPolicy: 'Forbid' }))
  await cluster.client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name: 'by-hand', ownerReferences: [controllerReference(CronJob, owner)] },
    spec: { template: { spec: podSpec } },
  })
  await cluster.advance(601_000)
  assert.deepEqual(await jobsOf(cluster), ['by-hand', `nightly-${minute('2026-01-01T00:10Z')}`])
  const { status } = await cluster.client.get(CronJob, key)
  assert.deepEqual(
    status?.active?.map(({ name }) => name),
    [`nightly-${minute('2026-01-01T00:10Z')}`],
  )
  const text = 'UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand'
  assert.ok((await cluster.events('nightly')).includes(text))
})

test('cronJobController starts what is late within the deadline and nothing that is later', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ suspend: true, startingDeadlineSeconds: 100 }))
  await cluster.advance(12 * 60_000)
  await change(cluster, { suspend: false })
  await cluster.advance(1000)
  assert.deepEqual(await jobsOf(cluster), [])
  await change(cluster, { startingDeadlineSeconds: 200 })
  await cluster.advance(1000)
  assert.deepEqual(await jobsOf(cluster), [`nightly-${minute('2026-01-01T00:10Z')}`])
})

test('cronJobController writes the scheduled time by the clock of its zone', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ schedule: '30 5 * * *', timeZone: 'Asia/Kolkata' }))
  await cluster.advance(1000)
  await cluster.advance(24 * 3_600_000)
  const name = `nightly-${minute('2026-01-02T00:00Z')}`
  const { metadata } = await cluster.client.get(Job, { namespace, name })
  assert.equal(metadata?.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'], '2026-01-02T05:30:00+05:30')
})

test('cronJobController says that a schedule never comes', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ schedule: '0 0 31 2 *' }))
  const text = 'InvalidSchedule: invalid schedule schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second'
  await cluster.eventually(async () => (await cluster.events('nightly')).includes(text))
})

test('cronJobController counts @every from the last time served, whatever else calls it', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ schedule: '@every 1h' }))
  for (let round = 0; round < 4; round++) {
    await cluster.advance(50 * 60_000)
    await cluster.client.patch(CronJob, key, { type: 'merge', patch: { metadata: { annotations: { round: String(round) } } } })
  }
  const expected = ['01:00', '02:00', '03:00'].map((time) => `nightly-${minute(`2026-01-01T${time}Z`)}`)
  assert.deepEqual(await jobsOf(cluster), expected)
})

test('cronJobController starts the latest of many missed times and says that they were many', async (t) => {
  const cluster = await startTestCluster(t, { only })
  await cluster.client.create(CronJob, cronJob({ schedule: '* * * * *', suspend: true }))
  await cluster.advance(3 * 3_600_000)
  await change(cluster, { suspend: false })
  await cluster.advance(1000)
  assert.deepEqual(await jobsOf(cluster), [`nightly-${minute('2026-01-01T03:00Z')}`])
  const text = 'TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
  assert.ok((await cluster.events('nightly')).includes(text))
})
