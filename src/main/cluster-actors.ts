// Those who make one cluster work: its controllers, its scheduler and its nodes. Loaded when its API server answers, which needs none of them.
import { hostname } from 'node:os'
import { Node } from '#api/kinds/core/node.ts'
import type { ClusterConfig } from '#cli/config.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import type { ControllerMetrics } from '#controllers/metrics.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import type { SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import type { SchedulerMetrics } from '#scheduler/metrics.ts'
import type { ApiServer } from '#server/api-server.ts'
import type { Pki } from '#server/pki/pki.ts'
import { controllersOf, informersOf, schedulerOf, signersOf, SIMULATED_NODES } from './actors.ts'
import { gatewayOf } from './gateway.ts'
import type { Surroundings } from './real-node.ts'

export interface ClusterParts extends Surroundings {
  clientFor(user: UserInfo): Client
  server: ApiServer
  pki: Pki
  /** Of containerd, on a real node. */
  endpoint: string | undefined
  scheduling: { configuration?: SchedulerConfiguration }
  metrics: { controllers: ControllerMetrics; scheduler: SchedulerMetrics }
  random: Random
  log: Logger
  /** Ends what they have under way. */
  stop: AbortSignal
}

export interface ClusterActors {
  services: Service[]
  /** Resolves when a node is ready. */
  nodeReady(signal: AbortSignal): Promise<void>
}

export async function clusterActors(config: ClusterConfig, parts: ClusterParts): Promise<ClusterActors> {
  const { clientFor, clock, random, log, stop, pki, metrics, scheduling } = parts
  const shared = { clientFor, clock, random, log, signal: stop }
  const informers = informersOf(shared)
  const controllers = controllersOf({
    ...shared,
    informers,
    rootCa: pki.authority,
    clusterCidr: config.podCidr,
    metrics: metrics.controllers,
    ...signersOf(pki),
  })
  return {
    services: [
      inOrder('controllers', controllers),
      schedulerOf({ ...shared, informers, host: hostname(), metrics: metrics.scheduler, ...scheduling }),
      ...(await nodesOf(config, { ...parts, informers })),
    ],
    nodeReady: (signal) => nodeReady(informers, signal),
  }
}

async function nodesOf(config: ClusterConfig, parts: ClusterParts & { informers: Informers }): Promise<Service[]> {
  const { server, clientFor, pki, informers, endpoint, clock, random, log, stop } = parts
  if (config.nodes.type === 'none') return []
  if (config.nodes.type === 'simulated' || endpoint === undefined) {
    const { createSimulatedNodes } = await import('#node/simulated/nodes.ts')
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
  const { nodeServices } = await import('./real-node.ts')
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
