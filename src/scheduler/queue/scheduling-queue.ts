// Pods that wait for a node: ready now (highest priority first), backing off, refused until something changes that may help, or gated.
import { equal } from '#api/equal.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import { EXTENDER } from '#scheduler/diagnosis.ts'
import type { ClusterChange, Plugin } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { Heap } from '#lib/heap.ts'

export interface QueuedPod {
  info: PodInfo
  /** Times it was tried. */
  attempts: number
  /** When it could be tried first, by the monotonic clock; undefined: it never could. */
  ready: number | undefined
  /** When it last came in, and its turn among those of the same moment. */
  since: number
  turn: number
  state: 'active' | 'backoff' | 'refused' | 'gated' | 'taken' | 'gone'
  /** Names of the plugins that refused it last. */
  plugins: ReadonlySet<string>
  backoffUntil: number
  /** Tried before its time. */
  early: boolean
  /** Failed by an error rather than for want of a node. */
  erred: boolean
}

export const INITIAL_BACKOFF_MS = 1000
export const MAX_BACKOFF_MS = 10_000
/** So many pods may be tried early after a change without finding room; the others wait for their time. */
const MOST_VAIN = 10
const MAX_REMEMBERED = 256
const MAX_REFUSED_MS = 5 * 60_000
const FLUSH_PERIOD_MS = 30_000

export interface SchedulingQueueOptions {
  clock: Clock
  /** What a pod must get past. */
  pluginsOf(pod: PodInfo): readonly Plugin[]
  /** Whether it must not be tried yet. */
  isGated(pod: PodInfo): boolean
  initialBackoffMs?: number
  maxBackoffMs?: number
  /** Called when a pod may be ready. */
  wake(): void
}

export class SchedulingQueue implements Disposable {
  readonly #options: SchedulingQueueOptions
  readonly #pods = new Map<string, QueuedPod>()
  readonly #active = new Heap<QueuedPod>((a, b) =>
    a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.since !== b.since ? a.since < b.since : a.turn < b.turn,
  )
  readonly #backoff = new Heap<QueuedPod>((a, b) => a.backoffUntil < b.backoffUntil)
  readonly #erred = new Heap<QueuedPod>((a, b) => a.backoffUntil < b.backoffUntil)
  readonly #refused = new Set<QueuedPod>()
  readonly #gated = new Set<QueuedPod>()
  /** Being tried while the cluster goes on, and what changed meanwhile; undefined: too much to remember. */
  readonly #slow = new Map<QueuedPod, ClusterChange[] | undefined>()
  readonly #flush: Timer
  #backoffTimer: Timer | undefined
  /** Tried early since the last change, and refused. */
  #vain = 0
  #turn = 0

  constructor(options: SchedulingQueueOptions) {
    this.#options = options
    this.#flush = options.clock.every(FLUSH_PERIOD_MS, () => this.#flushRefused())
  }

  [Symbol.dispose](): void {
    this.#flush.cancel()
    this.#backoffTimer?.cancel()
  }

  /** A pod to schedule, new or changed. */
  set(info: PodInfo): void {
    const queued = this.#pods.get(info.uid)
    if (!queued) return this.#add(info)
    const previous = queued.info
    queued.info = info
    if (queued.state === 'taken') return
    const gated = this.#options.isGated(info)
    if (queued.state === 'gated') {
      if (!gated) this.#open(queued)
    } else if (gated) {
      this.#refused.delete(queued)
      queued.state = 'gated'
      this.#gated.add(queued)
    } else if (queued.state === 'active') {
      if (previous.priority !== info.priority) this.#replace(queued)
    } else if (queued.state === 'refused' && changesItsNeeds(previous.pod, info.pod)) {
      this.#requeue(queued)
    }
  }

  delete(uid: string): void {
    const queued = this.#pods.get(uid)
    if (!queued) return
    this.#pods.delete(uid)
    this.#refused.delete(queued)
    this.#gated.delete(queued)
    this.#slow.delete(queued)
    queued.state = 'gone'
  }

  /** The next pod to try, its attempt counted. With nothing ready, one that backs off for want of a node may go early. */
  take(): QueuedPod | undefined {
    const queued = takeLive(this.#active, 'active') ?? this.#takeEarly()
    if (!queued) return undefined
    queued.state = 'taken'
    queued.attempts++
    return queued
  }

  /** Where ever so many wait for room, each change would have all of them tried, for nothing but to hear again that others came first. */
  #takeEarly(): QueuedPod | undefined {
    if (this.#vain >= MOST_VAIN) return undefined
    const queued = takeLive(this.#backoff, 'backoff')
    if (queued) queued.early = true
    return queued
  }

  /** Trying the pod takes a while: what changes until it is placed or refused is not lost on it. */
  follow(queued: QueuedPod): void {
    this.#slow.set(queued, [])
  }

  /** The pod is on its way to a node. */
  done(queued: QueuedPod): void {
    this.#slow.delete(queued)
    this.#pods.delete(queued.info.uid)
    queued.state = 'gone'
  }

  /** No node would do; it waits until one of these plugins thinks a change helps. */
  refused(queued: QueuedPod, plugins: ReadonlySet<string>): void {
    if (queued.state !== 'taken') return
    const missed = this.#slow.has(queued) ? this.#slow.get(queued) : []
    this.#settle(queued, plugins, false)
    if (!missed || missed.some((change) => this.#mayHelp(change, queued))) return this.#requeue(queued)
    queued.state = 'refused'
    this.#refused.add(queued)
  }

  /** Something went wrong that is not the pod's fault: it comes back after its backoff. */
  failed(queued: QueuedPod): void {
    if (queued.state !== 'taken') return
    this.#settle(queued, new Set(), true)
    this.#requeue(queued)
  }

  /** Wakes pods that the change may help. */
  changed(change: ClusterChange): void {
    if (this.#vain >= MOST_VAIN) this.#options.wake()
    this.#vain = 0
    for (const [queued, missed] of this.#slow) {
      if (missed && missed.length < MAX_REMEMBERED) missed.push(change)
      else this.#slow.set(queued, undefined)
    }
    for (const queued of this.#refused) if (this.#mayHelp(change, queued)) this.#requeue(queued)
    // Gates in the pod itself open with the pod; others may stand elsewhere.
    if (change.type === 'object') for (const queued of this.#gated) if (!this.#options.isGated(queued.info)) this.#open(queued)
  }

  get waiting(): { active: number; backoff: number; refused: number; gated: number } {
    let active = 0
    let backoff = 0
    for (const { state } of this.#pods.values()) {
      if (state === 'active') active++
      else if (state === 'backoff') backoff++
    }
    return { active, backoff, refused: this.#refused.size, gated: this.#gated.size }
  }

  /** Pods for which there was no node. */
  get refusedPods(): Iterable<Readonly<QueuedPod>> {
    return this.#refused
  }

  #add(info: PodInfo): void {
    const queued: QueuedPod = {
      info,
      attempts: 0,
      ready: undefined,
      since: this.#options.clock.now(),
      turn: this.#turn++,
      state: 'gated',
      plugins: new Set(),
      backoffUntil: 0,
      early: false,
      erred: false,
    }
    this.#pods.set(info.uid, queued)
    if (this.#options.isGated(info)) this.#gated.add(queued)
    else this.#activate(queued)
  }

  #mayHelp(change: ClusterChange, { plugins, info }: QueuedPod): boolean {
    // Refused by no plugin at all: there was no node.
    if (plugins.size === 0) return change.type === 'node' && !change.previous
    if (plugins.has(EXTENDER)) return true
    return this.#options.pluginsOf(info).some((plugin) => plugins.has(plugin.name) && plugin.helps?.(change, info))
  }

  #settle(queued: QueuedPod, plugins: ReadonlySet<string>, erred: boolean): void {
    this.#slow.delete(queued)
    if (queued.early) this.#vain++
    queued.early = false
    const now = this.#options.clock.now()
    queued.plugins = plugins
    queued.erred = erred
    queued.since = now
    const { initialBackoffMs = INITIAL_BACKOFF_MS, maxBackoffMs = MAX_BACKOFF_MS } = this.#options
    queued.backoffUntil = now + Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.min(10, queued.attempts - 1))
  }

  #requeue(queued: QueuedPod): void {
    this.#refused.delete(queued)
    if (queued.backoffUntil <= this.#options.clock.now()) return this.#activate(queued)
    queued.state = 'backoff'
    ;(queued.erred ? this.#erred : this.#backoff).push(queued)
    this.#armBackoff()
    this.#options.wake()
  }

  #open(queued: QueuedPod): void {
    this.#gated.delete(queued)
    this.#activate(queued)
  }

  #activate(queued: QueuedPod): void {
    queued.ready ??= this.#options.clock.monotonic()
    queued.state = 'active'
    this.#active.push(queued)
    this.#options.wake()
  }

  /** Its place in the heap is no longer right: a copy of the entry takes over. */
  #replace(queued: QueuedPod): void {
    const copy = { ...queued }
    queued.state = 'gone'
    this.#pods.set(copy.info.uid, copy)
    this.#active.push(copy)
  }

  #armBackoff(): void {
    this.#backoffTimer?.cancel()
    const due = Math.min(this.#backoff.peek()?.backoffUntil ?? Infinity, this.#erred.peek()?.backoffUntil ?? Infinity)
    if (due === Infinity) return
    this.#backoffTimer = this.#options.clock.after(Math.max(0, due - this.#options.clock.now()), () => {
      const now = this.#options.clock.now()
      for (const heap of [this.#backoff, this.#erred]) {
        while (heap.peek() && (heap.peek()!.state !== 'backoff' || heap.peek()!.backoffUntil <= now)) {
          const queued = heap.pop()!
          if (queued.state === 'backoff') this.#activate(queued)
        }
      }
      this.#armBackoff()
    })
  }

  #flushRefused(): void {
    const now = this.#options.clock.now()
    for (const queued of this.#refused) if (now - queued.since > MAX_REFUSED_MS) this.#requeue(queued)
  }
}

function takeLive(heap: Heap<QueuedPod>, state: QueuedPod['state']): QueuedPod | undefined {
  for (let queued = heap.pop(); queued; queued = heap.pop()) if (queued.state === state) return queued
  return undefined
}

function changesItsNeeds(previous: Pod, next: Pod): boolean {
  return !equal(previous.spec, next.spec) || !equal(previous.metadata?.labels, next.metadata?.labels)
}
