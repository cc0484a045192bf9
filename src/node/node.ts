// A node: its object in the API kept alive, its pods run on a runtime. Composes the parts; each does one thing.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeStatus, Pod, Taint } from '#api/generated/types.ts'
import type { Client } from '#client/client.ts'
import { createEventRecorder, type EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { Commands } from '#lib/commands.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { type Agent, createAgent } from '#node/agent/agent.ts'
import { containerEvents, type NodeFacts } from '#node/agent/context.ts'
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
import { createCgroups } from './cgroups.ts'
import { Eviction } from './eviction.ts'
import { ImageGc } from './image-gc.ts'
import { imageList } from './image-list.ts'
import { startLogRotation } from './log-rotation.ts'
import { architecture, availableMemory, machineCapacity, systemInfo } from './machine.ts'
import { allocatableOf, evictionReserve, nodeLabels, nodeStatus } from './node-status.ts'
import { objectReader } from './object-reader.ts'
import { createRegistration, type Registration } from './registration.ts'
import type { Container, PodDirectory, Runtime } from './runtime.ts'
import { createNodeStats, type NodeStats } from './stats.ts'

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
  return new ComposedNode(options)
}

const RUNTIME_NAME = 'containerd'

class ComposedNode implements Node {
  readonly name: string
  readonly stats?: NodeStats
  readonly #options: NodeOptions
  readonly #stop = new AbortController()
  readonly #events: EventRecorder
  readonly #logDirectory: string
  readonly #podsDirectory: string
  readonly #labels: Record<string, string>
  readonly #volumes: Volumes
  readonly #view: RuntimeView
  readonly #images: Images
  readonly #agent: Agent
  readonly #eviction: Eviction
  readonly #registration: Registration
  readonly #listedImages: ReturnType<typeof imageList>
  readonly #resources: { capacity: Record<string, string>; allocatable: Record<string, string> } = { capacity: {}, allocatable: {} }
  #hostDns = parseResolvConf('')

  constructor(options: NodeOptions) {
    const { name, client, informers, runtime, clock, random, log, dataDirectory } = options
    this.name = `node ${name}`
    this.#options = options
    const { signal } = this.#stop
    this.#events = options.events ?? createEventRecorder({ client, clock, random, log, component: 'kubelet', host: name, signal })
    this.#logDirectory = join(dataDirectory, 'logs')
    this.#podsDirectory = join(dataDirectory, 'pods')
    this.#labels = { ...nodeLabels(name, architecture()), ...options.labels }
    const reader = objectReader(options)
    this.#volumes = new Volumes({
      podsDirectory: this.#podsDirectory,
      client,
      clock,
      random,
      ...(options.commands ? { mounter: createMounter(options.commands) } : {}),
      reader,
      allocatable: () => this.#resources.allocatable,
    })
    this.#view = new RuntimeView({
      runtime,
      log,
      changed: (uid) => this.#agent.poke(uid),
      lastWords: (container) =>
        lastWords(container, { podDirectory: (uid) => this.#volumes.podDirectory(uid), logDirectory: this.#logDirectory }),
    })
    this.#images = new Images({ runtime, clock })
    const cgroups = options.cgroups ? createCgroups() : undefined
    this.#agent = createAgent({
      client,
      informers,
      runtime,
      clock,
      random,
      log,
      events: this.#events,
      volumes: this.#volumes,
      images: this.#images,
      prober: this.#prober(),
      view: this.#view,
      statuses: new StatusWriter({ client, clock, log, signal }),
      restarts: new RestartBackoff(clock),
      ...(cgroups ? { cgroups } : {}),
      node: () => this.#facts(),
      dns: () => ({ clusterDns: options.clusterDns, clusterDomain: options.clusterDomain, host: this.#hostDns }),
      hostsFile: () => readFile('/etc/hosts', 'utf8').catch(() => ''),
      reader,
      logDirectory: this.#logDirectory,
      seccompDirectory: join(dataDirectory, 'seccomp'),
      runtimeName: RUNTIME_NAME,
    })
    if (cgroups) this.stats = createNodeStats({ cgroups, clock, running: () => this.#running() })
    this.#eviction = new Eviction({
      clock,
      log,
      agent: this.#agent,
      storage: { volumes: this.#volumes, view: this.#view, runtime, logDirectory: this.#logDirectory },
      availableMemory: options.capacity ? () => Infinity : availableMemory,
      directory: dataDirectory,
    })
    this.#listedImages = imageList(options)
    this.#registration = createRegistration({
      name,
      client,
      clock,
      log,
      events: this.#events,
      labels: this.#labels,
      ...(options.taints ? { taints: options.taints } : {}),
      ...(options.podCidr ? { podCidr: options.podCidr } : {}),
      status: (previous) => this.#status(previous),
    })
  }

  get directory(): PodDirectory {
    return this.#agent.directory
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { name, runtime, clock, log, dataDirectory, capacity, maxPods, imageDirectory = dataDirectory, pinnedImages } = this.#options
    await using starting = new AsyncDisposableStack()
    starting.defer(() => this.#stop.abort(new Error('the node was stopped')))
    for (const directory of [dataDirectory, this.#logDirectory, this.#podsDirectory])
      await mkdir(directory, { recursive: true, mode: 0o755 })
    this.#hostDns = parseResolvConf(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''))
    const all = capacity ?? (await machineCapacity(dataDirectory, maxPods ? { maxPods } : {}))
    this.#resources.capacity = all
    this.#resources.allocatable = allocatableOf(all, capacity ? {} : evictionReserve(all))
    starting.defer(() => this.#volumes.unmountAll().catch((error: unknown) => log.warn('could not unmount the volumes', { error })))
    starting.use(await this.#registration.start(signal))
    starting.use(await this.#agent.start(signal))
    starting.use(this.#eviction.start())
    const gc = new ImageGc({
      runtime,
      clock,
      log,
      events: this.#events,
      node: name,
      directory: imageDirectory,
      usedAt: (id) => this.#images.usedAt(id),
      pinned: (tags) => tags.some((tag) => pinnedImages?.includes(tag)),
    })
    starting.use(gc.start())
    starting.use(startLogRotation({ runtime, clock, log, logs: () => this.#logs() }))
    return starting.move()
  }

  /** As pods are admitted against it and see it. */
  #facts(): NodeFacts {
    const { name, ips } = this.#options
    const { metadata, spec } = this.#registration.node() ?? {}
    return { name, labels: metadata?.labels ?? this.#labels, taints: spec?.taints ?? [], ...this.#resources, ips }
  }

  #prober(): Prober {
    const { runtime, clock, random, ips, probe } = this.#options
    return new Prober({
      runtime,
      clock,
      random,
      find: (uid, container) => {
        const pod = this.#agent.podByUid(uid)
        const observed = this.#view.pod(uid)
        const latest = observed.containers.find(({ labels: own }) => own[LABEL.container] === container)
        const podIp = (pod?.spec?.hostNetwork ? ips[0] : observed.sandboxes[0]?.ips[0]) ?? ''
        return pod && latest && { pod, container: latest, podIp }
      },
      changed: (uid) => this.#agent.poke(uid),
      unhealthy: (pod, spec, message) => {
        const container = containersOf(pod).find((one) => one.spec.name === spec.name)
        if (container) containerEvents({ events: this.#events }, pod, container)('Warning', 'Unhealthy', message)
      },
      ...(probe ? { attempt: probe } : {}),
    })
  }

  /** As the API is told of it. */
  async #status(previous: NodeStatus): Promise<NodeStatus> {
    const { name, runtime, clock, log, ips, kubeletPort } = this.#options
    const version = await runtime.version().catch((error: unknown) => {
      log.warn('the runtime does not answer', { error })
      return undefined
    })
    const notReady = version ? await this.#options.notReady?.() : 'container runtime is down'
    const info = version
      ? systemInfo({ name: RUNTIME_NAME, version: version.version })
      : (previous.nodeInfo ?? systemInfo({ name: RUNTIME_NAME, version: '' }))
    return nodeStatus({
      name,
      addresses: [...ips.map((address) => ({ type: 'InternalIP' as const, address })), { type: 'Hostname', address: name }],
      ...this.#resources,
      info,
      kubeletPort,
      images: await this.#listedImages({ readable: version !== undefined }),
      pressure: this.#eviction.pressure(),
      ...(notReady ? { notReady } : {}),
      now: clock.now(),
      previous,
    })
  }

  /** Pods with their containers that run. */
  #running(): { pod: Pod; containers: Container[] }[] {
    return this.#agent.activePods().map((pod) => {
      const { containers } = this.#view.pod(pod.metadata?.uid ?? '')
      return { pod, containers: containers.filter(({ state }) => state === 'running') }
    })
  }

  #logs(): { containerId: string; path: string }[] {
    return this.#running().flatMap(({ pod, containers }) =>
      containers.map(({ id, name, attempt, labels }) => ({
        containerId: id,
        path: join(podLogDirectory(this.#logDirectory, identityOf(pod)), containerLogPath(labels[LABEL.container] ?? name, attempt)),
      })),
    )
  }
}
