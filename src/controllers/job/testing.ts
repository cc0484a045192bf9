// For tests: a job named work in a cluster whose pods no node runs; what becomes of them the test says.
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { conditionOf } from '#api/conditions.ts'
import { startTestCluster, type TestCluster } from '#controllers/testing.ts'
import { formatTime } from '#lib/clock.ts'

export const namespace = 'default'
export const key = { namespace, name: 'work' }
export const INDEX = 'batch.kubernetes.io/job-completion-index'

export async function startJob(
  t: Parameters<typeof startTestCluster>[0],
  spec: object,
  { name = key.name, pod = {} }: { name?: string; pod?: object } = {},
): Promise<TestCluster> {
  const cluster = await startTestCluster(t, { only: ['job-controller', 'garbage-collector-controller'] })
  await cluster.client.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }], ...pod } }, ...spec },
  })
  return cluster
}

export const podsOf = async ({ client }: TestCluster) => (await client.list(Pod, { namespace })).items

export const running = async (cluster: TestCluster) =>
  (await podsOf(cluster)).filter(({ status, metadata }) => status?.phase === 'Pending' && !metadata?.deletionTimestamp)

export const statusOf = async ({ client }: TestCluster) => (await client.get(Job, key)).status

/** The status, once the condition is there. */
export const finished = (cluster: TestCluster, type: string) =>
  cluster.eventually(async () => {
    const status = await statusOf(cluster)
    return conditionOf(status?.conditions, type)?.status === 'True' && status
  })

export async function end({ client, clock }: TestCluster, pod: Pod, exitCode: number): Promise<void> {
  const state = { terminated: { exitCode, finishedAt: formatTime(clock.now()) } }
  const containerStatuses = [{ name: 'c', image: 'c:1', imageID: '', ready: false, restartCount: 0, state }]
  const status = { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses }
  await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
}
