// Priority and fairness: the levels and flows there are, as the cluster's objects say now, and the seats each level has. The two levels every server has,
// `exempt` and `catch-all`, are there without objects too. Requests of this process do not come here: the control plane's own loops are bounded by
// their work queues and cost no connection, and were they to wait behind strangers, nothing would mend what the strangers do.
import { equal } from '#api/equal.ts'
import type { PriorityLevelConfigurationSpec } from '#api/generated/types.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { CATCH_ALL_LEVEL, EXEMPT_SCHEMA } from '#api/kinds/flowcontrol/mandatory.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import { Series } from '#lib/histogram.ts'
import type { RequestInfo } from '#server/http/request-info.ts'
import type { ObjectReader } from '#server/request.ts'
import { boundsOf, type Claim, Demand, type SeatBounds, share, sharesOf } from './concurrency.ts'
import { FairQueues, type Queuing, type Rejection } from './fair-queues.ts'
import { FlowSchemas } from './flow-schemas.ts'

export interface PriorityLevel {
  name: string
  uid: string
  exempt: boolean
  queues: FairQueues
  bounds: SeatBounds
  demand: Demand
  target: number
  /** Of exempt levels, whose requests pass by the queues. */
  passing: Set<Passing>
}

/** Who asks for what. */
export interface Asked {
  username: string
  info: RequestInfo
}

export interface Passing extends Asked {
  flowSchema: string
  startedMs: number
}

export interface Flow {
  name: string
  uid: string
  level: PriorityLevel
  distinguisher: 'ByUser' | 'ByNamespace' | ''
  counts: FlowCounts
}

/** Survive changes of configuration. */
export interface FlowCounts {
  level: string
  flow: string
  dispatched: number
  rejected: Map<Rejection, number>
  waiting: number
  executing: number
  waited: Series
  /** Of those who were turned away in the end. */
  waitedInVain: Series
  ran: Series
  /** Watches, until what they begin with was on its way. */
  ranWatches: Series
}

export interface FairnessParts {
  reader: ObjectReader
  clock: Clock
  /** Seats of the whole server. */
  seats: number
  /** False: the server does not know these kinds; only the two levels it always has are there. */
  configurable: boolean
}

const ADJUST_MS = 10_000
/** A quarter of how long a request may take. */
const WAIT_LIMIT_MS = 15_000
const BUCKETS_SECONDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30]

const EXEMPT: PriorityLevelConfigurationSpec = { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }

export class Fairness {
  readonly #parts: FairnessParts
  readonly #levels = new Map<string, PriorityLevel>()
  readonly #counts = new Map<string, FlowCounts>()
  #schemas: FlowSchemas<Flow>
  /** What seats were last shared out by. */
  #shared: { claims: readonly Claim[]; seats: readonly number[] } = { claims: [], seats: [] }
  fraction = 1

  constructor(parts: FairnessParts) {
    this.#parts = parts
    this.#schemas = this.#configure([], [])
  }

  get levels(): Iterable<PriorityLevel> {
    return this.#levels.values()
  }

  get counts(): Iterable<FlowCounts> {
    return this.#counts.values()
  }

  match(user: UserInfo, info: RequestInfo): Flow {
    return this.#schemas.match(user, info)
  }

  /** Takes the configuration as it is, follows it, and adjusts the seats, until the signal aborts. Resolves at once. */
  start(signal: AbortSignal): void {
    const { reader, clock, configurable } = this.#parts
    const stack = new DisposableStack()
    signal.addEventListener('abort', () => stack.dispose(), { once: true })
    stack.use(clock.every(ADJUST_MS, () => this.adjust()))
    if (!configurable) return
    const read = () => void (this.#schemas = this.#configure([...reader.list(FlowSchema)], [...reader.list(PriorityLevelConfiguration)]))
    let due = false
    // A burst of changes is one change.
    const changed = () => {
      if (due) return
      due = true
      queueMicrotask(() => {
        due = false
        if (!signal.aborted) read()
      })
    }
    stack.use(reader.onChange(FlowSchema, changed))
    stack.use(reader.onChange(PriorityLevelConfiguration, changed))
    read()
  }

  /** Shares the seats out anew by what was wanted since the last time. */
  adjust(): void {
    const limited = [...this.#levels.values()].filter(({ exempt }) => !exempt)
    const claims = limited.map((level) => {
      level.demand.take(level.queues.takePeak())
      const { nominal, least, most } = level.bounds
      const lower = Math.max(least, Math.min(nominal, level.demand.high))
      level.target = Math.max(lower, level.demand.smoothed)
      return { least: lower, most: Math.max(lower, most), target: Math.max(level.target, 1) }
    })
    if (!equal(claims, this.#shared.claims)) {
      const { seats, fraction } = share(claims, this.#parts.seats)
      this.fraction = fraction
      this.#shared = { claims, seats }
    }
    for (const [at, level] of limited.entries()) level.queues.limit = this.#shared.seats[at]!
  }

  #configure(schemas: readonly FlowSchema[], objects: readonly PriorityLevelConfiguration[]): FlowSchemas<Flow> {
    const specs = new Map<string, { spec: PriorityLevelConfigurationSpec; uid: string }>([
      ['exempt', { spec: EXEMPT, uid: '' }],
      ['catch-all', { spec: CATCH_ALL_LEVEL, uid: '' }],
    ])
    for (const { metadata, spec } of objects) if (spec) specs.set(metadata!.name!, { spec, uid: metadata!.uid ?? '' })
    const allShares = [...specs.values()].reduce((sum, { spec }) => sum + sharesOf(spec).shares, 0)
    for (const name of this.#levels.keys()) if (!specs.has(name)) this.#levels.delete(name)
    for (const [name, { spec, uid }] of specs) this.#settle(name, { spec, uid, allShares })
    const flowOf = ({ metadata, spec }: FlowSchema): Flow | undefined => {
      const level = this.#levels.get(spec!.priorityLevelConfiguration.name)
      const name = metadata?.name ?? ''
      const distinguisher = (spec!.distinguisherMethod?.type ?? '') as Flow['distinguisher']
      return level && { name, uid: metadata?.uid ?? '', level, distinguisher, counts: this.#countsOf(level.name, name) }
    }
    const last = this.#levels.get('catch-all')!
    const uid = schemas.find(({ metadata }) => metadata?.name === 'catch-all')?.metadata?.uid ?? ''
    const all = schemas.some(({ metadata }) => metadata?.name === 'exempt')
      ? schemas
      : [{ metadata: { name: 'exempt' }, spec: EXEMPT_SCHEMA }, ...schemas]
    return new FlowSchemas(all, {
      flowOf,
      last: { name: 'catch-all', uid, level: last, distinguisher: 'ByUser', counts: this.#countsOf('catch-all', 'catch-all') },
    })
  }

  #settle(name: string, { spec, uid, allShares }: { spec: PriorityLevelConfigurationSpec; uid: string; allShares: number }): void {
    const { clock, seats } = this.#parts
    const bounds = boundsOf(spec, { seats, allShares })
    const queuing = queuingOf(spec)
    const exempt = spec.type === 'Exempt'
    const known = this.#levels.get(name)
    if (!known) {
      const queues = new FairQueues({ clock, waitLimitMs: WAIT_LIMIT_MS, queuing })
      queues.limit = bounds.nominal
      this.#levels.set(name, { name, uid, exempt, queues, bounds, demand: new Demand(), target: 0, passing: new Set() })
      return
    }
    // What is on its way in a level keeps the level it came to.
    known.queues.configure(queuing)
    if (bounds.nominal !== known.bounds.nominal) known.queues.limit = bounds.nominal
    Object.assign(known, { uid, exempt, bounds })
  }

  #countsOf(level: string, flow: string): FlowCounts {
    const key = `${level}/${flow}`
    const known = this.#counts.get(key)
    if (known) return known
    const series = (more: Record<string, string>) => new Series({ priority_level: level, flow_schema: flow, ...more }, BUCKETS_SECONDS)
    const made = {
      level,
      flow,
      dispatched: 0,
      rejected: new Map(),
      waiting: 0,
      executing: 0,
      waited: series({ execute: 'true' }),
      waitedInVain: series({ execute: 'false' }),
      ran: series({ type: 'regular' }),
      ranWatches: series({ type: 'watch' }),
    }
    this.#counts.set(key, made)
    return made
  }
}

function queuingOf({ limited }: PriorityLevelConfigurationSpec): Queuing | undefined {
  if (limited?.limitResponse?.type !== 'Queue') return undefined
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = limited.limitResponse.queuing ?? {}
  return { queues, handSize: Math.min(handSize, queues), queueLengthLimit }
}
