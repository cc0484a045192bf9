// Clusters for tests: an API server, controllers, scheduler and simulated nodes in the calling process, on real time or on time that the
// test moves. Nothing is shared between clusters and nothing is left behind.
import { generateKeyPairSync } from 'node:crypto'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Client, CreateOptions, UserInfo, WriteOptions } from '#client/client.ts'
import { kubeconfigFor } from '#cli/kubeconfig-file.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { parseDuration } from '#lib/duration.ts'
import { createLogger, silentLogger } from '#lib/log.ts'
import { seededRandom, systemRandom } from '#lib/random.ts'
import { startAll } from '#lib/service.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import { ensurePki, type Pki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'
import { Activity } from './activity.ts'
import { controllersOf, informersOf, schedulerOf, signersOf, SIMULATED_NODES } from './actors.ts'

export interface ClusterOptions {
  /** How many simulated nodes there are; 1 unless said. */
  nodes?: number
  /** `virtual()`, or absent: real time. */
  clock?: VirtualTime
  /** Of everything random, names and UIDs too. With virtual time and without `listen`, one seed gives one history. */
  seed?: number
  /** Answers on a free port of loopback, for clients outside this process (default). */
  listen?: boolean
  /** Defines Stages (`sampan.dev/v1`): what happens to simulated pods and nodes, when. */
  stages?: boolean
  /** How many writes can still be read back; older versions are answered as expired. 4,000 unless said. */
  history?: number
  /** Receives log lines (JSON); silent unless given. */
  log?(line: string): void
}

/** A client that takes what the kind says, and a subresource's own type where one is named. */
export interface ClusterClient extends Client {
  create<T extends KubeObject>(kind: Kind<T>, object: NoInfer<T>, options?: Omit<CreateOptions, 'subresource'>): Promise<T>
  create<T extends KubeObject, O extends KubeObject>(kind: Kind<T>, object: O, options: CreateOptions & { subresource: string }): Promise<O>
  update<T extends KubeObject>(kind: Kind<T>, object: NoInfer<T>, options?: Omit<WriteOptions, 'subresource'>): Promise<T>
  update<T extends KubeObject, O extends KubeObject>(kind: Kind<T>, object: O, options: WriteOptions & { subresource: string }): Promise<O>
}

export interface Cluster extends AsyncDisposable {
  /** Acts as the cluster's administrator. */
  readonly client: ClusterClient
  /** Acts as anyone: authorised and admitted like a request from outside. */
  clientFor(user: UserInfo): ClusterClient
  readonly clock: Clock
  /** `https://127.0.0.1:port`; empty without `listen`. */
  readonly url: string
  /** For kubectl and client libraries: the text of a kubeconfig of the administrator. Throws without `listen`. */
  kubeconfig(): string
  /** Moves virtual time on (milliseconds, or a text such as `24h`) and does everything due, in order. Throws on real time. */
  advance(duration: string | number): Promise<void>
  /**
   * Resolves when nothing is left to do now: a whole second of cluster time passed without a write other than heartbeats.
   * Virtual time moves as far as that takes; what is due later (a cron job's next run) waits for `advance`.
   */
  idle(): Promise<void>
}

export interface VirtualTime {
  readonly startMs: number
}

const SERVICE_CIDR = '10.96.0.0/12'
const MOST_NODES = 10_000
/** As many as watches of one kind can go back. What is kept of more does not stay in the processor's caches: 7 % of a day on virtual time. */
const HISTORY = 4000

/** Time that stands still until the cluster is told to advance; it begins on 2026-01-01T00:00:00Z unless said. */
export function virtual({ start = Date.UTC(2026, 0, 1) }: { start?: Date | number | string } = {}): VirtualTime {
  const startMs = new Date(start).getTime()
  if (Number.isNaN(startMs)) throw new TypeError(`virtual: ${String(start)} is no time`)
  return { startMs }
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  checkOptions(options)
  const { nodes = 1, listen = true } = options
  const activity = new Activity()
  const moved = options.clock && createVirtualClock(options.clock.startMs, { settle: () => activity.settle() })
  const clock: Clock = moved ?? systemClock
  const random = options.seed === undefined ? systemRandom : seededRandom(options.seed)
  const log = options.log ? createLogger({ write: options.log, now: () => clock.now() }) : silentLogger

  await using starting = new AsyncDisposableStack()
  const stop = new AbortController()
  const store = starting.use(createMemoryStore({ historyLimit: options.history ?? HISTORY }))
  // Certificates are judged by clients, which live in real time.
  const pki = listen ? await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'localhost' }) : unsigned()
  let acting = false
  const server = createApiServer({
    store: activity.store(store),
    clock,
    random,
    log,
    ...(listen ? { listen: { tls: { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority } } } : {}),
    extensions: (context) =>
      clusterExtensions(context, {
        pki,
        serviceCidr: SERVICE_CIDR,
        advertiseAddress: '192.0.2.1',
        port: 6443,
        private: !listen,
        actorsAtWork: () => acting,
      }),
  })
  const { signal } = stop
  const started = { signal, monotonic: () => clock.monotonic() }
  starting.use(await startAll([server], started))
  starting.defer(() => stop.abort(new Error('the cluster was disposed')))
  const clientFor = (user: UserInfo) => activity.client(server.clientFor(user))
  const shared = { clientFor, clock, random, log, signal }
  const informers = informersOf(shared)
  const controllers = controllersOf({ ...shared, informers, rootCa: pki.authority, clusterCidr: '10.244.0.0/16', ...signersOf(pki) })
  const scheduler = schedulerOf({ ...shared, informers })
  const simulated = createSimulatedNodes({
    count: nodes,
    client: clientFor(SIMULATED_NODES),
    informers,
    clock,
    log,
    stages: { random, define: options.stages === true },
  })
  starting.use(await startAll([...controllers, scheduler, ...(nodes > 0 ? [simulated] : [])], started))
  acting = true
  const running = starting.move()
  const alive = () => {
    if (signal.aborted) throw new Error('the cluster was disposed')
  }
  const openFor = (user: UserInfo) => {
    if (typeof user?.username !== 'string') throw new TypeError('clientFor: say who: { username, groups }')
    return whileAlive(clientFor(user), { alive, signal })
  }

  return {
    client: openFor({ username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }),
    clientFor: openFor,
    clock,
    url: server.url,
    kubeconfig() {
      if (!listen) throw new Error('the cluster was started with listen: false: there is no address to connect to')
      return kubeconfigFor({ url: server.url, ca: pki.authority, ...pki.admin })
    },
    async advance(duration) {
      alive()
      if (!moved) throw new Error('the cluster runs on real time: start it with clock: virtual()')
      await moved.advance(milliseconds(duration))
      alive()
    },
    async idle() {
      alive()
      const rested = await activity.rest((ms) => (moved ? moved.advance(ms) : clock.sleep(ms)))
      if (!rested) throw new Error('the cluster did not come to rest within an hour of its time')
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

const OPTIONS: Record<keyof ClusterOptions, (value: unknown) => boolean> = {
  nodes: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_NODES,
  clock: (value) => typeof value === 'object' && Number.isFinite((value as VirtualTime | null)?.startMs),
  seed: (value) => Number.isSafeInteger(value),
  listen: (value) => typeof value === 'boolean',
  stages: (value) => typeof value === 'boolean',
  history: (value) => Number.isInteger(value) && Number(value) > 0,
  log: (value) => typeof value === 'function',
}
const MEANT: Record<keyof ClusterOptions, string> = {
  nodes: `a number from 0 to ${MOST_NODES}`,
  clock: 'virtual(), or nothing for real time',
  seed: 'a whole number',
  listen: 'true or false',
  stages: 'true or false',
  history: 'a number of writes',
  log: 'a function that takes a line',
}

/** For callers without a compiler, and for what it cannot know. */
function checkOptions(options: ClusterOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('startCluster: its options are an object')
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, name))
      throw new TypeError(`startCluster: there is no option ${name}: there are ${Object.keys(OPTIONS).join(', ')}`)
    if (value !== undefined && !OPTIONS[name as keyof ClusterOptions](value))
      throw new TypeError(
        `startCluster: ${name}: ${typeof value === 'function' ? 'a function' : String(value)}: say ${MEANT[name as keyof ClusterOptions]}`,
      )
  }
}

/** What a test forgot to await would else ask a cluster that is no more, and what it watches would never end. */
function whileAlive(client: Client, { alive, signal }: { alive: () => void; signal: AbortSignal }): Client {
  const guarded = <Arguments extends unknown[], T>(call: (...args: Arguments) => Promise<T>) => {
    return (...args: Arguments): Promise<T> => {
      try {
        alive()
      } catch (error) {
        return Promise.reject(error)
      }
      return call(...args)
    }
  }
  return {
    get: guarded(client.get),
    list: guarded(client.list),
    watch(kind, options) {
      alive()
      return client.watch(kind, { ...options, signal: AbortSignal.any([options.signal, signal]) })
    },
    create: guarded(client.create),
    update: guarded(client.update),
    patch: guarded(client.patch),
    delete: guarded(client.delete),
    deleteCollection: guarded(client.deleteCollection),
    ...(client.resources ? { resources: guarded(client.resources) } : {}),
  }
}

/** For clusters nobody connects to: what is random in certificates would differ from run to run. */
function unsigned(): Pki {
  const none = { certificate: '', key: '' }
  const authority = 'no certificate: the cluster was started with listen: false\n'
  return {
    directory: 'memory',
    authorityPath: '',
    authority,
    frontProxyAuthority: authority,
    frontProxyClient: none,
    serving: none,
    admin: none,
    kubeletClient: none,
    serviceAccountKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    nodeCertificates: async () => ({ client: none, serving: none }),
    async signCertificate(request, signing) {
      const pki = await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'localhost' })
      return pki.signCertificate(request, signing)
    },
  }
}

function milliseconds(duration: string | number): number {
  const ms = typeof duration === 'number' ? duration : parseDuration(duration)
  if (ms === undefined || !Number.isFinite(ms) || ms < 0)
    throw new TypeError(
      `advance: ${typeof duration === 'string' ? JSON.stringify(duration) : duration} is no duration: say 90s, 1h30m, 24h or milliseconds`,
    )
  return ms
}
