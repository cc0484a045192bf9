// Several servers seen as one: requests for a group and version that an APIService gives to a service go there; discovery and OpenAPI tell of all.
// Follows the APIService objects; says in their conditions who answers.
import { conditionOf, isConditionTrue, withoutCondition } from '#api/conditions.ts'
import type { APIServiceSpec } from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import type { GroupOrder } from '#api/discovery/group-order.ts'
import type { RemoteDocument } from '#api/openapi/openapi.ts'
import { hasReason } from '#api/status.ts'
import { formatTime, type Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Call, Link } from '#server/http/call.ts'
import { Following } from '#server/following.ts'
import type { ObjectChange, ObjectReader, ObjectWriter } from '#server/request.ts'
import { Automanaged, type GroupVersion } from './automanaged.ts'
import { type Availability, LOCAL } from './availability.ts'
import { proxyTo } from './proxy.ts'
import { Remote } from './remote.ts'
import type { FrontProxy } from './remote-server.ts'
import { serviceOf } from './service-address.ts'

export interface AggregatorContext {
  reader: ObjectReader
  writer: ObjectWriter
  clock: Clock
  random: Random
  log: Logger
  frontProxy: FrontProxy
  builtin: readonly GroupVersion[]
  /** Reads JSON, much of it where nobody else waits. */
  parse(text: Buffer): Promise<unknown>
}

/** Of those there are at the start. */
const SERVICES_PER_TURN = 100
const REMOTE_PATH = /^\/apis\/([^/]+)\/([^/]+)(?:\/|$)/

export class Aggregator {
  readonly #context: AggregatorContext
  readonly #automanaged: Automanaged
  /** By group and version. */
  readonly #remotes = new Map<string, Remote>()
  readonly #specs = new Map<string, APIServiceSpec>()
  #watching: DisposableStack | undefined
  #signal: AbortSignal | undefined
  /** Grows with everything that discovery or OpenAPI show. */
  generation = 0

  constructor(context: AggregatorContext) {
    this.#context = context
    this.#automanaged = new Automanaged(context)
  }

  /** Resolves when what this server serves itself is registered; goes on until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { reader } = this.#context
    this.#signal = signal
    const tell = ({ object, previous }: ObjectChange<APIService>) => {
      if (previous && keyOf(previous.spec) !== keyOf(object?.spec)) this.#forget(keyOf(previous.spec))
      if (object) this.#take(object)
    }
    const following = new Following(reader, { kind: APIService, tell })
    signal.addEventListener(
      'abort',
      () => {
        following[Symbol.dispose]()
        for (const key of this.#remotes.keys()) this.#forget(key)
      },
      { once: true },
    )
    await following.load(SERVICES_PER_TURN)
    await this.#automanaged.start(signal)
  }

  /** Before the resources of this server: who has an APIService has the group and version. */
  readonly link: Link = (call, next) => {
    if (this.#remotes.size === 0) return next(call)
    const [, group = '', version = ''] = REMOTE_PATH.exec(call.exchange.path) ?? []
    const remote = this.#remotes.get(`${group}/${version}`)
    if (!remote) return next(call)
    return proxyTo(call, remote, this.#context.clock)
  }

  /** The OpenAPI v3 document of another server's group and version. */
  async answerOpenApi(call: Call, root: string): Promise<boolean> {
    const [, group, version] = /^apis\/([^/]+)\/([^/]+)$/.exec(root) ?? []
    const remote = this.#remotes.get(`${group}/${version}`)
    if (!remote || remote.openApi?.made) return false
    await proxyTo(call, remote, this.#context.clock)
    return true
  }

  /** For discovery: what others serve, and in which order everything is preferred. */
  order(): GroupOrder {
    return {
      remote: new Map([...this.#remotes].map(([key, remote]) => [key, remote.discovery()])),
      priorityOf: (group, version) => {
        const spec = this.#specs.get(`${group}/${version}`)
        return spec && { group: spec.groupPriorityMinimum, version: spec.versionPriority }
      },
    }
  }

  remoteDocuments(): RemoteDocument[] {
    return [...this.#remotes.values()].flatMap(({ openApi }) => openApi ?? [])
  }

  /** Whether that group and version is another server's. */
  serves(group: string, version: string): boolean {
    return this.#remotes.has(`${group}/${version}`)
  }

  #take(service: APIService): void {
    const { spec, status } = service
    const key = keyOf(spec)
    if (!spec || key === '') return
    if (!equal(this.#specs.get(key), spec)) this.generation++
    const changed = !equal(this.#remotes.get(key)?.spec, spec)
    this.#specs.set(key, spec)
    if (!spec.service) {
      this.#drop(key)
      void this.#tell(service.metadata?.name ?? '', LOCAL)
      return
    }
    const available = isConditionTrue(status?.conditions, 'Available')
    if (changed) this.#add(key, service, available)
    else if (this.#remotes.get(key)!.available !== available) {
      this.#remotes.get(key)!.available = available
      this.generation++
    }
  }

  #add(key: string, { metadata, spec }: APIService, available: boolean): void {
    this.#drop(key)
    this.#watch()
    const remote = new Remote(spec!, {
      ...this.#context,
      tell: (availability) => this.#tell(metadata?.name ?? '', availability),
      changed: () => void this.generation++,
    })
    remote.available = available
    this.#remotes.set(key, remote)
    this.generation++
    void remote.follow(this.#signal!)
  }

  #forget(key: string): void {
    if (this.#specs.delete(key)) this.generation++
    this.#drop(key)
  }

  #drop(key: string): void {
    const remote = this.#remotes.get(key)
    if (!remote) return
    this.#remotes.delete(key)
    remote[Symbol.dispose]()
    this.generation++
    if (this.#remotes.size > 0) return
    this.#watching?.dispose()
    this.#watching = undefined
  }

  /** Services and their endpoints matter only while somebody depends on them. */
  #watch(): void {
    if (this.#watching) return
    const { reader } = this.#context
    const wake = (namespace = '', name = '') => {
      for (const remote of this.#remotes.values())
        if (remote.server.service.namespace === namespace && remote.server.service.name === name) remote.wake()
    }
    this.#watching = new DisposableStack()
    this.#watching.use(
      reader.onChange(Service, ({ object, previous }) => {
        const { metadata } = object ?? previous ?? {}
        wake(metadata?.namespace, metadata?.name)
      }),
    )
    this.#watching.use(
      reader.onChange(EndpointSlice, ({ object, previous }) => {
        const slice = object ?? previous
        if (slice) wake(slice.metadata?.namespace, serviceOf(slice))
      }),
    )
  }

  async #tell(name: string, { status, reason, message }: Availability): Promise<void> {
    const { writer, clock, log, reader } = this.#context
    const before = conditionOf(reader.get(APIService, { name })?.status?.conditions, 'Available')
    if (before?.status === status && before.reason === reason && before.message === message) return
    const change = (service: APIService) => {
      const present = conditionOf(service.status?.conditions, 'Available')
      const since = present?.status === status ? present.lastTransitionTime : undefined
      const condition = { type: 'Available', status, reason, message, lastTransitionTime: since ?? formatTime(clock.now()) }
      service.status = { ...service.status, conditions: [...withoutCondition(service.status?.conditions, 'Available'), condition] }
    }
    try {
      await writer.modify(APIService, { name }, change, { subresource: 'status' })
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !this.#signal?.aborted)
        log.error('cannot tell whether an API service is available', { name, error })
    }
  }
}

function keyOf(spec: APIServiceSpec | undefined): string {
  return spec ? `${spec.group ?? ''}/${spec.version ?? ''}` : ''
}
