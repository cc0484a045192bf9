// A whole cluster on virtual time whose parts can be stopped, started and cut off one by one. Everything random comes from one seed: the same
// seed gives the same run, faults included.
import { generateKeyPairSync } from 'node:crypto'
import { StatusError } from '#api/status.ts'
import type { Client, UserInfo } from '#client/client.ts'
import { createLogger } from '#lib/log.ts'
import { orAborted } from '#lib/or-aborted.ts'
import { type Random, seededRandom } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import { createVirtualClock, type VirtualClock } from '#lib/virtual-clock.ts'
import { Activity } from '#main/activity.ts'
import { type ActorOptions, controllersOf, informersOf, schedulerOf, SIMULATED_NODES } from '#main/actors.ts'
import { createSimulatedNodes } from '#node/simulated/nodes.ts'
import { type ApiServer, createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import type { Pki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { Bindings } from './bindings.ts'
import { Faults, type Rates } from './faults.ts'

const MOST_REQUESTS = 5000
export const START_MS = Date.UTC(2026, 0, 1)
const ADMIN: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }
/** One for all: where it was thrown says nothing, and finding out costs more than the request. */
const REFUSED = new StatusError('ServiceUnavailable', 'simulated: connection refused')
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const none = { certificate: '', key: '' }
/** Nobody connects: what is random in certificates would differ from run to run. */
const pki: Pki = {
  directory: '',
  authorityPath: '',
  authority: 'CERTIFICATE',
  frontProxyAuthority: 'CERTIFICATE',
  frontProxyClient: none,
  serving: none,
  admin: none,
  kubeletClient: none,
  serviceAccountKey: key,
  nodeCertificates: async () => ({ client: none, serving: none }),
  signCertificate: async () => '',
}

export type Part = 'server' | 'controllers' | 'scheduler' | `node-${number}`

export class World implements AsyncDisposable {
  readonly clock: VirtualClock
  readonly faults: Faults
  /** Of those who use the cluster: what they do is as random as what befalls it. */
  readonly random: Random
  readonly nodes: number
  readonly warnings: string[] = []
  readonly bindings = new Bindings()
  /** Who sent more requests at one instant than any work could need. */
  readonly hotLoops = new Set<string>()
  #instant = 0
  readonly #requests = new Map<string, number>()
  readonly #activity = new Activity()
  readonly #clusterRandom: Random
  readonly #memory = createMemoryStore()
  readonly #store: Store
  readonly #running = new Map<Part, AsyncDisposable>()
  #server: ApiServer | undefined
  /** Connections break when the server goes. */
  #serving = new AbortController()

  private constructor(seed: number, { nodes, rates }: { nodes: number; rates: Rates }) {
    this.nodes = nodes
    this.clock = createVirtualClock(START_MS, { settle: () => this.#activity.settle() })
    this.random = seededRandom(seed)
    this.#clusterRandom = seededRandom(seed + 1)
    this.faults = new Faults(seededRandom(seed + 2), { clock: this.clock, rates })
    this.#store = this.faults.store(this.#activity.store(this.bindings.store(this.#memory)))
  }

  static async start(seed: number, options: { nodes: number; rates: Rates }): Promise<World> {
    const world = new World(seed, options)
    // The boot objects of an empty store are not what is tested.
    for (const part of world.parts()) await world.start(part)
    return world
  }

  parts(): Part[] {
    return ['server', 'controllers', 'scheduler', ...Array.from({ length: this.nodes }, (_, index): Part => `node-${index}`)]
  }

  isRunning(part: Part): boolean {
    return this.#running.has(part)
  }

  /** Acts as the administrator; nothing goes wrong on the way. */
  get client(): Client {
    return this.#activity.client(this.#server!.clientFor(ADMIN))
  }

  async start(part: Part): Promise<void> {
    if (this.#running.has(part)) return
    if (part === 'server') return await this.#startServer()
    // Who finds no server waits for one; here nobody would bring it back meanwhile.
    await this.start('server')
    // As a supervisor would: what could not be started is started again.
    for (;;) {
      try {
        return await this.#startActor(part)
      } catch (error) {
        if (!String(error).includes('simulated')) throw error
        await this.advance(1000)
      }
    }
  }

  async stop(part: Part): Promise<void> {
    const running = this.#running.get(part)
    if (!running) return
    this.#running.delete(part)
    if (part === 'server') this.#serving.abort(new StatusError('ServiceUnavailable', 'simulated: the connection broke off'))
    await this.#moving(`the end of ${part}`, running[Symbol.asyncDispose]())
  }

  /** The cluster on its own for that long. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
  }

  async rest(): Promise<boolean> {
    return this.#activity.rest((ms) => this.clock.advance(ms))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.parts().toReversed()) await this.stop(part)
    await this.#memory[Symbol.asyncDispose]()
  }

  async #startActor(part: Exclude<Part, 'server'>): Promise<void> {
    const stop = new AbortController()
    const log = createLogger({
      write: (line) => void (this.warnings.push(line) > 40 && this.warnings.shift()),
      now: () => this.clock.now(),
      level: 'warn',
    })
    const clientFor = (user: UserInfo) => this.faults.client(this.#activity.client(this.#clientOf(user)))
    const shared: ActorOptions = { clientFor, clock: this.clock, random: this.#clusterRandom, log, signal: stop.signal }
    const informers = informersOf(shared)
    const services = ((): Service[] => {
      if (part === 'controllers') return controllersOf({ ...shared, informers, rootCa: pki.authority, clusterCidr: '10.244.0.0/16' })
      if (part === 'scheduler') return [schedulerOf({ ...shared, informers })]
      const index = Number(part.slice('node-'.length))
      const client = clientFor(SIMULATED_NODES)
      return [
        createSimulatedNodes({
          count: 1,
          namePrefix: part,
          firstSubnet: index,
          capacity: CAPACITY,
          client,
          informers,
          clock: this.clock,
          log,
        }),
      ]
    })()
    const starting = startAll(services, { signal: stop.signal, monotonic: () => this.clock.monotonic() })
    const running = await this.#moving(`the start of ${part}`, starting).catch((error: unknown) => {
      stop.abort(error)
      throw error
    })
    this.#running.set(part, {
      [Symbol.asyncDispose]: async () => {
        stop.abort(new Error(`${part} was stopped`))
        await running[Symbol.asyncDispose]()
      },
    })
  }

  async #startServer(): Promise<void> {
    const server = createApiServer({
      store: this.#store,
      clock: this.clock,
      random: this.#clusterRandom,
      extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 }),
    })
    for (;;) {
      try {
        this.#running.set('server', await this.#moving('the start of the server', server.start(new AbortController().signal)))
        this.#server = server
        this.#serving = new AbortController()
        return
      } catch (error) {
        if (!String(error).includes('simulated')) throw error
        await this.advance(1000)
      }
    }
  }

  /** The server of the moment; nobody answers while there is none. */
  #clientOf(user: UserInfo): Client {
    const serving = () => this.#serving.signal
    const answered = async <T>(request: () => Promise<T>): Promise<T> => {
      this.#meter(user)
      return await orAborted(request(), serving())
    }
    const of = () => {
      if (!this.#running.has('server')) throw REFUSED
      return this.#server!.clientFor(user)
    }
    return {
      get: (...args) => answered(() => of().get(...args)),
      list: (...args) => answered(() => of().list(...args)),
      async *watch(kind, options) {
        yield* of().watch(kind, { ...options, signal: AbortSignal.any([options.signal, serving()]) })
      },
      create: (...args) => answered(() => of().create(...args)),
      update: (...args) => answered(() => of().update(...args)),
      patch: (...args) => answered(() => of().patch(...args)),
      delete: (...args) => answered(() => of().delete(...args)),
      deleteCollection: (...args) => answered(() => of().deleteCollection(...args)),
    }
  }

  /** Who asks again and again without time going by would do so for ever. */
  #meter({ username }: UserInfo): void {
    if (this.clock.now() !== this.#instant) this.#requests.clear()
    this.#instant = this.clock.now()
    const count = (this.#requests.get(username) ?? 0) + 1
    this.#requests.set(username, count)
    if (count > MOST_REQUESTS) this.hotLoops.add(username)
    if (count > MOST_REQUESTS) throw new Error(`simulated: ${username} asks without end`)
  }

  async #moving<T>(what: string, given: PromiseLike<T>): Promise<T> {
    const state = { done: false }
    const settled = Promise.resolve(given).finally(() => (state.done = true))
    settled.catch(() => {})
    for (let step = 0; !state.done && step < 3600; step++) await this.clock.advance(step === 0 ? 0 : 1000)
    if (!state.done) throw new Error(`${what} took more than an hour of cluster time`)
    return settled
  }
}

const CAPACITY = { cpu: '8', memory: '16Gi', 'ephemeral-storage': '100Gi', pods: '20' }
