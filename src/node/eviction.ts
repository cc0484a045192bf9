// Pods that take what they may not: volumes and containers over their limit end their pod; a machine short of memory or disk says so on its node, and
// ends pods, the least entitled first, before the kernel does.
import { statfs } from 'node:fs/promises'
import type { Pod } from '#api/generated/types.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Agent } from '#node/agent/agent.ts'
import { isCritical, qosClassOf } from '#node/agent/resources.ts'
import { type LocalStorage, podsOverLimit } from './local-storage.ts'
import type { Pressure } from './node-status.ts'

const PERIOD_MS = 10_000
/** A pressure stays shown so long after it has passed. */
const TRANSITION_MS = 5 * 60_000
const MEMORY_THRESHOLD = 100 * 1024 * 1024
/** A tenth of the disk as upstream, but no more than is of use: a large disk nine tenths full has room enough. */
const DISK_THRESHOLD = 0.1
const DISK_ENOUGH = 5 * 1024 ** 3

export interface EvictionOptions {
  clock: Clock
  log: Logger
  agent: Pick<Agent, 'activePods' | 'evict'>
  storage: LocalStorage
  availableMemory(): number
  directory: string
}

export class Eviction {
  readonly #options: EvictionOptions
  /** When it was last so. */
  readonly #short = { memory: -Infinity, disk: -Infinity }
  #busy = false

  constructor(options: EvictionOptions) {
    this.#options = options
  }

  pressure(): Pressure {
    const now = this.#options.clock.monotonic()
    const { memory, disk } = this.#short
    return { memory: now - memory < TRANSITION_MS, disk: now - disk < TRANSITION_MS, pid: false }
  }

  start(): Disposable {
    return this.#options.clock.every(PERIOD_MS, () => {
      if (this.#busy) return
      this.#busy = true
      void this.#look()
        .catch((error: unknown) => this.#options.log.warn('could not look at what pods use', { error }))
        .finally(() => {
          this.#busy = false
        })
    })
  }

  async #look(): Promise<void> {
    const { clock, agent, storage, directory } = this.#options
    const evictable = agent.activePods().filter((pod) => !isCritical(pod))
    for (const [pod, message] of await podsOverLimit(evictable, storage)) agent.evict(pod.metadata?.uid ?? '', { message, pressure: false })
    const { blocks, bavail, bsize } = await statfs(directory)
    if (blocks > 0 && bavail / blocks < DISK_THRESHOLD && bavail * bsize < DISK_ENOUGH) this.#short.disk = clock.monotonic()
    const available = this.#options.availableMemory()
    if (available >= MEMORY_THRESHOLD) return
    this.#short.memory = clock.monotonic()
    const victim = leastEntitled(agent.activePods())
    if (!victim) return
    const message = `The node was low on resource: memory. Threshold quantity: 100Mi, available: ${Math.floor(available / 1024)}Ki. `
    agent.evict(victim.metadata?.uid ?? '', { message, pressure: true })
  }
}

const RANK = { BestEffort: 0, Burstable: 1, Guaranteed: 2 }

function leastEntitled(pods: readonly Pod[]): Pod | undefined {
  return [...pods]
    .filter((pod) => !isCritical(pod) && !pod.metadata?.deletionTimestamp)
    .sort((a, b) => RANK[qosClassOf(a)] - RANK[qosClassOf(b)] || (a.spec?.priority ?? 0) - (b.spec?.priority ?? 0))[0]
}
