// Many nodes for the price of one: they join the cluster, heartbeat, and show the pods bound to them as Running and Ready, without any
// container. One informer, one heartbeat loop and a bounded number of writes at a time serve them all.
import { ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import { claimNames, firstSubnetFor, type NamesOptions } from './joining.ts'
import { Member } from './member.ts'
import { WorkPool } from './work-pool.ts'

export interface SimulatedNodesOptions extends Pick<FleetOptions, 'capacity' | 'stages'> {
  count: number
  client: Client
  informers: Informers
  clock: Clock
  log: Logger
  /** `simulated-0` and so on. */
  namePrefix?: string
  /** Number of the first node's subnet. */
  firstSubnet?: number
  labels?(ordinal: number): Record<string, string>
  /** Others may simulate nodes of this cluster: names and ranges of theirs are refused. `firstSubnet` is any that is free unless given. */
  joining?: Pick<NamesOptions, 'identity' | 'isGone'>
}

const NAME_PREFIX = 'simulated'
const HEARTBEAT_MS = 20_000
const BEATS = 20
const CONCURRENCY = 192
/** Leases and reports go past whatever else waits: nodes whose pods are many are as alive as others. */
const HEARTBEAT_CONCURRENCY = 16
const RETRY_MS = 500

export function createSimulatedNodes(options: SimulatedNodesOptions): Service {
  return new SimulatedNodes(options)
}

class SimulatedNodes implements Service {
  readonly name: string
  readonly #options: SimulatedNodesOptions
  readonly #members = new Map<string, Member>()

  constructor(options: SimulatedNodesOptions) {
    this.name = `simulated nodes (${options.count})`
    this.#options = options
    const { count, namePrefix = NAME_PREFIX, firstSubnet = 0 } = options
    for (let ordinal = 0; ordinal < count; ordinal++) {
      const name = `${namePrefix}-${ordinal}`
      this.#members.set(name, new Member(name, { ordinal, number: firstSubnet + ordinal, phase: ordinal / count }, options))
    }
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { joining, client, clock, log, namePrefix = NAME_PREFIX, firstSubnet } = this.#options
    const stop = new AbortController()
    await using starting = new AsyncDisposableStack()
    const working = new AsyncDisposableStack()
    if (joining) {
      const onLost = (holder: string) => {
        log.error(
          'another process simulates nodes of these names since this one was held up: those here do nothing any more, start them again',
          {
            namePrefix,
            holder,
          },
        )
        void working.disposeAsync()
      }
      starting.use(await claimNames({ ...joining, client, clock, log, namePrefix, onLost }, signal))
      const first = await firstSubnetFor([...this.#members.keys()], { client, wanted: firstSubnet })
      for (const [ordinal, member] of [...this.#members.values()].entries()) member.number = first + ordinal
    }
    starting.use(working)
    working.defer(() => stop.abort(new Error('the simulated nodes were stopped')))
    const pool = new WorkPool({ concurrency: CONCURRENCY, clock, log, signal: stop.signal })
    // From the first that has joined on: all of a large fleet may take longer than a node may be silent.
    working.use(this.#heartbeats(new WorkPool({ concurrency: HEARTBEAT_CONCURRENCY, clock, log, signal: stop.signal })))
    await Promise.all([...this.#members.values()].map((member) => pool.run(() => member.join(), { retryMs: RETRY_MS, signal })))
    stop.signal.throwIfAborted()
    const fleet = new Fleet({ ...this.#options, members: this.#members, pool, signal: stop.signal })
    working.use(await fleet.start(signal))
    return starting.move()
  }

  #heartbeats(pool: WorkPool): Disposable {
    const all = [...this.#members.values()]
    // Few nodes wake no oftener than they have to.
    const beats = Math.max(1, Math.min(BEATS, all.length))
    let beat = 0
    return this.#options.clock.every(HEARTBEAT_MS / beats, () => {
      beat = (beat + 1) % beats
      for (let index = beat; index < all.length; index += beats) {
        const member = all[index]!
        if (!member.alive) continue
        if (member.reportIsDue) pool.add(`heartbeat ${member.name}`, () => member.report())
        pool.add(`lease ${member.name}`, () => member.renew().catch(ignoreNotFound))
      }
    })
  }
}
