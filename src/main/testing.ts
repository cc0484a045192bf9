// Clusters for tests: an API server, controllers, scheduler and simulated nodes in the calling process, on real time or on time that the
// test moves. Nothing is shared between clusters and nothing is left behind.
import { generateKeyPairSync } from 'node:crypto'
import type { Client, UserInfo } from '#client/client.ts'
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
  /** How many writes can still be read back; older versions are answered as expired. 20,000 unless said. */
  history?: number
  /** Receives log lines (JSON); silent unless given. */
  log?(line: string): void
}

export interface Cluster extends AsyncDisposable {
  /** Acts as the cluster's administrator. */
  readonly client: Client
  /** Acts as anyone: authorised and admitted like a request from outside. */
  clientFor(user: UserInfo): Client
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

/** Time that stands still until the cluster is told to advance; it begins on 2026-01-01T00:00:00Z unless said. */
export function virtual({ start = Date.UTC(2026, 0, 1) }: { start?: Date | number | string } = {}): VirtualTime {
  const startMs = new Date(start).getTime()
  if (Number.isNaN(startMs)) throw new TypeError(`virtual: ${String(start)} is no time`)
  return { startMs }
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { nodes = 1, listen = true } = options
  const activity = new Activity()
  const moved = options.clock && createVirtualClock(options.clock.startMs, { settle: () => activity.settle() })
  const clock: Clock = moved ?? systemClock
  const random = options.seed === undefined ? systemRandom : seededRandom(options.seed)
  const log = options.log ? createLogger({ write: options.log, now: () => clock.now() }) : silentLogger

  await using starting = new AsyncDisposableStack()
  const stop = new AbortController()
  const store = starting.use(createMemoryStore(options.history === undefined ? {} : { historyLimit: options.history }))
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
      clusterExtensions(context, { pki, serviceCidr: SERVICE_CIDR, advertiseAddress: '192.0.2.1', port: 6443, actorsAtWork: () => acting }),
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

  return {
    client: clientFor({ username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }),
    clientFor,
    clock,
    url: server.url,
    kubeconfig() {
      if (!listen) throw new Error('the cluster was started with listen: false: there is no address to connect to')
      return kubeconfigFor({ url: server.url, ca: pki.authority, ...pki.admin })
    },
    async advance(duration) {
      if (!moved) throw new Error('the cluster runs on real time: start it with clock: virtual()')
      await moved.advance(milliseconds(duration))
    },
    async idle() {
      const rested = await activity.rest((ms) => (moved ? moved.advance(ms) : clock.sleep(ms)))
      if (!rested) throw new Error('the cluster did not come to rest within an hour of its time')
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
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
  if (ms === undefined || !(ms >= 0))
    throw new TypeError(`advance: ${JSON.stringify(duration)} is no duration: say 90s, 1h30m, 24h or milliseconds`)
  return ms
}
