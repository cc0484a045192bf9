// The API server as a service: store, mirror, registry and engine put together, and the chain every request from outside goes through.
import type { Kind } from '#api/kind.ts'
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'
import { builtinKinds } from '#api/kinds.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import type { Client, UserInfo } from '#client/client.ts'
import { writeBigIntegers } from '#lib/exact-json.ts'
import type { Clock } from '#lib/clock.ts'
import { systemClock } from '#lib/clock.ts'
import { type Logger, silentLogger } from '#lib/log.ts'
import { type Random, systemRandom } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { Slots } from '#lib/slots.ts'
import type { Store } from '#store/store.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { keepDangling } from './fairness/dangling.ts'
import { fairnessEndpoints } from './fairness/debug-endpoints.ts'
import { Fairness } from './fairness/fairness.ts'
import { fairnessMetrics } from './fairness/fairness-metrics.ts'
import { AdmissionTimes } from './admission/admission-times.ts'
import type { Auditor } from './audit/auditor.ts'
import { ANONYMOUS } from './access/authenticators.ts'
import { Aggregator } from './aggregation/aggregator.ts'
import type { GroupVersion } from './aggregation/automanaged.ts'
import { withRemote } from './aggregation/remote-client.ts'
import { StoreMirror } from './cache/store-mirror.ts'
import { CustomResources } from './custom/custom-resources.ts'
import { EncryptedStore } from './encryption/encrypted-store.ts'
import type { Encryption } from './encryption/encryption.ts'
import { discoveryEndpoint } from './endpoints/discovery.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import { healthEndpoints } from './endpoints/health.ts'
import type { HealthCheck, Problem } from './endpoints/health-pages.ts'
import { storeAnswers } from './endpoints/store-answers.ts'
import { createServedKinds } from './endpoints/served-kinds.ts'
import { pathsEndpoint } from './endpoints/paths.ts'
import { metricsEndpoint } from './endpoints/metrics.ts'
import { openApiEndpoints } from './endpoints/openapi.ts'
import { profilesEndpoint } from './endpoints/profiles.ts'
import { buildVersion, versionEndpoint } from './endpoints/version.ts'
import { zPageEndpoints } from './endpoints/zpages.ts'
import type { Engine } from './engine/engine.ts'
import { expireEvents } from './engine/event-expiry.ts'
import { processRoom, type Room } from './engine/room.ts'
import { WriteQueues } from './engine/write-queues.ts'
import { audit, auditRefusals } from './http/audit.ts'
import { authenticate, impersonate } from './http/authentication.ts'
import { authorize } from './http/authorization.ts'
import { type Call, chained, type Link, type Serve } from './http/call.ts'
import { dispatch } from './http/dispatch.ts'
import type { ServedExchange } from './http/exchange.ts'
import { FanOut } from './http/fan-out.ts'
import { fairness } from './http/fairness.ts'
import { SlabPool } from './http/slab-writer.ts'
import { Listener, type ListenOptions } from './http/listener.ts'
import { MemoryExchange, type MemoryRequest, type MemoryResponse } from './http/memory-exchange.ts'
import { measure } from './http/measure.ts'
import { crossOrigin } from './http/cross-origin.ts'
import { recover } from './http/recover.ts'
import { deadline } from './http/deadline.ts'
import { describe } from './http/request-info.ts'
import { createLocalClient } from './local-client.ts'
import type { MetricFamily, MetricSource } from '#lib/metric-family.ts'
import type { Pattern } from '#lib/pattern/pattern.ts'
import { buildMetrics, processMetrics, RequestMetrics } from './metrics.ts'
import { Outgoing } from './outgoing/outgoing.ts'
import { BodyReader } from './decoding/body-reader.ts'
import { createObjectReader, createObjectWriter } from './object-access.ts'
import { Registry, type StoredResource } from './registry.ts'
import type { ObjectReader, ObjectWriter, ServerContext, ServerExtensions } from './request.ts'

export interface ApiServerOptions {
  store: Store
  /** What is encrypted in the store; absent: nothing. Disposed with the server. */
  encryption?: Encryption
  /** Who records requests; absent: nobody. Disposed with the server. */
  auditor?: Auditor
  kinds?: readonly Kind<any>[]
  clock?: Clock
  random?: Random
  log?: Logger
  /** Absent: no sockets; `handle` and `clientFor` are all there is. */
  listen?: ListenOptions
  /** Further addresses to answer on, with the same port and certificates, as soon as they are there. */
  alsoOn?: readonly string[]
  /** Who authenticates, authorises, admits and serves special subresources. Called once, while constructing. */
  extensions?(context: ServerContext): ServerExtensions
  /** How many requests are served at once, shared out by priority and fairness. */
  seats?: number
  /** Whether new objects find room; absent: as the memory of this process allows. */
  room?: Room
  endpoints?: readonly Endpoint[]
  /** Origins whose pages may talk to this server from a browser; absent: none but its own. */
  allowedOrigins?: readonly Pattern[]
  /** Further families for /metrics. */
  metrics?: readonly MetricSource[]
  healthChecks?: readonly HealthCheck[]
  sampanVersion?: string
  /** How the process was started, for /flagz. */
  flags?: Readonly<Record<string, string>>
}

export interface ApiServer extends Service {
  /** Empty until started, and without `listen`. */
  readonly url: string
  readonly port: number
  readonly reader: ObjectReader
  readonly writer: ObjectWriter
  readonly registry: Registry
  /** Acts as `user`: authorised and admitted like a request from outside. */
  clientFor(user: UserInfo): Client
  /** Serves an exchange, whatever carries it. Never throws, never rejects. */
  serve(exchange: ServedExchange): void
  /** One request through the whole chain without a socket. */
  handle(request: MemoryRequest): Promise<MemoryResponse>
}

const DRAIN_MS = 2000
/** What is done before anything is answered, under the names that scripts wait for. */
const START_HOOKS = [
  'poststarthook/start-apiextensions-controllers',
  'poststarthook/crd-informer-synced',
  'poststarthook/rbac/bootstrap-roles',
  'poststarthook/scheduling/bootstrap-system-priority-classes',
  'poststarthook/priority-and-fairness-config-producer',
  'poststarthook/bootstrap-controller',
  'poststarthook/start-system-namespaces-controller',
  'poststarthook/apiservice-registration-controller',
  'autoregister-completion',
]
/** Requests served at once, as upstream's 400 reads and 200 writes together. */
const DEFAULT_SEATS = 600

export function createApiServer(options: ApiServerOptions): ApiServer {
  writeBigIntegers()
  return new Server(options)
}

class Server implements ApiServer {
  readonly name = 'api server'
  readonly reader: ObjectReader
  readonly writer: ObjectWriter
  readonly registry: Registry
  url = ''
  port = 0
  readonly #options: ApiServerOptions
  readonly #engine: Engine
  readonly #mirror: StoreMirror
  readonly #bodies: BodyReader
  readonly #fairness: Fairness
  readonly #encrypted: EncryptedStore | undefined
  readonly #custom: CustomResources
  readonly #aggregator: Aggregator | undefined
  readonly #outgoing: Outgoing
  readonly #extensions: ServerExtensions
  readonly #chain: Serve
  /** For requests from within the process: who asks is known. */
  readonly #inner: Serve
  readonly #log: Logger
  readonly #metrics = new RequestMetrics()
  readonly #running = new Slots<ServedExchange>()
  /** Told when nothing runs any more. */
  #drained: (() => void) | undefined
  #state: 'new' | 'starting' | 'ready' | 'stopped' = 'new'

  constructor(options: ApiServerOptions) {
    const { clock = systemClock, random = systemRandom, log = silentLogger, encryption, auditor } = options
    this.#options = options
    this.#log = log
    const resourceOf = (prefix: string) => {
      const kind = this.registry.stored().find((one) => one.prefix === prefix)?.kind
      return kind && { group: kind.group, resource: kind.plural }
    }
    if (encryption) this.#encrypted = new EncryptedStore(options.store, { encryption, resourceOf, log })
    const store = this.#encrypted ?? options.store
    this.#mirror = new StoreMirror(store, { log, clock })
    this.registry = new Registry(this.#mirror, options.kinds ?? builtinKinds)
    // A thread works in real time, whatever time the cluster has.
    this.#bodies = new BodyReader({ clock: systemClock, log })
    const engine = { store, mirror: this.#mirror, registry: this.registry, clock, random, log, bodies: this.#bodies }
    const extended: Engine = {
      ...engine,
      writeQueues: new WriteQueues(clock),
      room: options.room ?? processRoom(),
      authorizer: undefined,
      admission: [],
      admissionTimes: new AdmissionTimes(clock),
      writeHooks: new Map(),
      subresources: new Map(),
    }
    this.#engine = extended
    this.reader = createObjectReader(extended)
    this.writer = createObjectWriter(extended)
    const { reader, writer } = this
    this.#outgoing = new Outgoing({ reader, random, bodies: this.#bodies })
    this.#custom = new CustomResources({ engine: extended, reader, writer, outgoing: this.#outgoing })
    this.#extensions =
      options.extensions?.({
        reader,
        writer,
        registry: this.registry,
        outgoing: this.#outgoing,
        clientFor: (user) => this.clientFor(user),
        clock,
        random,
        log,
        storeProblem: () => this.#storeProblem(),
        url: () => this.url,
      }) ?? {}
    for (const kind of this.#extensions.kinds ?? []) this.registry.add(kind)
    const { admission = [], subresources = [], writeHooks = [], authorizer, authenticators = [] } = this.#extensions
    Object.assign(extended, {
      authorizer,
      admission,
      writeHooks: Map.groupBy(writeHooks, ({ kind }) => kind),
      subresources: new Map(
        [...Map.groupBy(subresources, ({ kind }) => kind)].map(([kind, all]) => [kind, new Map(all.map((one) => [one.subresource, one]))]),
      ),
    })
    const { frontProxy } = this.#extensions
    this.#fairness = new Fairness({ reader, clock, seats: options.seats ?? DEFAULT_SEATS, configurable: this.#hasFlowControl() })
    const builtin = groupVersionsOf(this.registry.kinds())
    const parse = (text: Buffer) => this.#outgoing.parse(text)
    this.#aggregator = frontProxy && new Aggregator({ reader, writer, clock, random, log, frontProxy, builtin, parse })
    const last: readonly Link[] = [
      authorize(authorizer),
      ...(this.#aggregator ? [this.#aggregator.link] : []),
      dispatch({ engine: extended, pool: new SlabPool(), fanOut: new FanOut(), endpoints: this.#endpoints(), metrics: this.#metrics }),
    ]
    this.#inner = chained([recover({ log }), describe, ...(auditor ? [audit(auditor)] : []), ...last])
    this.#chain = chained([
      measure(this.#metrics, { clock }),
      recover({ log }),
      describe,
      deadline({ clock }),
      ...(options.allowedOrigins ? [crossOrigin(options.allowedOrigins)] : []),
      ...(auditor ? [auditRefusals(auditor)] : []),
      authenticate(authenticators, this.#extensions.anonymous),
      ...(auditor ? [audit(auditor)] : []),
      impersonate(authorizer),
      fairness(this.#fairness, { registry: this.registry, metrics: this.#metrics, clock }),
      ...last,
    ])
  }

  clientFor(user: UserInfo): Client {
    const local = createLocalClient(this.#engine, { user, authorizer: this.#extensions.authorizer, auditor: this.#options.auditor })
    if (!this.#aggregator) return local
    return withRemote(local, { aggregator: this.#aggregator, serve: (exchange) => void this.#serve(exchange, this.#inner, user) })
  }

  async handle(request: MemoryRequest): Promise<MemoryResponse> {
    const exchange = new MemoryExchange(request)
    this.serve(exchange)
    return exchange.response()
  }

  /** Never throws, never rejects: whatever happens is the exchange's own affair. */
  serve(exchange: ServedExchange): void {
    void this.#serve(exchange, this.#chain, ANONYMOUS)
  }

  async #serve(exchange: ServedExchange, chain: Serve, user: UserInfo): Promise<void> {
    const { random } = this.#engine
    const call = {
      exchange,
      user,
      headers: { 'audit-id': auditIdOf(exchange.headers['audit-id']) ?? random.uuid(), 'cache-control': 'no-cache, private' },
      warnings: new Set<string>(),
      annotations: new Map<string, string>(),
      resource: undefined,
      audit: undefined,
      waitedMs: 0,
    } as unknown as Call
    const place = this.#running.add(exchange)
    try {
      await chain(call)
    } catch (error) {
      this.#log.error('request failed beyond recovery', { path: exchange.path, error })
      exchange.abort()
    } finally {
      this.#running.remove(place)
      call.room?.[Symbol.dispose]()
      if (this.#running.size === 0) this.#drained?.()
    }
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    this.#state = 'starting'
    const stop = new AbortController()
    const lasting = stop.signal
    try {
      signal.throwIfAborted()
      await this.#mirror.start(lasting)
      if (this.registry.findKind('apiextensions.k8s.io/v1', CustomResourceDefinition.kind)) await this.#custom.start(lasting)
      await Promise.all([this.#extensions.bootstrap?.(signal), this.#aggregator?.start(lasting)])
      this.#fairness.start(lasting)
      const listener = this.#options.listen && (await this.#listen(this.#options.listen))
      this.#state = 'ready'
      const running = this.#run(lasting)
      return {
        [Symbol.asyncDispose]: async () => {
          this.#state = 'stopped'
          listener?.leave()
          await this.#drain()
          stop.abort()
          await listener?.close()
          await this.#bodies[Symbol.asyncDispose]()
          this.#outgoing[Symbol.dispose]()
          await running
          this.#options.encryption?.[Symbol.dispose]()
          await this.#options.auditor?.[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      this.#state = 'stopped'
      stop.abort()
      throw error
    }
  }

  /** Work that no request asks for. */
  async #run(signal: AbortSignal): Promise<void> {
    const report = (error: unknown) => {
      if (!signal.aborted) this.#log.error('background work ended', { error })
    }
    const events = this.registry.find('', 'v1', 'events')
    const expiry = events && expireEvents(this.#engine, events as StoredResource, signal)
    const { encryption } = this.#options
    const { reader, writer } = this
    const { clock } = this.#engine
    await Promise.all([
      this.#hasFlowControl() ? keepDangling({ reader, writer, clock, log: this.#log }, signal).catch(report) : undefined,
      this.#extensions.run?.(signal).catch(report),
      expiry?.catch(report),
      encryption?.run(signal).catch(report),
      encryption && this.#readAgain(encryption, signal).catch(report),
      encryption?.rewrite ? this.#encrypted?.rewriteStale(signal).catch(report) : undefined,
    ])
  }

  /** What could not be read is read again when its key may be there. */
  async #readAgain(encryption: Encryption, signal: AbortSignal): Promise<void> {
    for await (const _ of encryption.chances(signal)) await this.#mirror.readAgain(this.#encrypted?.unreadable() ?? [])
  }

  /** Lets what is being served finish, watches at once; what takes too long is cut. */
  async #drain(): Promise<void> {
    for (const exchange of this.#running) exchange.cancel()
    if (this.#running.size === 0) return
    const patience = new AbortController()
    const drained = new Promise<void>((resolve) => (this.#drained = resolve))
    await Promise.race([drained, this.#engine.clock.sleep(DRAIN_MS, patience.signal).catch(() => {})])
    patience.abort()
    for (const exchange of this.#running) exchange.abort()
  }

  async #listen(options: ListenOptions): Promise<Listener> {
    const { alsoOn = [], clock = this.#engine.clock } = this.#options
    const listener = new Listener({ ...options, alsoOn }, { serve: (exchange) => this.serve(exchange), log: this.#log, clock })
    const { address, port, family } = await listener.listen()
    this.port = port
    const host = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address
    this.url = `https://${host}:${port}`
    return listener
  }

  #hasFlowControl(): boolean {
    return [FlowSchema, PriorityLevelConfiguration].every(({ group, version, plural }) => this.registry.find(group, version, plural))
  }

  #storeProblem(): string | undefined {
    return this.#mirror.lost ? 'the store can no longer be followed' : undefined
  }

  /** The same, with whether a store over a network answers. */
  #storeHealth(): () => Problem | Promise<Problem> {
    const answers = storeAnswers(this.#options.store, this.#engine.clock)
    return () => this.#storeProblem() ?? answers()
  }

  *#storageMetrics(): Generator<MetricFamily> {
    const samples = this.registry
      .stored()
      .map(({ kind, cache }) => ({ labels: { group: kind.group, resource: kind.plural }, value: cache.size }))
    yield { name: 'apiserver_resource_objects', help: 'Objects there are of each resource.', type: 'gauge', samples }
  }

  #endpoints(): Endpoint[] {
    const started = () => (this.#state === 'new' || this.#state === 'starting' ? 'not finished' : undefined)
    const { encryption } = this.#options
    const storeHealth = this.#storeHealth()
    const checks: HealthCheck[] = [
      { name: 'ping', check: () => undefined },
      { name: 'log', check: () => undefined },
      { name: 'etcd', check: storeHealth },
      { name: 'etcd-readiness', of: ['readyz'], check: storeHealth },
      ...(encryption?.asksPlugins ? [pluginCheck(encryption)] : []),
      { name: 'informer-sync', of: ['readyz'], check: started },
      ...START_HOOKS.map((name) => ({ name, check: started })),
      ...(this.#options.healthChecks ?? []),
      { name: 'shutdown', of: ['readyz'], check: () => (this.#state === 'stopped' ? 'process is shutting down' : undefined) },
    ]
    const version = buildVersion(this.#options.sampanVersion ?? '0.1.0')
    const { clock } = this.#engine
    const startedAt = clock.now()
    const served = createServedKinds(this.registry, this.#aggregator)
    const discovery = discoveryEndpoint(served, { serverAddress: () => this.url.replace('https://', '') })
    const endpoints: Endpoint[] = [
      ...healthEndpoints(checks),
      versionEndpoint(version),
      discovery,
      ...openApiEndpoints(served, { release: KUBERNETES_VERSION, clock }),
      metricsEndpoint([
        () => this.#metrics.families(),
        () => this.#storageMetrics(),
        buildMetrics(version),
        processMetrics(startedAt),
        ...(this.#extensions.metrics ?? []),
        () => fairnessMetrics(this.#fairness),
        () => this.#engine.admissionTimes.families(),
        () => this.#custom.metrics.families(),
        () => this.#options.auditor?.families() ?? [],
        () => this.#encrypted?.families() ?? [],
        () => this.#options.encryption?.families() ?? [],
        ...(this.#options.metrics ?? []),
      ]),
      ...fairnessEndpoints(this.#fairness, clock),
      profilesEndpoint(),
      ...zPageEndpoints({ clock, startedAt, version, flags: this.#options.flags ?? {}, paths: () => paths() }),
      ...(this.#extensions.endpoints ?? []),
      ...(this.#options.endpoints ?? []),
    ]
    const paths = (): string[] => endpoints.flatMap(({ path }) => (path ? [path] : []))
    return [...endpoints, pathsEndpoint(() => discovery.discovery(), paths)]
  }
}

/** A plugin that is gone is no reason to begin anew: it is not asked of `livez`. */
function pluginCheck(encryption: Encryption): HealthCheck {
  return { name: 'kms-providers', of: ['healthz', 'readyz'], check: () => encryption.pluginProblem() }
}

/** What is served whatever is stored; the register of API services is not in itself. */
function groupVersionsOf(kinds: readonly Kind[]): GroupVersion[] {
  const all = new Map(kinds.map(({ group, version }) => [`${group}/${version}`, { group, version }]))
  return [...all.values()].filter(({ group }) => group !== APIService.group)
}

/** As the client named its request, within reason. */
function auditIdOf(given: string | string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : undefined
}
