// What makes this machine a node: pod network, private containerd, the node agent and its HTTP API, service proxy and cluster DNS. Everything
// below one data directory; an orderly stop takes it all away.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type ClusterConfig, DEFAULTS } from '#cli/config.ts'
import { CommandError } from '#cli/errors.ts'
import type { ImageTools } from '#cli/platform.ts'
import { programVersion } from '#cli/version.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import { type Logger, silentLogger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { createForwarder, nodeResolvers } from '#network/dns/forwarder.ts'
import { createDns } from '#network/dns/server.ts'
import { BRIDGE, createPodNetwork, removeBridge } from '#network/pod-network.ts'
import { NftTable } from '#network/proxy/nft.ts'
import { createServiceProxy } from '#network/proxy/service-proxy.ts'
import { createContainerd } from '#node/cri/containerd.ts'
import { createCriRuntime } from '#node/cri/cri-runtime.ts'
import { createImageTools } from '#node/images/image-tools.ts'
import { PAUSE_IMAGE } from '#node/images/pause-image.ts'
import { createKubeletServer } from '#node/kubelet-server.ts'
import { createNode } from '#node/node.ts'
import { buildVersion } from '#server/endpoints/version.ts'
import { gatewayOf, podCidrOf } from './gateway.ts'
import { claimMachine } from './machine-claim.ts'

export interface Surroundings {
  clock: Clock
  commands: Commands
  env: Readonly<Record<string, string | undefined>>
}

export interface RealNodeOptions extends Surroundings {
  config: ClusterConfig
  random: Random
  log: Logger
}

const CNI_PLUGINS = ['/usr/lib/cni', '/opt/cni/bin']
/** What must be there before anything listens on the gateway's address. */
export function machineServices({ config, commands, clock, env, log }: RealNodeOptions): {
  network: Service
  containerd: Service & { endpoint: string }
} {
  const { podCidr, serviceCidr, clusterDns, dataDirectory } = config
  const network = createPodNetwork({
    commands,
    log,
    podCidr: podCidrOf(config),
    clusterCidr: podCidr,
    serviceCidr,
    clusterDns,
    confDirectory: cniDirectory(dataDirectory),
    stateDirectory: join(dataDirectory, 'network'),
  })
  return { network, containerd: containerdOf(dataDirectory, { clock, commands, env, log }) }
}

export interface NodeIdentity {
  client: Client
  /** Whole objects of what a node reads: pods, services, config maps, secrets. */
  nodeInformers: Informers
  /** Services and endpoint slices for proxy and DNS. */
  informers: Informers
  tls: { key: string; cert: string; clientCa: string }
}

export function nodeServices(options: RealNodeOptions, { endpoint, identity }: { endpoint: string; identity: NodeIdentity }): Service[] {
  const { config, clock, random, log, commands } = options
  const { nodeName, clusterDns, clusterDomain, kubeletPort, podCidr, serviceCidr, dataDirectory } = config
  const runtime = createCriRuntime({ endpoint, clock, log: log.child({ service: 'cri' }) })
  const ip = gatewayOf(config)
  const node = createNode({
    name: nodeName,
    client: identity.client,
    informers: identity.nodeInformers,
    runtime,
    clock,
    random,
    log: log.child({ service: 'node' }),
    dataDirectory: join(dataDirectory, 'node'),
    imageDirectory: join(dataDirectory, 'containerd'),
    pinnedImages: [PAUSE_IMAGE],
    ips: [ip],
    kubeletPort,
    clusterDns: [clusterDns],
    clusterDomain,
    commands,
    cgroups: true,
    podCidr: podCidrOf(config),
  })
  const forwarder = createForwarder({ servers: nodeResolvers('/etc/resolv.conf', clusterDns), clock, random })
  return [
    // Stops last of these: what the node is just starting is seen through, so that it can be stopped in order.
    closing(runtime),
    createServiceProxy({
      nodeName,
      informers: identity.informers,
      commands,
      clock,
      log: log.child({ service: 'proxy' }),
      network: { podCidr, serviceCidr, bridge: BRIDGE, gateway: gatewayOf(config) },
    }),
    createDns({ informers: identity.informers, address: clusterDns, zone: clusterDomain, forwarder, log: log.child({ service: 'dns' }) }),
    createKubeletServer({
      directory: node.directory,
      runtime,
      stats: node.stats,
      nodeName,
      tls: identity.tls,
      host: ip,
      port: kubeletPort,
      dataDirectory: join(dataDirectory, 'node'),
      process: { version: buildVersion(programVersion()), flags: config.flags ?? {} },
      clock,
      log: log.child({ service: 'kubelet' }),
    }),
    node,
  ]
}

export async function imageTools(dataDirectory: string, clock: Clock): Promise<ImageTools> {
  const endpoint = join(dataDirectory, 'containerd', 'containerd.sock')
  const runtime = createCriRuntime({ endpoint, clock, log: silentLogger })
  const tools = createImageTools({ endpoint, runtime, clock })
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      throw new CommandError((error as Error).message)
    } finally {
      tools[Symbol.dispose]()
      runtime[Symbol.dispose]()
    }
  }
  return {
    load: (file) => told(tools.load(file)),
    list: () => told(tools.list()),
    remove: (name) => told(tools.remove(name)),
    save: (name, file) => told(tools.save(name, file)),
  }
}

/** Adopts what a killed instance left, only to stop it in order. */
export async function cleanUp(dataDirectory: string, surroundings: Surroundings): Promise<void> {
  await using claim = await claimMachine()
  const containerd = containerdOf(dataDirectory, { ...surroundings, log: silentLogger })
  await using _running = await containerd.start(new AbortController().signal)
  // The network is another instance's by now.
  if (!claim) return
  await new NftTable(surroundings.commands, { podCidr: '', serviceCidr: '', bridge: BRIDGE, gateway: '' }).remove()
  await removeBridge(surroundings.commands, [DEFAULTS.podCidr, DEFAULTS.serviceCidr])
}

function containerdOf(
  dataDirectory: string,
  { clock, commands, env, log }: Surroundings & { log: Logger },
): Service & { endpoint: string } {
  const confDirectory = cniDirectory(dataDirectory)
  mkdirSync(confDirectory, { recursive: true, mode: 0o700 })
  return createContainerd({
    directory: join(dataDirectory, 'containerd'),
    cniConfDir: confDirectory,
    cniBinDirs: CNI_PLUGINS,
    clock,
    log: log.child({ service: 'containerd' }),
    commands,
    env,
  })
}

const cniDirectory = (dataDirectory: string) => join(dataDirectory, 'network', 'cni')

function closing(resource: Disposable): Service {
  return {
    name: 'container runtime',
    async start() {
      return { [Symbol.asyncDispose]: async () => resource[Symbol.dispose]() }
    },
  }
}
