// One cluster: the ordered list of its services, started as read and stopped in reverse.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ClusterConfig } from '#cli/config.ts'
import { readSchedulerConfiguration } from '#cli/scheduler-config.ts'
import type { RunningCluster } from '#cli/platform.ts'
import type { UserInfo } from '#client/client.ts'
import { systemClock } from '#lib/clock.ts'
import { createLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { apiServerOf, openStore } from './api-server.ts'
import { claimMachine, machineTaken } from './machine-claim.ts'
import { keptTime } from './kept-time.ts'
import { createMovedTime, type MovedTime } from './moved-time.ts'
import type { Surroundings } from './real-node.ts'

export interface StartOptions extends Surroundings {
  signal: AbortSignal
  ready(name: string, elapsedMs: number): void
  writeLog(line: string): void
}

export async function startCluster(given: ClusterConfig, options: StartOptions): Promise<RunningCluster> {
  const { signal } = options
  const moved = given.clock === 'virtual' ? movedTimeOf(given) : undefined
  const clock = moved?.clock ?? options.clock
  const random = systemRandom
  const log = createLogger({ write: options.writeLog, now: () => clock.now() })
  const config = given.port === 0 ? { ...given, port: await freePort(given.host) } : given
  const url = `https://${config.host}:${config.port}`
  const real =
    config.nodes.type === 'real' ? (await import('./real-node.ts')).machineServices({ ...options, config, random, log }) : undefined

  await using starting = new AsyncDisposableStack()
  if (real) starting.use((await claimMachine()) ?? refuse(machineTaken()))
  const store = starting.use(await openStore(config, { clock: options.clock, signal }))
  const scheduling = config.schedulerConfig
    ? { configuration: await readSchedulerConfiguration('--scheduler-config', config.schedulerConfig, { within: true }) }
    : {}
  let acting = false
  const metrics = { controllers: createControllerMetrics(), scheduler: createSchedulerMetrics() }
  const { server, pki } = await apiServerOf(config, {
    store,
    seen: moved?.activity.store(store),
    metrics: config.serverOnly ? [] : [() => metrics.controllers.families(), () => metrics.scheduler.families()],
    ...(config.serverOnly ? {} : { actorsAtWork: () => acting }),
    endpoints: moved ? [moved.endpoint] : [],
    log,
    clock,
    random,
  })
  const started = {
    signal,
    ready: (service: Service, elapsedMs: number) => options.ready(service.name, elapsedMs),
    monotonic: () => options.clock.monotonic(),
  }
  const ground = real ? [together('pod network, containerd', [real.network, real.containerd])] : []
  starting.use(await startAll([...ground, server], started))

  const stop = new AbortController()
  starting.defer(() => stop.abort(new Error('the cluster was stopped')))
  const clientFor = (user: UserInfo) => moved?.activity.client(server.clientFor(user)) ?? server.clientFor(user)
  if (!config.serverOnly) {
    const { clusterActors } = await import('./cluster-actors.ts')
    const { services, nodeReady } = await clusterActors(config, {
      ...options,
      clientFor,
      server,
      pki,
      endpoint: real?.containerd.endpoint,
      scheduling,
      metrics,
      clock,
      random,
      log,
      stop: stop.signal,
    })
    starting.use(await startAll(services, started))
    acting = true
    if (config.nodes.type !== 'none') await nodeReady(signal)
  }
  if (moved) starting.use(moved.run())
  const running = starting.move()
  return {
    credentials: { url, ca: pki.authority, ...pki.admin },
    nodes: nodesText(config),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

function movedTimeOf({ store, dataDirectory }: ClusterConfig): MovedTime {
  return createMovedTime(store.type === 'memory' ? undefined : keptTime(dataDirectory, systemClock.now()))
}

function refuse(error: Error): never {
  throw error
}

/** Independent services started at once; stopped in reverse. */
function together(name: string, services: readonly Service[]): Service {
  return {
    name,
    async start(signal) {
      await using starting = new AsyncDisposableStack()
      const started = await Promise.allSettled(services.map((service) => service.start(signal)))
      for (const one of started) if (one.status === 'fulfilled') starting.use(one.value)
      for (const one of started) if (one.status === 'rejected') throw one.reason
      return starting.move()
    },
  }
}

function nodesText({ nodes }: ClusterConfig): string {
  if (nodes.type === 'none') return 'no nodes'
  return `${nodes.count} ${nodes.type} node${nodes.count === 1 ? '' : 's'}`
}

async function freePort(host: string): Promise<number> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
