import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { type TestCluster } from '#controllers/testing.ts'
import { formatTime } from '#lib/clock.ts'
import { INDEX, end, finished, key, namespace, podsOf, running, startJob, statusOf } from './testing.ts'

const TRACKING = 'batch.kubernetes.io/job-tracking'

const indexesOf = async (cluster: TestCluster) =>
  (await running(cluster)).map(({ metadata }) => Number(metadata?.annotations?.[INDEX])).sort((a, b) => a - b)
const change = ({ client }: TestCluster, spec: object) => client.patch(Job, key, { type: 'merge', patch: { spec } })
const some = (cluster: TestCluster, count: number) =>
  cluster.eventually(async () => {
    const pods = await running(cluster)
    return pods.length === count && pods
  })

test('jobController takes pods away for less parallelism, and they did not fail', async (t) => {
  const cluster = await startJob(t, { completions: 5, parallelism: 3, backoffLimit: 0 })
  await some(cluster, 3)
  await change(cluster, { parallelism: 1 })
  await some(cluster, 1)
  await cluster.advance(5000)
  const status = await statusOf(cluster)
  assert.deepEqual([status?.active, status?.failed, status?.conditions], [1, undefined, undefined])
})

test('jobController lets an indexed job shrink and grow: pods of indexes it has no more go and count for nothing', async (t) => {
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: 4, parallelism: 4, backoffLimit: 0 })
  const pods = await some(cluster, 4)
  await end(cluster, pods.find(({ metadata }) => metadata?.annotations?.[INDEX] === '3')!, 0)
  await cluster.eventually(async () => (await statusOf(cluster))?.completedIndexes === '3')
  await change(cluster, { completions: 2, parallelism: 2 })
  await cluster.eventually(async () => (await indexesOf(cluster)).join() === '0,1')
  await cluster.eventually(async () => (await statusOf(cluster))?.succeeded === undefined)
  assert.equal((await statusOf(cluster))?.failed, undefined)
  await change(cluster, { completions: 3, parallelism: 3 })
  await cluster.eventually(async () => (await indexesOf(cluster)).join() === '0,1,2')
  for (const pod of await some(cluster, 3)) await end(cluster, pod, 0)
  assert.equal((await finished(cluster, 'Complete')).completedIndexes, '0-2')
})

test('jobController keeps one pod of each index', async (t) => {
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: 2, parallelism: 2 })
  const [first] = await some(cluster, 2)
  const { metadata, spec } = first!
  const { name: _, uid: __, resourceVersion: ___, creationTimestamp: ____, ...kept } = metadata!
  await cluster.client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { ...kept, name: 'twin' }, spec: spec! })
  await cluster.eventually(async () => (await cluster.events('work')).some((text) => text.startsWith('SuccessfulDelete')))
  assert.deepEqual(await indexesOf(cluster), [0, 1])
})

test('jobController holds on to the last failed pod of an index until there is another, which knows of both kinds of failures', async (t) => {
  const podFailurePolicy = { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }] }
  const spec = { completionMode: 'Indexed', completions: 1, parallelism: 1, backoffLimitPerIndex: 2, podFailurePolicy }
  const cluster = await startJob(t, spec)
  const [first] = await some(cluster, 1)
  await end(cluster, first!, 3)
  await cluster.advance(5000)
  assert.ok((await cluster.client.get(Pod, keyOf(first!))).metadata?.finalizers?.includes(TRACKING))
  await cluster.advance(6000)
  const [second] = await some(cluster, 1)
  const counts = ({ metadata }: Pod) =>
    ['failure', 'ignored-failure'].map((kind) => metadata?.annotations?.[`batch.kubernetes.io/job-index-${kind}-count`])
  assert.deepEqual(counts(second!), ['0', '1'])
  await cluster.eventually(async () => !(await cluster.client.get(Pod, keyOf(first!))).metadata?.finalizers?.length)
  await end(cluster, second!, 1)
  await cluster.advance(15_000)
  // Ignored failures make it wait like others.
  assert.deepEqual([await running(cluster), (await statusOf(cluster))?.failed], [[], undefined])
  await cluster.advance(6000)
  assert.deepEqual(counts((await some(cluster, 1))[0]!), ['1', '1'])
  await cluster.eventually(async () => (await statusOf(cluster))?.failed === 1)
})

test('jobController counts a pod it adopts', async (t) => {
  const cluster = await startJob(t, { suspend: true, completions: 1 })
  const labels = (await cluster.eventually(async () => (await cluster.client.get(Job, key)).spec?.template.metadata?.labels))!
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'stray', labels },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }] },
  }
  await change(cluster, { suspend: false })
  await some(cluster, 1)
  const stray = await cluster.client.create(Pod, pod)
  await cluster.eventually(async () => (await cluster.client.get(Pod, keyOf(stray)).catch(() => undefined))?.metadata?.ownerReferences)
  const kept = await cluster.client.get(Pod, keyOf(stray)).catch(() => undefined)
  assert.ok(kept?.metadata?.finalizers?.includes(TRACKING) || kept?.metadata?.deletionTimestamp)
})

test('jobController leaves the pods of a job alone that someone else manages, even when it is over', async (t) => {
  const cluster = await startJob(t, { managedBy: 'example.com/far-away', completions: 1 })
  const job = await cluster.client.get(Job, key)
  const metadata = {
    namespace,
    name: 'theirs',
    labels: job.spec!.template.metadata!.labels!,
    finalizers: [TRACKING],
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'work', uid: job.metadata!.uid!, controller: true }],
  }
  await cluster.client.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'c', image: 'c:1' }] } })
  const time = formatTime(cluster.clock.now())
  const is = (type: string) => ({ type, status: 'True', lastProbeTime: time, lastTransitionTime: time })
  const status = { conditions: [is('SuccessCriteriaMet'), is('Complete')], startTime: time, completionTime: time, succeeded: 1 }
  await cluster.client.patch(Job, key, { type: 'merge', patch: { status } }, { subresource: 'status' })
  await cluster.advance(5000)
  assert.deepEqual((await cluster.client.get(Pod, { namespace, name: 'theirs' })).metadata?.finalizers, [TRACKING])
})

test('jobController lets a job go whose pods will never fail by themselves', async (t) => {
  const podFailurePolicy = { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }] }
  const cluster = await startJob(t, { podFailurePolicy })
  await some(cluster, 1)
  await cluster.client.delete(Job, key, { propagationPolicy: 'Foreground' })
  await cluster.eventually(() =>
    cluster.client.get(Job, key).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
  assert.deepEqual(await podsOf(cluster), [])
})

test('jobController keeps the index in names that would be too long', async (t) => {
  const name = 'w'.repeat(61)
  const cluster = await startJob(t, { completionMode: 'Indexed', completions: 1 }, { name })
  const [pod] = await some(cluster, 1)
  assert.match(pod!.metadata!.name!, /^w{55}-0-[a-z0-9]{5}$/)
  assert.equal(pod!.spec!.hostname, `${name}-0`)
})
