// A cluster's everyday life on virtual time: cron jobs at their hours, deployments whose load comes and goes and autoscalers that follow it, and nodes
// that vanish and come back. Told by one seed; what must hold afterwards is checked here, how long it took is not.
import assert from 'node:assert/strict'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createInformers } from '#client/informers.ts'
import { formatTime } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { type Random, seededRandom } from '#lib/random.ts'
import { startAll } from '#lib/service.ts'
import { SIMULATED_NODES } from '#main/actors.ts'
import { type Cluster, startCluster, virtual } from '#main/testing.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'

const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const QUARTER = 15 * MINUTE
const CRON_JOBS = 20
const DEPLOYMENTS = 10
const NODES = 5
const REQUEST = 0.25
const TARGET_PERCENT = 60
const MIN = 2
const MAX = 20
/** Four of five quarters of an hour, one node is lost in it. */
const LOSS = 0.2

export interface Day {
  hours: number
  /** Changes of size, up and down. */
  rescales: number
  /** Most and fewest replicas of all deployments together. */
  most: number
  fewest: number
  nodesLost: number
  /** Runs that cron jobs began. */
  runs: number
}

export async function liveThrough({ hours, seed }: { hours: number; seed: number }): Promise<Day> {
  const random = seededRandom(seed)
  await using cluster = await startCluster({ nodes: 0, clock: virtual({ start: START }), seed, listen: false })
  await using nodes = await startNodes(cluster, random)
  const { client, clock } = cluster
  const deployments = Array.from({ length: DEPLOYMENTS }, (_, index) => ({ namespace: 'default', name: `web-${index}` }))
  for (const { name } of deployments) await client.create(Deployment, deployment(name))
  for (const { name } of deployments) await client.create(HorizontalPodAutoscalerV2, autoscaler(name))
  for (let index = 0; index < CRON_JOBS; index++) await client.create(CronJob, cronJob(index))

  const day: Day = { hours, rescales: 0, most: 0, fewest: Infinity, nodesLost: 0, runs: 0 }
  const sizes = new Map<string, number>()
  const began = new Set<string>()
  const seen = new AbortController()
  const watching = watchRuns(cluster, began, seen.signal)
  const end = clock.now() + hours * 60 * MINUTE
  for (let quarter = 0; clock.now() < end; quarter++) {
    for (const [index, key] of deployments.entries()) {
      const cpu = `${Math.round(loadAt(index, clock.now(), random) * 1000)}m`
      await client.patch(Deployment, key, { type: 'merge', patch: { metadata: { annotations: { 'sampan.dev/load-cpu': cpu } } } })
    }
    if (random.float() < LOSS) {
      day.nodesLost++
      await nodes.lose()
    }
    await cluster.advance(QUARTER)
    let total = 0
    for (const { spec, metadata } of (await client.list(Deployment, { namespace: 'default' })).items) {
      const replicas = spec?.replicas ?? 0
      if (sizes.get(metadata!.name!) !== replicas) day.rescales++
      sizes.set(metadata!.name!, replicas)
      total += replicas
    }
    day.most = Math.max(day.most, total)
    day.fewest = Math.min(day.fewest, total)
    if (quarter % 2 === 1) await nodes.recover()
  }
  await nodes.recover()
  // Long enough for every node to be seen again and every recommendation of before to be forgotten.
  await cluster.advance(QUARTER)
  seen.abort()
  await watching
  day.runs = began.size
  await check(cluster)
  return day
}

/** By the time of the day, and a little by chance. */
function loadAt(index: number, now: number, random: Random): number {
  const hour = (now / (60 * MINUTE) + index * 2.4) % 24
  return 0.15 + 0.5 * (1 - Math.cos((hour / 24) * 2 * Math.PI)) * (0.8 + 0.4 * random.float())
}

async function startNodes(cluster: Cluster, random: Random) {
  const { clock } = cluster
  const stop = new AbortController()
  const client = cluster.clientFor(SIMULATED_NODES)
  const shared = { client, clock, log: silentLogger }
  const informers = createInformers({ ...shared, random, signal: stop.signal })
  const begin = (index: number) =>
    startAll([createSimulatedNodes({ count: 1, namePrefix: `node-${index}`, firstSubnet: index, informers, ...shared })], {
      signal: stop.signal,
      monotonic: () => clock.monotonic(),
    })
  const running = new Map<number, AsyncDisposable>()
  for (let index = 0; index < NODES; index++) running.set(index, await begin(index))
  return {
    async lose(): Promise<void> {
      const index = [...running.keys()][Math.floor(random.float() * running.size)]!
      await running.get(index)![Symbol.asyncDispose]()
      running.delete(index)
    },
    async recover(): Promise<void> {
      for (let index = 0; index < NODES; index++) if (!running.has(index)) running.set(index, await begin(index))
    },
    async [Symbol.asyncDispose]() {
      for (const one of running.values()) await one[Symbol.asyncDispose]()
      stop.abort(new Error('the day is over'))
    },
  }
}

async function watchRuns({ client }: Cluster, began: Set<string>, signal: AbortSignal): Promise<void> {
  const { items: _none, metadata } = await client.list(CronJob)
  for await (const event of client.watch(CronJob, { signal, resourceVersion: metadata?.resourceVersion ?? '' }))
    if (event.type === 'MODIFIED' && event.object.status?.lastScheduleTime)
      began.add(`${event.object.metadata?.name} ${event.object.status.lastScheduleTime}`)
}

function deployment(name: string): Deployment {
  const container = { name: 'web', image: 'web:1', resources: { requests: { cpu: `${REQUEST * 1000}m`, memory: '64Mi' } } }
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: MIN,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    },
  }
}

function autoscaler(name: string): HorizontalPodAutoscalerV2 {
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: MIN,
      maxReplicas: MAX,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: TARGET_PERCENT } } }],
    },
  }
}

/** Some every quarter of an hour, most every hour, some four times a day. */
const EVERY_HOURS = [0.25, 1, 1, 6]
const everyMinutes = (index: number): number => EVERY_HOURS[index % 4]! * 60

function scheduleOf(index: number): string {
  const hours = EVERY_HOURS[index % 4]!
  return hours < 1 ? `*/${hours * 60} * * * *` : hours === 1 ? '0 * * * *' : `0 */${hours} * * *`
}

function cronJob(index: number): CronJob {
  const annotations = { 'sampan.dev/run-seconds': String(20 + 5 * index) }
  return {
    metadata: { name: `job-${index}`, namespace: 'default' },
    spec: {
      schedule: scheduleOf(index),
      timeZone: 'Etc/UTC',
      concurrencyPolicy: 'Allow',
      jobTemplate: {
        spec: { template: { metadata: { annotations }, spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'job:1' }] } } },
      },
    },
  }
}

/** What must hold when everything has come to rest. */
async function check({ client, clock }: Cluster): Promise<void> {
  const { items: deployments } = await client.list(Deployment, { namespace: 'default' })
  const { items: pods } = await client.list(Pod, { namespace: 'default' })
  assert.equal(deployments.length, DEPLOYMENTS)
  for (const { metadata, spec, status } of deployments) {
    const name = metadata!.name!
    const load = Number.parseInt(metadata!.annotations!['sampan.dev/load-cpu']!, 10) / 1000
    const share = load / (spec!.replicas! * REQUEST)
    const wanted = TARGET_PERCENT / 100
    // Within the tolerance, or as near to it as one pod more or fewer could bring it.
    const tooFew = share > wanted * 1.12 && spec!.replicas! < MAX
    const tooMany = load / ((spec!.replicas! - 1) * REQUEST) < wanted * 0.85 && spec!.replicas! > MIN
    assert.ok(!tooFew && !tooMany, `${name} has ${spec!.replicas} replicas for a load of ${load}`)
    assert.equal(status?.availableReplicas, spec!.replicas, `${name} is not available`)
    const own = pods.filter((pod) => pod.metadata?.labels?.['app'] === name && !pod.metadata.deletionTimestamp)
    assert.equal(own.filter(({ status: state }) => state?.phase === 'Running').length, spec!.replicas, `pods of ${name}`)
  }
  for (let index = 0; index < CRON_JOBS; index++) {
    const { status } = await client.get(CronJob, { namespace: 'default', name: `job-${index}` })
    const period = everyMinutes(index) * MINUTE
    // At the very minute the clock stands on, the run may just begin.
    const due = Math.floor((clock.now() - 1000) / period) * period
    if (due <= START) continue
    assert.ok(
      Date.parse(status?.lastScheduleTime ?? '') >= due,
      `job-${index} last ran at ${status?.lastScheduleTime}, not at ${formatTime(due)}`,
    )
  }
}
