// A simulated node that is short of something ends its pods one by one, as a kubelet does: first those that use more than they requested, of these the
// least important, of these the one that is furthest over. Pods use what their annotations say, else half of what they request.
import { isFinished } from '#api/finished-pod.ts'
import type { Container, Pod } from '#api/generated/types.ts'
import { isQuantity, quantityValue } from '#api/quantity.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import { isCritical, podRequest } from '#node/agent/resources.ts'
import type { Pressure } from '#node/node-status.ts'

/** Between two looks, of which each ends one pod at most. */
const EVICTION_PERIOD_MS = 10_000
const USAGE = 'sampan.dev/usage-memory'
/** Nothing runs on nothing. */
const LEAST_USAGE = 1024 * 1024
const NONE: Pressure = { memory: false, disk: false, pid: false }
const RESOURCES = { memory: 'memory', disk: 'ephemeral-storage', pid: 'pids' } as const

/** What a kubelet calls what is short; memory counts first. */
function shortOf(pressure: Pressure): string | undefined {
  const first = (['memory', 'disk', 'pid'] as const).find((what) => pressure[what])
  return first && RESOURCES[first]
}

export interface EvictionOptions {
  clock: Clock
  /** undefined: the node does nothing. */
  pressureOf(node: string): Pressure | undefined
  podsOf(node: string): readonly Pod[]
  attempt(node: string, resource: string): void
  evict(pod: Pod, message: string): void
}

/** Looks at nodes from time to time for as long as they are short of something. */
export class Evictions implements Disposable {
  readonly #options: EvictionOptions
  readonly #timers = new Map<string, Timer>()

  constructor(options: EvictionOptions) {
    this.#options = options
  }

  /** To be told whenever what a node is short of may have changed. */
  follow(node: string): void {
    const { clock, pressureOf } = this.#options
    this.#timers.get(node)?.cancel()
    this.#timers.delete(node)
    const pressure = pressureOf(node)
    if (pressure && shortOf(pressure))
      this.#timers.set(
        node,
        clock.after(EVICTION_PERIOD_MS, () => this.#look(node)),
      )
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #look(node: string): void {
    const { pressureOf, podsOf, attempt, evict } = this.#options
    const resource = shortOf(pressureOf(node) ?? NONE)
    if (!resource) return
    attempt(node, resource)
    const victim = victimOf(podsOf(node), resource)
    if (victim) evict(victim.pod, victim.message)
    this.follow(node)
  }
}

export interface Victim {
  pod: Pod
  message: string
}

/** Who goes next. */
export function victimOf(pods: readonly Pod[], resource: string): Victim | undefined {
  const rated = pods
    .filter((pod) => !isCritical(pod) && !pod.metadata?.deletionTimestamp && !isFinished(pod))
    .map((pod) => {
      const used = (pod.spec?.containers ?? []).reduce((sum, container) => sum + usageOf(pod, container, resource), 0)
      const over = used - (resource === 'pids' ? 0 : podRequest(pod, resource).value())
      return { pod, over, exceeds: over > 0, priority: pod.spec?.priority ?? 0 }
    })
  const [first] = rated.sort(
    (a, b) =>
      Number(b.exceeds) - Number(a.exceeds) || a.priority - b.priority || b.over - a.over || (nameOf(a.pod) < nameOf(b.pod) ? -1 : 1),
  )
  if (!first) return undefined
  const greedy = (first.pod.spec?.containers ?? []).flatMap((container) => {
    const [used, requested] = [usageOf(first.pod, container, resource), requestOf(container, resource)]
    if (resource !== 'memory' || used <= quantityValue(requested)) return []
    return `Container ${container.name} was using ${Math.ceil(used / 1024)}Ki, request is ${requested}, has larger consumption of ${resource}. `
  })
  return { pod: first.pod, message: `The node was low on resource: ${resource}. ${greedy.join('')}` }
}

function requestOf({ resources }: Container, resource: string): string {
  return resources?.requests?.[resource] ?? '0'
}

function usageOf({ metadata, spec }: Pod, container: Container, resource: string): number {
  const said = metadata?.annotations?.[`${USAGE}.${container.name}`] ?? metadata?.annotations?.[USAGE]
  const shared = metadata?.annotations?.[`${USAGE}.${container.name}`] === undefined ? (spec?.containers.length ?? 1) : 1
  if (resource === 'memory' && said !== undefined && isQuantity(said)) return quantityValue(said) / shared
  return Math.max(LEAST_USAGE, quantityValue(requestOf(container, resource)) / 2)
}

function nameOf({ metadata }: Pod): string {
  return `${metadata?.namespace}/${metadata?.name}`
}
