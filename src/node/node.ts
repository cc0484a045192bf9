// A node: its object in the API kept alive, its pods run on a runtime. Composes the parts; each does one thing.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Taint } from '#api/generated/types.ts'
import { notFoundError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createEventRecorder, type EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { createAgent } from '#node/agent/agent.ts'
import { containerEvents, type AgentContext, type NodeFacts } from '#node/agent/context.ts'
import type { ReadObject } from '#node/agent/environment.ts'
import { containerLogPath, containersOf, identityOf, LABEL, podLogDirectory } from '#node/agent/identity.ts'
import { Images } from '#node/agent/images.ts'
import { lastWords } from '#node/agent/last-words.ts'
import { parseResolvConf } from '#node/agent/pod-network.ts'
import { RestartBackoff } from '#node/agent/restart-backoff.ts'
import { RuntimeView } from '#node/agent/runtime-view.ts'
import { StatusWriter } from '#node/agent/status-writer.ts'
import { Prober, type ProberOptions } from '#node/probes/prober.ts'
import { createMounter } from '#node/volumes/mounts.ts'
import { Volumes } from '#node/volumes/volumes.ts'
import { type Cgroups, createCgroups } from './cgroups.ts'
import { ImageGc } from './image-gc.ts'
import { startLogRotation } from './log-rotation.ts'
import { architecture, availableMemory, machineCapacity, systemInfo } from './machine.ts'
import { allocatableOf, evictionReserve, nodeLabels, nodeStatus } from './node-status.ts'
import { createRegistration } from './registration.ts'
import type { Image, PodDirectory, Runtime } from './runtime.ts'
import { createNodeStats, type NodeStats } from './stats.ts'
import { startEviction } from './eviction.ts'

export interface NodeOptions {
  name: string
  /** With the identity system:node:NAME. */
  client: Client
  /** Pods must be whole here (no projection), services, config maps and secrets too. */
  informers: Informers
  runtime: Runtime
  clock: Clock
  random: Random
  log: Logger
  /** Pod directories and logs live below it. */
  dataDirectory: string
  /** The node's own IP addresses, the one the cluster uses first. */
  ips: readonly string[]
  kubeletPort: number
  clusterDns: readonly string[]
  clusterDomain: string
  /** For mounts. Absent with runtimes that mount nothing. */
  commands?: Commands
  /** The runtime puts containers into cgroups of the machine. */
  cgroups?: boolean
  /** Range of the pods' addresses, where nobody else hands it out. */
  podCidr?: string
  labels?: Record<string, string>
  taints?: readonly Taint[]
  /** Replaces what the machine says of itself. */
  capacity?: Record<string, string>
  events?: EventRecorder
  maxPods?: number
  /** Why the node is not ready for reasons outside the runtime (pod network); absent or undefined: it is. */
  notReady?(): Promise<string | undefined>
  /** Where images live, for their garbage collection. */
  imageDirectory?: string
  /** Tags of images that are never removed. */
  pinnedImages?: readonly string[]
  /** Carries out one probe attempt; for tests. */
  probe?: ProberOptions['attempt']
}

export interface Node extends Service {
  readonly directory: PodDirectory
  /** Absent without cgroups. */
  readonly stats?: NodeStats
}

export function createNode(options: NodeOptions): Node {
  const { name, client, informers, runtime, clock, random, log, dataDirectory } = options
  const stop = new AbortController()
  const events =
    options.events ?? createEventRecorder({ client, clock, random, log, component: 'kubelet', host: name, signal: stop.signal })
  const logDirectory = join(dataDirectory, 'logs')
  const podsDirectory = join(dataDirectory, 'pods')
  const cgroups: Cgroups | undefined = options.cgroups ? createCgroups() : undefined
  const facts: { capacity: Record<string, string>; allocatable: Record<string, string> } = { capacity: {}, allocatable: {} }
  let hostDns = parseResolvConf('')

  const reader = objectReader(options)
  const node = (): NodeFacts => {
    const current = registration.node()
    return {
      name,
      labels: current?.metadata?.labels ?? labels,
      taints: current?.spec?.taints ?? [],
      capacity: facts.capacity,
      allocatable: facts.allocatable,
      ips: options.ips,
    }
  }
  const volumes = new Volumes({
    podsDirectory,
    client,
    clock,
    random,
    ...(options.commands ? { mounter: createMounter(options.commands) } : {}),
    reader,
    allocatable: () => facts.allocatable,
  })
  const view: RuntimeView = new RuntimeView({
    runtime,
    log,
    changed: (uid) => agent.poke(uid),
    lastWords: (container) => lastWords(container, { podDirectory: (uid) => volumes.podDirectory(uid), logDirectory }),
  })
  const prober: Prober = new Prober({
    runtime,
    clock,
    random,
    find: (uid, container) => {
      const pod = agent.podByUid(uid)
      const observed = view.pod(uid)
      const latest = observed.containers.find(({ labels: own }) => own[LABEL.container] === container)
      const podIp = (pod?.spec?.hostNetwork ? options.ips[0] : observed.sandboxes[0]?.ips[0]) ?? ''
      return pod && latest && { pod, container: latest, podIp }
    },
    changed: (uid) => agent.poke(uid),
    unhealthy: (pod, spec, message) => {
      const container = containersOf(pod).find((one) => one.spec.name === spec.name)
      if (container) containerEvents({ events }, pod, container)('Warning', 'Unhealthy', message)
    },
    ...(options.probe ? { attempt: options.probe } : {}),
  })
  const images = new Images({ runtime, clock })
  const context: AgentContext = {
    client,
    informers,
    runtime,
    clock,
    random,
    log,
    events,
    volumes,
    images,
    prober,
    view,
    statuses: new StatusWriter({ client, clock, log, signal: stop.signal }),
    restarts: new RestartBackoff(clock),
    ...(cgroups ? { cgroups } : {}),
    node,
    dns: () => ({ clusterDns: options.clusterDns, clusterDomain: options.clusterDomain, host: hostDns }),
    hostsFile: () => readFile('/etc/hosts', 'utf8').catch(() => ''),
    reader,
    logDirectory,
    seccompDirectory: join(dataDirectory, 'seccomp'),
    runtimeName: 'containerd',
  }
  const agent = createAgent(context)
  const labels = { ...nodeLabels(name, architecture()), ...options.labels }
  const listedImages = imageList(options)
  const registration = createRegistration({
    name,
    client,
    clock,
    log,
    events,
    labels,
    ...(options.taints ? { taints: options.taints } : {}),
    ...(options.podCidr ? { podCidr: options.podCidr } : {}),
    async status(previous) {
      const version = await runtime.version().catch((error: unknown) => {
        log.warn('the runtime does not answer', { error })
        return undefined
      })
      const notReady = version ? await options.notReady?.() : 'container runtime is down'
      const info = version
        ? systemInfo({ name: context.runtimeName, version: version.version })
        : (previous.nodeInfo ?? systemInfo({ name: context.runtimeName, version: '' }))
      return nodeStatus({
        name,
        addresses: [...options.ips.map((address) => ({ type: 'InternalIP' as const, address })), { type: 'Hostname', address: name }],
        ...facts,
        info,
        kubeletPort: options.kubeletPort,
        images: await listedImages({ readable: version !== undefined }),
        pressure: eviction.pressure(),
        ...(notReady ? { notReady } : {}),
        now: clock.now(),
        previous,
      })
    },
  })
  const running = () =>
    agent
      .activePods()
      .map((pod) => ({ pod, containers: view.pod(pod.metadata?.uid ?? '').containers.filter(({ state }) => state === 'running') }))
  const eviction = startEviction({
    clock,
    log,
    agent,
    volumes,
    availableMemory: options.capacity ? () => Infinity : availableMemory,
    directory: dataDirectory,
  })

  return {
    name: `node ${name}`,
    directory: agent.directory,
    ...(cgroups ? { stats: createNodeStats({ cgroups, clock, running }) } : {}),
    async start(signal) {
      await using starting = new AsyncDisposableStack()
      starting.defer(() => stop.abort(new Error('the node was stopped')))
      for (const directory of [dataDirectory, logDirectory, podsDirectory]) await mkdir(directory, { recursive: true, mode: 0o755 })
      hostDns = parseResolvConf(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''))
      facts.capacity = options.capacity ?? (await machineCapacity(dataDirectory, options.maxPods ? { maxPods: options.maxPods } : {}))
      facts.allocatable = allocatableOf(facts.capacity, options.capacity ? {} : evictionReserve(facts.capacity))
      starting.defer(() => volumes.unmountAll().catch((error: unknown) => log.warn('could not unmount the volumes', { error })))
      starting.use(await registration.start(signal))
      starting.use(await agent.start(signal))
      starting.use(eviction.start())
      const gc = new ImageGc({
        runtime,
        clock,
        log,
        events,
        node: name,
        directory: options.imageDirectory ?? dataDirectory,
        usedAt: (id) => images.usedAt(id),
        pinned: (tags) => tags.some((tag) => options.pinnedImages?.includes(tag)),
      })
      starting.use(gc.start())
      const logs = () =>
        running().flatMap(({ pod, containers }) =>
          containers.map(({ id, name, attempt, labels }) => ({
            containerId: id,
            path: join(podLogDirectory(logDirectory, identityOf(pod)), containerLogPath(labels[LABEL.container] ?? name, attempt)),
          })),
        )
      starting.use(startLogRotation({ runtime, clock, log, logs }))
      return starting.move()
    },
  }
}

/** Objects that pods refer to: from the informers, or, where these do not know them yet, from the server. */
function objectReader({ client, informers }: NodeOptions): (namespace: string) => ReadObject {
  return (namespace) => async (kind, name) => {
    const key = { namespace, name }
    const found = informers.of(kind).get(key) ?? (await client.get(kind, key).catch(ignoreNotFound))
    // The kubelet names kinds in the singular here.
    if (!found) throw notFoundError({ group: kind.group, plural: kind.singular }, name)
    return found
  }
}

const IMAGES_PERIOD_MS = 60_000

/** The images the node tells of: read anew now and then, and the last known ones while the runtime does not answer. */
function imageList({ runtime, clock }: NodeOptions): (runtimeState: { readable: boolean }) => Promise<Image[]> {
  let list: Image[] = []
  let readAt = -Infinity
  return async ({ readable }) => {
    if (readable && clock.monotonic() - readAt >= IMAGES_PERIOD_MS) {
      list = await runtime.listImages().catch(() => list)
      readAt = clock.monotonic()
    }
    return list
  }
}
