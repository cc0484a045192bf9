// One cluster: the ordered list of its services, started as read and stopped in reverse.
import { once } from 'node:events'
import { createServer, isIPv4 } from 'node:net'
import { flushCompileCache } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { ClusterConfig } from '#cli/config.ts'
import { readNamedFile } from '#cli/named-file.ts'
import { readSchedulerConfiguration } from '#cli/scheduler-config.ts'
import type { RunningCluster } from '#cli/platform.ts'
import { programVersion } from '#cli/version.ts'
import { Node } from '#api/kinds/core/node.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import { createInformers } from '#client/informers.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import type { Clock } from '#lib/clock.ts'
import { addressAt } from '#lib/ipv4.ts'
import { createLogger, type Logger } from '#lib/log.ts'
import type { MetricSource } from '#lib/metric-family.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import { createControllerMetrics } from '#controllers/metrics.ts'
import { createSchedulerMetrics } from '#scheduler/metrics.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { type ApiServer, createApiServer } from '#server/api-server.ts'
import type { AccessOptions } from '#server/access/access-control.ts'
import type { AdmissionOptions } from '#server/admission/admission-configuration.ts'
import type { ActorsAtWork } from '#server/subresources/component-statuses.ts'
import type { Auditor } from '#server/audit/auditor.ts'
import { clusterExtensions, serviceAccountIssuer } from '#server/cluster-extensions.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { Encryption, type EncryptionParts } from '#server/encryption/encryption.ts'
import { localEncryption } from '#server/encryption/local-key.ts'
import { OwnerOnlyFiles } from '#server/pki/owner-only-files.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { openEtcdStore } from '#store/etcd/etcd.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { controllersOf, informersOf, schedulerOf, signersOf, SIMULATED_NODES } from './actors.ts'
import { accessOptions, admissionOptions } from './access-options.ts'
import { auditorOf } from './auditor.ts'
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
  const store = starting.use(openStore(config, options.clock))
  // Before new credentials are made: where keys are missing that the store needs, nothing is touched.
  const encryption = await encryptionOf(config, { store, clock, random, log: log.child({ service: 'server' }) })
  const pki = await ensurePki({
    directory: config.pkiDirectory,
    clock,
    random,
    hostName: hostname(),
    serviceAddress: addressAt(config.serviceCidr, 1),
    clusterDomain: config.clusterDomain,
    addresses: [config.host, gatewayOf(config), ...(config.serverNames ?? [])],
  })
  const access = await accessOptions(config.access ?? {}, serviceAccountIssuer(config.clusterDomain))
  const admission = await admissionOptions(config.access ?? {})
  const scheduling = config.schedulerConfig
    ? { configuration: await readSchedulerConfiguration('--scheduler-config', config.schedulerConfig, { within: true }) }
    : {}
  let acting = false
  const metrics = { controllers: createControllerMetrics(), scheduler: createSchedulerMetrics() }
  const server = createServerOf(config, {
    metrics: config.serverOnly ? [] : [() => metrics.controllers.families(), () => metrics.scheduler.families()],
    ...(config.serverOnly ? {} : { actorsAtWork: () => acting }),
    access,
    admission,
    encryption,
    auditor: config.audit && (await auditorOf(config.audit, { clock, random, log: log.child({ service: 'audit' }) })),
    store: moved?.activity.store(store) ?? store,
    pki,
    log,
    clock,
    random,
    real: real !== undefined,
    endpoints: moved ? [moved.endpoint] : [],
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

function openStore({ store, dataDirectory }: ClusterConfig, clock: Clock): Store {
  switch (store.type) {
    case 'memory':
      return createMemoryStore()
    case 'embedded':
      return openEmbeddedStore({ directory: join(dataDirectory, 'store') })
    case 'etcd':
      return openEtcdStore({ target: { addresses: store.addresses, ...(store.tls ? { tls: store.tls } : {}) }, clock })
  }
}

/** As the file says; else Secrets with the cluster's own key, wherever the store outlives the process. */
async function encryptionOf(config: ClusterConfig, parts: EncryptionParts & { store: Store }): Promise<Encryption | undefined> {
  const { encryption } = config
  if (encryption) {
    const { file: path, reload } = encryption
    return Encryption.create({ path, read: () => readNamedFile('--encryption-provider-config', path), reload }, parts)
  }
  if (config.store.type === 'memory') return undefined
  return Encryption.create(await localEncryption(new OwnerOnlyFiles(config.pkiDirectory), parts), parts)
}

interface ServerParts {
  actorsAtWork?: ActorsAtWork
  auditor: Auditor | undefined
  encryption: Encryption | undefined
  access: AccessOptions
  admission: AdmissionOptions
  endpoints: readonly Endpoint[]
  metrics: readonly MetricSource[]
  store: Store
  pki: Pki
  log: Logger
  clock: Clock
  random: Random
  real: boolean
}

function createServerOf(
  config: ClusterConfig,
  { store, encryption, auditor, pki, log, clock, random, real, endpoints, metrics, access, admission, actorsAtWork }: ServerParts,
): ApiServer {
  const { host, port, serviceCidr, clusterDns, clusterDomain } = config
  const tls = { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority }
  return createApiServer({
    store,
    ...(encryption ? { encryption } : {}),
    ...(auditor ? { auditor } : {}),
    clock,
    random,
    log: log.child({ service: 'server' }),
    listen: { host, port, tls },
    // Pods reach the API on the node's own side of the bridge; nobody outside the machine can.
    ...(real ? { alsoOn: [gatewayOf(config)] } : {}),
    extensions: (context) =>
      clusterExtensions(context, {
        pki,
        serviceCidr,
        dnsAddress: clusterDns,
        clusterDomain,
        advertiseAddress: advertisedOf(config),
        port,
        hostName: hostname(),
        shared: config.store.type === 'etcd',
        ...(actorsAtWork ? { actorsAtWork } : {}),
        access,
        admission,
      }),
    endpoints,
    metrics,
    sampanVersion: programVersion(),
    ...(config.flags ? { flags: config.flags } : {}),
  })
}

/** Machines that share a store know each other by the address they listen on; pods reach the API on their own side of the bridge. */
function advertisedOf(config: ClusterConfig): string {
  const { store, host } = config
  const reachable = isIPv4(host) && host !== '0.0.0.0' && !host.startsWith('127.')
  return store.type === 'etcd' && config.nodes.type === 'none' && reachable ? host : gatewayOf(config)
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
