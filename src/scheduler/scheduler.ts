// The scheduler: takes pods that wait, one at a time, finds each a node, assumes it there and binds it in the background.
// A cycle waits for nothing; only bindings and status go over the API, a bounded number at once.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Binding } from '#api/kinds/core/binding.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { Cluster } from './cluster.ts'
import { feedCluster } from './cluster-feed.ts'
import type { Diagnosis } from './diagnosis.ts'
import { NominatedPods } from './nominations.ts'
import { evictVictims } from './evict-victims.ts'
import { type NamedFilter, type Placement, placePod } from './place.ts'
import type { PodInfo } from './pod-info.ts'
import { PodStatusWriter } from './pod-status.ts'
import { type Candidate, preempt } from './preemption.ts'
import { defaultProfile, type Profile } from './profile.ts'
import { VolumeBinder } from './volumes/volume-binder.ts'
import { type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts'

export interface SchedulerOptions {
  client: Client
  informers: Informers
  /** Of component default-scheduler, writing events.k8s.io. */
  events: EventRecorder
  clock: Clock
  random: Random
  log: Logger
  profile?: Profile
}

type Refused = Extract<Placement, { diagnosis: Diagnosis }>

const MAX_BINDINGS = 64
/** Longer than this nothing else of the process should wait for its turn. */
const SLICE_MS = 4

export function createScheduler(options: SchedulerOptions): Service {
  return {
    name: 'scheduler',
    async start(signal) {
      const stop = new AbortController()
      await using starting = new AsyncDisposableStack()
      starting.defer(() => stop.abort(new Error('the scheduler was stopped')))
      const scheduler = new Scheduler(options, stop.signal)
      starting.use(scheduler.queue)
      const cancelled = new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
      starting.use(await Promise.race([scheduler.feed(), cancelled]))
      const running = scheduler.run()
      starting.defer(async () => {
        stop.abort(new Error('the scheduler was stopped'))
        scheduler.wake()
        await running
      })
      return starting.move()
    },
  }
}

class Scheduler {
  readonly #options: SchedulerOptions
  readonly #profile: Profile
  readonly #signal: AbortSignal
  readonly #cluster = new Cluster()
  readonly #nominations = new NominatedPods()
  readonly #status: PodStatusWriter
  readonly #volumes: VolumeBinder
  readonly queue: SchedulingQueue
  #bindings = 0
  #start = 0
  #wake: (() => void) | undefined

  constructor(options: SchedulerOptions, signal: AbortSignal) {
    const { client, clock, log, profile = defaultProfile() } = options
    this.#options = options
    this.#profile = profile
    this.#signal = signal
    this.#volumes = new VolumeBinder({ client, informers: options.informers, clock, signal })
    this.#cluster.volumeBinder = this.#volumes
    this.#status = new PodStatusWriter({ client, clock, log, signal })
    this.queue = new SchedulingQueue({ clock, plugins: profile.plugins.map(({ plugin }) => plugin), wake: () => this.wake() })
  }

  feed(): Promise<Disposable> {
    return feedCluster({
      informers: this.#options.informers,
      cluster: this.#cluster,
      queue: this.queue,
      nominations: this.#nominations,
      isOurs: ({ spec }) => (spec?.schedulerName || 'default-scheduler') === this.#profile.schedulerName,
      settled: (uid) => this.#status.forget(uid),
    })
  }

  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  async run(): Promise<void> {
    let sliceBegan = this.#options.clock.monotonic()
    while (!this.#signal.aborted) {
      const queued = this.#bindings < MAX_BINDINGS ? this.queue.take() : undefined
      if (!queued) {
        await new Promise<void>((resolve) => (this.#wake = resolve))
        sliceBegan = this.#options.clock.monotonic()
        continue
      }
      this.#schedule(queued)
      if (this.#options.clock.monotonic() - sliceBegan > SLICE_MS) {
        await nextTurn()
        sliceBegan = this.#options.clock.monotonic()
      }
    }
  }

  #schedule(queued: QueuedPod): void {
    const { info } = queued
    try {
      const { random } = this.#options
      const placement = placePod(info, this.#cluster, {
        profile: this.#profile,
        random,
        nominations: this.#nominations,
        start: this.#start,
      })
      this.#start = (this.#start + placement.examined) % Math.max(1, this.#cluster.nodes.length)
      if ('diagnosis' in placement) return this.#refused(queued, placement)
      this.#volumes.reserve(info, placement.node)
      this.#cluster.assume(info, placement.node.name)
      this.#nominations.delete(info.uid)
      void this.#bind(queued, placement.node.name)
    } catch (error) {
      this.#options.log.error('a scheduling cycle failed', { pod: info.key, error })
      this.#erred(queued, String(error))
    }
  }

  #refused(queued: QueuedPod, { diagnosis, filters }: Refused): void {
    const { info } = queued
    const candidate = diagnosis.total === 0 || diagnosis.podMessage ? undefined : this.#preempt(info, diagnosis, filters)
    this.queue.refused(queued, diagnosis.plugins)
    this.#options.events.event(info.pod, 'Warning', 'FailedScheduling', diagnosis.message, { action: 'Scheduling' })
    const nominated = candidate?.node.name ?? (this.#nominations.nodeOf(info.uid) && this.#mayStillCome(info) ? undefined : '')
    this.#status.write(info, {
      reason: 'Unschedulable',
      message: diagnosis.message,
      ...(nominated === undefined ? {} : { nominatedNodeName: nominated }),
    })
    if (nominated !== undefined) this.#nominations.set(info, nominated)
  }

  #preempt(info: PodInfo, diagnosis: Diagnosis, filters: readonly NamedFilter[]): Candidate | undefined {
    const { random, informers } = this.#options
    const budgets = (namespace: string) => informers.of(PodDisruptionBudget).list(namespace)
    const found = preempt(info, { cluster: this.#cluster, filters, diagnosis, nominations: this.#nominations, random, budgets })
    if (typeof found === 'string') {
      diagnosis.preemptionMessage = `preemption: ${found}`
      return undefined
    }
    void this.#evict(found, info)
    return found
  }

  async #evict(candidate: Candidate, preemptor: PodInfo): Promise<void> {
    const { client, events, clock, log } = this.#options
    const node = candidate.node.name
    for (const weaker of this.#nominations.on(node)) {
      if (weaker.priority < preemptor.priority) this.#nominations.delete(weaker.uid)
    }
    try {
      await evictVictims(candidate, preemptor, { client, events, clock, schedulerName: this.#profile.schedulerName, signal: this.#signal })
    } catch (error) {
      if (!this.#signal.aborted) log.warn('a preemption failed', { pod: preemptor.key, node, error })
    }
  }

  /** Whether the pods that must leave its node are on their way out. */
  #mayStillCome({ uid, priority }: PodInfo): boolean {
    const node = this.#cluster.node(this.#nominations.nodeOf(uid) ?? '')
    return [...(node?.pods.values() ?? [])].some((other) => other.priority < priority && other.pod.metadata?.deletionTimestamp)
  }

  #erred(queued: QueuedPod, message: string): void {
    this.queue.failed(queued)
    this.#options.events.event(queued.info.pod, 'Warning', 'FailedScheduling', message, { action: 'Scheduling' })
    this.#status.write(queued.info, { reason: 'SchedulerError', message })
  }

  /** Volumes first: a pod that waits for them (minutes, maybe) takes no place among the bindings. */
  async #bind(queued: QueuedPod, node: string): Promise<void> {
    const { info } = queued
    try {
      if (this.#volumes.mustBind(info)) await this.#bindVolumes(info, node)
      await this.#bindPod(queued, node)
    } catch (error) {
      this.#cluster.forget(info.uid)
      if (this.#signal.aborted) return
      // Gone, or placed by someone else: the informer tells the rest.
      if (hasReason(error, 'NotFound')) return this.queue.done(queued)
      this.#options.log.warn('a pod could not be bound', { pod: info.key, node, error })
      this.#erred(queued, error instanceof Error ? error.message : String(error))
    } finally {
      this.#volumes.release(info)
    }
  }

  async #bindVolumes(info: PodInfo, node: string): Promise<void> {
    try {
      await this.#volumes.bind(info, node)
    } catch (error) {
      throw new Error(`running PreBind plugin "VolumeBinding": ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  async #bindPod(queued: QueuedPod, node: string): Promise<void> {
    const { client, events } = this.#options
    const { info } = queued
    this.#bindings++
    try {
      await client.create<Pod, Binding>(Pod, bindingOf(info, node), { ...nameOf(info), subresource: 'binding', signal: this.#signal })
    } catch (error) {
      if (hasReason(error, 'NotFound')) throw error
      throw new Error(`binding rejected: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      this.#bindings--
      this.wake()
    }
    this.queue.done(queued)
    events.event(info.pod, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node}`, { action: 'Binding' })
  }
}

function nameOf({ pod }: PodInfo): { name: string; namespace: string } {
  return { name: pod.metadata?.name ?? '', namespace: pod.metadata?.namespace ?? '' }
}

function bindingOf(info: PodInfo, node: string): Binding {
  return {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { ...nameOf(info), uid: info.uid },
    target: { kind: 'Node', name: node },
  }
}
