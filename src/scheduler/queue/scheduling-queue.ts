// Pods that wait for a node: ready now (highest priority first), backing off, refused until something changes that may help, or gated.
import type { Clock, Timer } from '#lib/clock.ts'
import { EXTENDER } from '#scheduler/diagnosis.ts'
import type { ClusterChange, Plugin } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { Heap } from '#lib/heap.ts'
import { changeName } from './change-names.ts'
import { needsOf } from './needs.ts'

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
  /** Tried before its time, after that many changes. */
  early: number | undefined
  /** While it backs off: those that do, too, and need the same. */
  alike: Alike | undefined
  /** Times it was refused; and times it failed by an error since. */
  refusals: number
  errors: number
}

interface Alike {
  readonly pods: Set<QueuedPod>
  /** After that many changes one of them was tried early and found no room: until the next none will. */
  vain: number | undefined
}

interface Due {
  queued: QueuedPod
  at: number
}

export const INITIAL_BACKOFF_MS = 1000
export const MAX_BACKOFF_MS = 10_000
/** Why pods come to wait, as upstream has it. */
const POD_ADDED = 'UnscheduledPodAdd'
const POD_UPDATED = 'UnscheduledPodUpdate'
const ATTEMPT_FAILED = 'ScheduleAttemptFailure'
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
  /** A pod came to wait there, and why. */
  entered?(queue: 'active' | 'backoff' | 'unschedulable', event: string): void
  /** A plugin was asked whether a change helps a pod: of one question in ten, as they are many. */
  hinted?(plugin: string, hint: { event: string; helps: boolean; tookMs: number }): void
}

const HINT_SAMPLE = 10

export class SchedulingQueue implements Disposable {
  readonly #options: SchedulingQueueOptions
  readonly #pods = new Map<string, QueuedPod>()
  readonly #active = new Heap<QueuedPod>((a, b) =>
    a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.since !== b.since ? a.since < b.since : a.turn < b.turn,
  )
  readonly #backoff = new Heap<Due>((a, b) => a.at < b.at)
  /** Those that back off for want of a node, by what they need. */
  readonly #alike = new Map<string, Alike>()
  /** Of these some may be worth trying early, the last first; as of that many changes. */
  #hopeful: { of: Alike[]; changes: number } = { of: [], changes: 0 }
  #changes = 0
  /** Pods for which others are being evicted, and what changed meanwhile that may help them. */
  readonly #held = new Map<string, string | undefined>()
  readonly #refused = new Set<QueuedPod>()
  readonly #gated = new Set<QueuedPod>()
  /** Being tried while the cluster goes on, and what changed meanwhile; undefined: too much to remember. */
  readonly #slow = new Map<QueuedPod, ClusterChange[] | undefined>()
  readonly #flush: Timer
  #backoffTimer: Timer | undefined
  #turn = 0
  #hints = 0

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
    const change: ClusterChange = { type: 'own', pod: info.pod, previous: previous.pod }
    if (queued.state === 'taken') return this.#remember(queued, change)
    const gated = this.#options.isGated(info)
    if (queued.state === 'gated') {
      if (!gated) this.#activate(queued, POD_UPDATED)
    } else if (gated) {
      this.#refused.delete(queued)
      this.#leaveBackoff(queued)
      this.#gate(queued, POD_UPDATED)
    } else if (queued.state === 'active') {
      if (previous.priority !== info.priority) this.#replace(queued)
    } else if (queued.state === 'refused' && this.#mayHelp(change, queued)) {
      this.#requeue(queued, POD_UPDATED)
    }
  }

  delete(uid: string): void {
    const queued = this.#pods.get(uid)
    if (!queued) return
    this.#pods.delete(uid)
    this.#refused.delete(queued)
    this.#gated.delete(queued)
    this.#slow.delete(queued)
    this.#leaveBackoff(queued)
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

  /** Where ever so many wait for room, each change would have all of them tried: the first of those alike that finds none speaks for the rest. */
  #takeEarly(): QueuedPod | undefined {
    if (this.#hopeful.changes !== this.#changes) this.#hopeful = { of: [...this.#alike.values()].toReversed(), changes: this.#changes }
    const { of } = this.#hopeful
    for (let alike = of.at(-1); alike; of.pop(), alike = of.at(-1)) {
      if (alike.vain === this.#changes) continue
      for (const queued of alike.pods) {
        this.#leaveBackoff(queued)
        queued.alike = alike
        queued.early = this.#changes
        this.#options.entered?.('active', 'PopFromBackoffQ')
        return queued
      }
    }
    return undefined
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

  /** No node would do; it waits until one of these plugins thinks a change helps. `promised`: not in vain, others are to make room for it. */
  refused(queued: QueuedPod, plugins: ReadonlySet<string>, { promised = false } = {}): void {
    if (queued.state !== 'taken') return
    if (!promised && queued.alike && queued.early !== undefined) queued.alike.vain = queued.early
    const missed = this.#slow.has(queued) ? this.#slow.get(queued) : []
    this.#settle(queued, plugins, false)
    queued.state = 'refused'
    this.#refused.add(queued)
    this.#options.entered?.('unschedulable', ATTEMPT_FAILED)
    const helping = missed?.find((change) => this.#mayHelp(change, queued))
    if (!missed || helping) this.#requeue(queued, helping ? changeName(helping) : ATTEMPT_FAILED)
  }

  /** Something went wrong that is not the pod's fault: it comes back after its backoff. */
  failed(queued: QueuedPod): void {
    if (queued.state !== 'taken') return
    this.#settle(queued, new Set(), true)
    this.#requeue(queued, ATTEMPT_FAILED)
  }

  /** The pod is not tried again until those are gone, or doomed, that make room for it. */
  hold(uid: string): void {
    this.#held.set(uid, undefined)
  }

  /** `failed`: nobody makes room after all. */
  unhold(uid: string, { failed }: { failed: boolean }): void {
    const missed = this.#held.get(uid)
    this.#held.delete(uid)
    const queued = this.#pods.get(uid)
    if ((missed !== undefined || failed) && queued?.state === 'refused') this.#requeue(queued, missed ?? 'ForceActivate')
  }

  /** Wakes pods that the change may help. */
  changed(change: ClusterChange): void {
    this.#changes++
    if (this.#alike.size > 0) this.#options.wake()
    for (const queued of this.#slow.keys()) this.#remember(queued, change)
    if (this.#refused.size + this.#gated.size === 0) return
    const event = changeName(change)
    for (const queued of this.#refused) if (this.#mayHelp(change, queued)) this.#requeue(queued, event)
    // Gates in the pod itself open with the pod; others may stand elsewhere.
    if (change.type === 'object') for (const queued of this.#gated) if (!this.#options.isGated(queued.info)) this.#activate(queued, event)
  }

  /** For when the pod has been tried, if that takes a while. */
  #remember(queued: QueuedPod, change: ClusterChange): void {
    const missed = this.#slow.get(queued)
    if (missed && missed.length < MAX_REMEMBERED) missed.push(change)
    else if (missed) this.#slow.set(queued, undefined)
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

  /** What changed while pods are being tried, by name: of the pod that has been tried longest. */
  get missed(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const changes of this.#slow.values()) {
      if (!changes) continue
      for (const change of changes) counts.set(changeName(change), (counts.get(changeName(change)) ?? 0) + 1)
      break
    }
    return counts
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
      early: undefined,
      alike: undefined,
      refusals: 0,
      errors: 0,
    }
    this.#pods.set(info.uid, queued)
    if (this.#options.isGated(info)) this.#gate(queued, POD_ADDED)
    else this.#activate(queued, POD_ADDED)
  }

  #mayHelp(change: ClusterChange, { plugins, info }: QueuedPod): boolean {
    if (change.type === 'pod gone' && info.priority > (change.priority ?? Infinity)) return false
    // Refused by no plugin at all: there was no node.
    if (plugins.size === 0) return change.type === 'node' && !change.previous
    if (plugins.has(EXTENDER)) return true
    return this.#options.pluginsOf(info).some((plugin) => plugins.has(plugin.name) && plugin.helps && this.#hint(plugin, change, info))
  }

  #hint(plugin: Plugin, change: ClusterChange, info: PodInfo): boolean {
    const { clock, hinted } = this.#options
    if (!hinted || this.#hints++ % HINT_SAMPLE > 0) return plugin.helps!(change, info)
    const began = clock.monotonic()
    const helps = plugin.helps!(change, info)
    hinted(plugin.name, { event: changeName(change), helps, tookMs: clock.monotonic() - began })
    return helps
  }

  #settle(queued: QueuedPod, plugins: ReadonlySet<string>, erred: boolean): void {
    this.#slow.delete(queued)
    queued.early = undefined
    queued.alike = undefined
    const now = this.#options.clock.now()
    queued.plugins = plugins
    queued.since = now
    if (erred) queued.errors++
    else {
      queued.refusals++
      queued.errors = 0
    }
    const { initialBackoffMs = INITIAL_BACKOFF_MS, maxBackoffMs = MAX_BACKOFF_MS } = this.#options
    queued.backoffUntil = now + Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.min(10, (queued.errors || queued.refusals) - 1))
  }

  #requeue(queued: QueuedPod, event: string): void {
    if (queued.state === 'refused' && this.#held.has(queued.info.uid)) return void this.#held.set(queued.info.uid, event)
    this.#refused.delete(queued)
    if (queued.backoffUntil <= this.#options.clock.now()) return this.#activate(queued, event)
    this.#options.entered?.('backoff', event)
    queued.state = 'backoff'
    if (queued.errors === 0) this.#joinAlike(queued)
    this.#backoff.push({ queued, at: queued.backoffUntil })
    this.#armBackoff()
    this.#options.wake()
  }

  #joinAlike(queued: QueuedPod): void {
    const needs = needsOf(queued.info)
    const alike = this.#alike.get(needs) ?? { pods: new Set(), vain: undefined }
    this.#alike.set(needs, alike)
    alike.pods.add(queued)
    queued.alike = alike
    if (this.#hopeful.changes === this.#changes) this.#hopeful.of.push(alike)
  }

  #leaveBackoff(queued: QueuedPod): void {
    const { alike } = queued
    queued.alike = undefined
    if (!alike?.pods.delete(queued) || alike.pods.size > 0) return
    const needs = needsOf(queued.info)
    if (this.#alike.get(needs) === alike) this.#alike.delete(needs)
  }

  #gate(queued: QueuedPod, event: string): void {
    queued.state = 'gated'
    this.#gated.add(queued)
    this.#options.entered?.('unschedulable', event)
  }

  #activate(queued: QueuedPod, event: string): void {
    this.#gated.delete(queued)
    this.#leaveBackoff(queued)
    this.#options.entered?.('active', event)
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
    const due = this.#backoff.peek()?.at
    if (due === undefined) return
    this.#backoffTimer = this.#options.clock.after(Math.max(0, due - this.#options.clock.now()), () => {
      const now = this.#options.clock.now()
      for (let first = this.#backoff.peek(); first && (!backsOff(first) || first.at <= now); first = this.#backoff.peek()) {
        this.#backoff.pop()
        if (backsOff(first)) this.#activate(first.queued, 'BackoffComplete')
      }
      this.#armBackoff()
    })
  }

  #flushRefused(): void {
    const now = this.#options.clock.now()
    for (const queued of this.#refused) if (now - queued.since > MAX_REFUSED_MS) this.#requeue(queued, 'UnschedulableTimeout')
  }
}

function backsOff({ queued, at }: Due): boolean {
  return queued.state === 'backoff' && queued.backoffUntil === at
}

function takeLive(heap: Heap<QueuedPod>, state: QueuedPod['state']): QueuedPod | undefined {
  for (let queued = heap.pop(); queued; queued = heap.pop()) if (queued.state === state) return queued
  return undefined
}
