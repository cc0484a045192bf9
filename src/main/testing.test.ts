import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { builtinKinds } from '#api/kinds.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createHttpClient } from '#client/http-client.ts'
import { load } from 'js-yaml'
import { systemClock } from '#lib/clock.ts'
import { type Cluster, type ClusterOptions, startCluster, virtual } from './testing.ts'

const deployment = (name: string, replicas: number): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'app' }] } },
  },
})

const cronJob = (name: string, schedule: string): CronJob => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name, namespace: 'default' },
  spec: {
    schedule,
    timeZone: 'Etc/UTC',
    successfulJobsHistoryLimit: 100,
    jobTemplate: {
      spec: {
        template: {
          metadata: { annotations: { 'sampan.dev/run-seconds': '10' } },
          spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'app' }] },
        },
      },
    },
  },
})

const still = (options: ClusterOptions = {}) => startCluster({ nodes: 3, clock: virtual(), seed: 1, listen: false, ...options })

test('startCluster brings a deployment to rest', async () => {
  await using cluster = await still()
  const { client } = cluster
  await client.create(Deployment, deployment('web', 5))
  await cluster.idle()
  const web = await client.get(Deployment, { namespace: 'default', name: 'web' })
  assert.equal(web.status?.availableReplicas, 5)
  const { items } = await client.list(Pod, { namespace: 'default' })
  assert.equal(new Set(items.map(({ spec }) => spec?.nodeName)).size, 3)
})

test('startCluster runs a day of cron jobs when told to, not before', async () => {
  await using cluster = await still()
  const { client } = cluster
  await client.create(CronJob, cronJob('hourly', '0 * * * *'))
  await cluster.idle()
  assert.equal((await client.list(Job)).items.length, 0)
  await cluster.advance('24h')
  const { items } = await client.list(Job)
  assert.equal(items.length, 24)
  assert.equal(items.filter(({ status }) => status?.succeeded === 1).length, 23, 'the one of this very moment is under way')
  assert.equal(cluster.clock.now() - Date.UTC(2026, 0, 1) >= 86_400_000, true)
})

async function history(seed: number): Promise<string> {
  await using cluster = await still({ seed })
  const { client } = cluster
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } })
  await Promise.all([1, 2, 3].map((n) => client.create(Deployment, deployment(`web-${n}`, 2 * n))))
  await client.create(CronJob, cronJob('often', '*/5 * * * *'))
  await cluster.advance('20m')
  await client.delete(Node, { name: 'simulated-1' })
  await client.delete(Deployment, { namespace: 'default', name: 'web-2' })
  await cluster.advance('20m')
  return contents(cluster)
}

async function contents({ client }: Cluster): Promise<string> {
  const kinds = builtinKinds.filter(({ virtual: made, verbs }) => !made && verbs.includes('list'))
  const lists = await Promise.all(kinds.map(async (kind) => (await client.list(kind)).items))
  return JSON.stringify(lists)
}

test('startCluster with one seed gives one history', async () => {
  const [first, second, other] = [await history(7), await history(7), await history(8)]
  assert.ok(first === second, 'two runs of one seed differ')
  assert.notEqual(first, other)
})

test('startCluster keeps clusters apart, many in one process', async () => {
  await using all = new AsyncDisposableStack()
  const clusters = await Promise.all(Array.from({ length: 20 }, async () => all.use(await still({ nodes: 1 }))))
  await Promise.all(clusters.map(({ client }, n) => client.create(Deployment, deployment(`web-${n}`, 1))))
  await Promise.all(clusters.map((cluster) => cluster.idle()))
  for (const [n, { client }] of clusters.entries()) {
    const names = (await client.list(Deployment)).items.map(({ metadata, status }) => `${metadata?.name} ${status?.availableReplicas}`)
    assert.deepEqual(names, [`web-${n} 1`])
  }
})

test('startCluster answers programs outside on real time', async () => {
  await using cluster = await startCluster()
  const { clusters, users } = load(cluster.kubeconfig()) as any
  const pem = (text: string) => Buffer.from(text, 'base64').toString()
  await using client = createHttpClient({
    url: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster['certificate-authority-data']),
    cert: pem(users[0].user['client-certificate-data']),
    key: pem(users[0].user['client-key-data']),
    clock: systemClock,
  })
  await client.create(Deployment, deployment('web', 1))
  await cluster.idle()
  assert.equal((await client.get(Deployment, { namespace: 'default', name: 'web' })).status?.availableReplicas, 1)
  await assert.rejects(cluster.advance('1h'), /real time/)
})

test('startCluster acts as anyone, with what they may do', async () => {
  await using cluster = await still({ nodes: 0 })
  const nobody = cluster.clientFor({ username: 'jane', groups: ['system:authenticated'] })
  await assert.rejects(nobody.list(Pod), /User "jane" cannot list resource "pods"/)
  assert.throws(() => cluster.kubeconfig(), /listen: false/)
  await assert.rejects(cluster.advance('soon'), /no duration/)
})
