// One cluster: the ordered list of its services, started as read and stopped in reverse.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { flushCompileCache } from 'node:module'
import { hostname } from 'node:os'
import type { ClusterConfig } from '#cli/config.ts'
import { readSchedulerConfiguration } from '#cli/scheduler-config.ts'
import type { RunningCluster } from '#cli/platform.ts'
import { Node } from '#api/kinds/core/node.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import { createLogger, type Logger } from '#lib/log.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import type { ApiServer } from '#server/api-server.ts'
import type { Pki } from '#server/pki/pki.ts'
import { controllersOf, informersOf, schedulerOf, signersOf, SIMULATED_NODES } from './actors.ts'
import { apiServerOf, openStore } from './api-server.ts'
import { claimMachine, machineTaken } from './machine-claim.ts'
import { createMovedTime } from './moved-time.ts'
import { gatewayOf, machineServices, nodeServices, type Surroundings } from './real-node.ts'

export interface StartOptions extends Surroundings {
  signal: AbortSignal
  ready(name: string, elapsedMs: number): void
  writeLog(line: string): void
}

export async function startCluster(given: ClusterConfig, options: StartOptions): Promise<RunningCluster> {
  const { signal } = options
  const moved = given.clock === 'virtual' ? createMovedTime() : undefined
  const clock = moved?.clock ?? options.clock
  const random = systemRandom
  const log = createLogger({ write: options.writeLog, now: () => clock.now() })
  const config = given.port === 0 ? { ...given, port: await freePort(given.host) } : given
  const url = `https://${config.host}:${config.port}`
  const real = config.nodes.type === 'real' ? machineServices({ ...options, config, random, log }) : undefined

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
    const shared = { clientFor, clock, random, log, signal: stop.signal }
    const informers = informersOf(shared)
    const actors: Service[] = [
      inOrder(
        'controllers',
        controllersOf({
          ...shared,
          informers,
          rootCa: pki.authority,
          clusterCidr: config.podCidr,
          metrics: metrics.controllers,
          ...signersOf(pki),
        }),
      ),
      schedulerOf({ ...shared, informers, host: hostname(), metrics: metrics.scheduler, ...scheduling }),
      ...(await nodesOf(config, {
        ...options,
        ...shared,
        server,
        pki,
        informers,
        endpoint: real?.containerd.endpoint,
        stop: stop.signal,
      })),
    ]
    starting.use(await startAll(actors, started))
    acting = true
    if (config.nodes.type !== 'none') await nodeReady(informers, signal)
  }
  options.clock.after(2000, () => flushCompileCache())
  if (moved) starting.use(moved.run())
  const running = starting.move()
  return {
    credentials: { url, ca: pki.authority, ...pki.admin },
    nodes: nodesText(config),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

function refuse(error: Error): never {
  throw error
}

interface NodeParts extends StartOptions {
  clientFor(user: UserInfo): Client
  server: ApiServer
  pki: Pki
  informers: Informers
  endpoint: string | undefined
  random: Random
  log: Logger
  stop: AbortSignal
}

async function nodesOf(config: ClusterConfig, parts: NodeParts): Promise<Service[]> {
  const { server, clientFor, pki, informers, endpoint, clock, random, log, stop } = parts
  if (config.nodes.type === 'none') return []
  if (config.nodes.type === 'simulated' || endpoint === undefined) {
    return [
      createSimulatedNodes({
        count: config.nodes.count,
        client: clientFor(SIMULATED_NODES),
        informers,
        clock,
        log: log.child({ service: 'nodes' }),
        // Alone with its data: who had these names before under this one is this one.
        joining: { identity: `cluster_${hostname()}`, isGone: () => false },
        stages: { random, define: true },
      }),
    ]
  }
  const user = { username: `system:node:${config.nodeName}`, groups: ['system:nodes', 'system:authenticated'] }
  const { serving } = await pki.nodeCertificates(config.nodeName, [gatewayOf(config)])
  // Whole objects, read by an identity that may list them; what the node writes, it writes as itself.
  const nodeInformers = createInformers({ client: server.clientFor(CONTROLLER_MANAGER), clock, random, log, signal: stop })
  return nodeServices(
    { ...parts, config },
    {
      endpoint,
      identity: {
        client: server.clientFor(user),
        nodeInformers,
        informers,
        tls: { key: serving.key, cert: serving.certificate, clientCa: pki.authority },
      },
    },
  )
}

async function nodeReady(informers: Informers, signal: AbortSignal): Promise<void> {
  const nodes = informers.of(Node)
  const ready = Promise.withResolvers<void>()
  const abort = () => ready.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  using _watching = nodes.subscribe(({ object }) => {
    if (object?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) ready.resolve()
  })
  await ready.promise
  signal.removeEventListener('abort', abort)
}

/** Many small services told of in one line. */
function inOrder(name: string, services: readonly Service[]): Service {
  return { name: `${services.length} ${name}`, start: (signal) => startAll(services, { signal, monotonic: () => 0 }) }
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
