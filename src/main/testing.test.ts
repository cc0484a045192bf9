import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { HorizontalPodAutoscalerV2 as HorizontalPodAutoscaler } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { Stage } from '#node/simulated/stages/stage.ts'
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

test('startCluster keeps a Lease of its API server where somebody may look for it', async () => {
  const leases = async (options: ClusterOptions) => {
    await using cluster = await still(options)
    await cluster.advance('11s')
    return (await cluster.client.list(Lease, { namespace: 'kube-system' })).items
  }
  const [lease, ...others] = await leases({ listen: true })
  assert.match(lease?.metadata?.name ?? '', /^apiserver-/)
  assert.equal(lease?.spec?.renewTime, '2026-01-01T00:00:10.000000Z')
  assert.deepEqual([others, await leases({ listen: false })], [[], []])
})

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
  // What is kept parsed and what is read anew differ in the order of their fields.
  const sorted = (_key: string, value: unknown) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return JSON.stringify(lists, sorted)
}

test('startCluster with one seed gives one history', async () => {
  const [first, second, other] = [await history(7), await history(7), await history(8)]
  assert.ok(first === second, 'two runs of one seed differ')
  assert.notEqual(first, other)
})

/** Everything at once, told as it happened: every change of every kind in the order of its version, and what there is in the end. */
async function busyHistory(seed: number): Promise<{ told: string[]; end: string }> {
  await using cluster = await still({ seed, nodes: 4, stages: true })
  const { client } = cluster
  await cluster.idle()
  const told: string[] = []
  const stop = new AbortController()
  const { metadata } = await client.list(Pod)
  const watching = [Pod, Deployment, Job, CoreEvent, Node, HorizontalPodAutoscaler].map(async (kind: Kind<any>) => {
    for await (const { type, object } of client.watch(kind, { resourceVersion: metadata!.resourceVersion!, signal: stop.signal }))
      told.push(`${object.metadata?.resourceVersion} ${type} ${kind.plural} ${object.metadata?.name}`)
  })
  const make = (kind: Kind<any>, name: string, spec: object, annotations: Record<string, string> = {}) =>
    client.create(kind, {
      apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version,
      kind: kind.kind,
      metadata: { name, ...(kind.scope === 'Namespaced' ? { namespace: 'default' } : {}), annotations },
      spec,
    } as KubeObject)
  const template = (app: string, annotations: Record<string, string> = {}, more: object = {}) => ({
    metadata: { labels: { app }, annotations },
    spec: { containers: [{ name: 'main', image: 'app', resources: { requests: { cpu: '100m', memory: '64Mi' } } }], ...more },
  })
  const selector = (app: string) => ({ matchLabels: { app } })
  const crashing = { 'sampan.dev/exit-after': '20s-90s', 'sampan.dev/exit-code': '1', 'sampan.dev/start-delay': '1s-9s' }
  await make(Stage, 'evicting', {
    resource: 'Pod',
    selector: { matchLabels: { app: 'web' } },
    when: "object.status.phase == 'Running'",
    delay: { seconds: 60, jitterSeconds: 600 },
    next: { annotations: { 'sampan.dev/evict': 'by chance' } },
  })
  await make(Stage, 'losing', {
    resource: 'Node',
    when: "!has(object.metadata.annotations) || !('sampan.dev/node-state' in object.metadata.annotations)",
    delay: { seconds: 300, jitterSeconds: 1200 },
    next: { annotations: { 'sampan.dev/node-state': 'lost' } },
  })
  await make(Stage, 'finding', {
    resource: 'Node',
    when: "object.metadata.annotations['sampan.dev/node-state'] == 'lost'",
    delay: { seconds: 60, jitterSeconds: 300 },
    next: { annotations: { 'sampan.dev/node-state': null } },
  })
  await Promise.all([
    make(Deployment, 'web', { replicas: 6, selector: selector('web'), template: template('web') }),
    make(Deployment, 'crashing', { replicas: 3, selector: selector('crashing'), template: template('crashing', crashing) }),
    make(StatefulSet, 'db', { replicas: 3, serviceName: 'db', selector: selector('db'), template: template('db') }),
    make(DaemonSet, 'agent', { selector: selector('agent'), template: template('agent') }),
    make(
      Job,
      'flaky',
      {
        completions: 20,
        parallelism: 5,
        backoffLimit: 50,
        template: template('flaky', { 'sampan.dev/run-seconds': '30' }, { restartPolicy: 'OnFailure' }),
      },
      {},
    ),
    make(
      HorizontalPodAutoscaler,
      'web',
      {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 2,
        maxReplicas: 9,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 40 } } }],
      },
      {},
    ),
  ])
  await client.create(CronJob, cronJob('often', '*/3 * * * *'))
  await cluster.advance('40m')
  await client.patch(
    Deployment,
    { namespace: 'default', name: 'crashing' },
    { type: 'merge', patch: { spec: { template: { metadata: { annotations: { 'sampan.dev/exit-after': null } } } } } },
  )
  await client.delete(Node, { name: 'simulated-2' })
  await cluster.advance('20m')
  const end = await contents(cluster)
  stop.abort()
  await Promise.all(watching)
  return { told, end }
}

test('startCluster with one seed gives one history, change for change, however much goes on', async () => {
  const [first, second, other] = [await busyHistory(3), await busyHistory(3), await busyHistory(4)]
  assert.ok(first.told.length > 1000, `${first.told.length} changes`)
  const differs = first.told.findIndex((line, at) => line !== second.told[at])
  assert.equal(differs, -1, `${first.told[differs]} and ${second.told[differs]}`)
  assert.equal(first.told.length, second.told.length)
  assert.ok(first.end === second.end, 'they end differently')
  assert.notEqual(first.end, other.end)
})

test('startCluster gives back all it took, cluster after cluster', async () => {
  const round = async () => {
    await using cluster = await startCluster({ clock: virtual() })
    await cluster.client.create(Deployment, deployment('web', 1))
    await cluster.idle()
  }
  await round()
  const before = process.getActiveResourcesInfo()
  for (let index = 0; index < 10; index++) await round()
  const more = () => {
    const known = [...before]
    return process.getActiveResourcesInfo().filter((kind) => !known.includes(kind) || known.splice(known.indexOf(kind), 1).length === 0)
  }
  // Resources end some time after: a socket that closes, a timer that was cancelled.
  for (let tries = 0; tries < 5000 && more().length > 0; tries++) await systemClock.sleep(2)
  assert.deepEqual(more(), [])
})

const WRONG: [options: object, complaint: RegExp][] = [
  [{ nodes: -1 }, /nodes: -1: say a number from 0 to 10000/],
  [{ nodes: '3' }, /nodes: 3: say a number/],
  [{ clock: 'virtual' }, /clock: virtual: say virtual\(\)/],
  [{ clock: virtual }, /clock: a function: say virtual\(\)/],
  [{ clock: {} }, /say virtual\(\)/],
  [{ seed: 1.5 }, /seed: 1\.5: say a whole number/],
  [{ node: 1 }, /there is no option node: there are nodes, clock, seed/],
  [{ history: 0 }, /history: 0: say a number of writes/],
]
for (const [options, complaint] of WRONG)
  test(`startCluster refuses ${JSON.stringify(options)}`, () => assert.rejects(startCluster(options as ClusterOptions), complaint))

test('startCluster says so when a cluster that was disposed is asked', async () => {
  const cluster = await still()
  const { client } = cluster
  await cluster[Symbol.asyncDispose]()
  for (const ask of [() => client.list(Pod), () => cluster.advance('1s'), () => cluster.idle()])
    await assert.rejects(ask(), /the cluster was disposed/)
})

test('Cluster.clientFor says what it takes', async () => {
  await using cluster = await still()
  assert.throws(() => cluster.clientFor({ name: 'jane' } as never), /clientFor: say who: { username, groups }/)
})

test('startCluster lets watches end with the cluster', async () => {
  const cluster = await still()
  const { signal } = new AbortController()
  const seen: string[] = []
  const watching = (async () => {
    for await (const { type } of cluster.client.watch(Node, { signal })) seen.push(type)
  })()
  await cluster.advance('1s')
  await cluster[Symbol.asyncDispose]()
  await watching
  assert.ok(seen.length > 0)
})

test('Cluster.advance lets time go on only when all that is due has been done, however many pods it is', async () => {
  await using cluster = await still({ nodes: 10 })
  await cluster.client.create(Deployment, deployment('many', 400))
  await cluster.advance('1s')
  const { status } = await cluster.client.get(Deployment, { namespace: 'default', name: 'many' })
  assert.equal(status?.availableReplicas, 400)
})

test('Cluster.advance refuses what is no duration', async () => {
  await using cluster = await still()
  for (const [duration, shown] of [
    ['soon', '"soon"'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ] as const)
    await assert.rejects(cluster.advance(duration), {
      name: 'TypeError',
      message: `advance: ${shown} is no duration: say 90s, 1h30m, 24h or milliseconds`,
    })
})

test('Cluster.advance fails where the cluster is disposed before its time is over', async () => {
  const cluster = await still()
  const advancing = assert.rejects(cluster.advance('1000h'), /the cluster was disposed/)
  await cluster[Symbol.asyncDispose]()
  await advancing
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
