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
import type { SchedulerConfiguration } from './configuration/configuration.ts'
import { Attempts } from './attempts.ts'
import { Cluster } from './cluster.ts'
import { feedCluster } from './cluster-feed.ts'
import type { Diagnosis } from './diagnosis.ts'
import { ClaimWriter } from './devices/claim-writer.ts'
import { DeviceAllocator } from './devices/device-allocator.ts'
import { Extenders } from './extenders/extenders.ts'
import type { NodeInfo } from './node-info.ts'
import type { Meter } from './meter.ts'
import { createSchedulerMetrics, type SchedulerMetrics } from './metrics.ts'
import { NominatedPods } from './nominations.ts'
import { evictVictims } from './evict-victims.ts'
import { bestOf, type CycleOptions, filtersFor, findNodes, type Placement, placePod, refusalOf, type Search } from './place.ts'
import type { PodInfo } from './pod-info.ts'
import { objectsOf } from './objects.ts'
import { PodStatusWriter } from './pod-status.ts'
import type { Plugin, Reservation } from './plugin.ts'
import { type Candidate, leastHarmful, type NoPreemption, preemptionCandidates } from './preemption.ts'
import { DEFAULT_SCHEDULER_NAME, defaultProfile, type Profile } from './profile.ts'
import { VolumeBinder } from './volumes/volume-binder.ts'
import { type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts'

export interface SchedulerOptions {
  client: Client
  informers: Informers
  /** Of that scheduler name, writing events.k8s.io. */
  eventsFor(schedulerName: string): EventRecorder
  clock: Clock
  random: Random
  log: Logger
  /** Absent: the default profile alone. */
  configuration?: Pick<SchedulerConfiguration, 'profiles'> & Partial<SchedulerConfiguration>
  metrics?: SchedulerMetrics
}

/** How pods of one scheduler name are served. */
interface Served {
  profile: Profile
  plugins: readonly Plugin[]
  events: EventRecorder
  meter: Meter
}

type Preemption = Candidate | NoPreemption

type Refused = Extract<Placement, { diagnosis: Diagnosis }>

interface Reserved {
  plugin: string
  reservation: Reservation
}

const MAX_BINDINGS = 192
/** As much as an event takes. */
const MAX_NOTE = 1024
/** While extenders are asked, the cluster goes on: so often the question is put anew before the pod must wait. */
const MAX_EXTENDED_ROUNDS = 3
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
  readonly #served: ReadonlyMap<string, Served>
  readonly #extenders: Extenders
  readonly #signal: AbortSignal
  readonly #cluster = new Cluster()
  readonly #nominations = new NominatedPods()
  readonly #status: PodStatusWriter
  readonly queue: SchedulingQueue
  readonly #attempts: Attempts
  /** Pods that have their node and wait for what must be ready before they are bound to it. */
  readonly #preparing = new Map<string, AbortController>()
  #bindings = 0
  #start = 0
  #wake: (() => void) | undefined

  constructor(options: SchedulerOptions, signal: AbortSignal) {
    const { client, clock, log, configuration } = options
    this.#options = options
    const metrics = options.metrics ?? createSchedulerMetrics()
    this.#attempts = new Attempts({ metrics, clock, profileOf: (pod) => this.#servedOf(pod)!.profile.schedulerName })
    this.#served = new Map((configuration?.profiles ?? [defaultProfile()]).map((profile) => [profile.schedulerName, this.#serve(profile)]))
    this.#extenders = new Extenders(configuration?.extenders ?? [], { log, signal })
    this.#signal = signal
    this.#cluster.volumeBinder = new VolumeBinder({ client, informers: options.informers, clock, signal })
    const { informers, random } = options
    this.#cluster.devices = new DeviceAllocator({
      objects: objectsOf(informers),
      clock,
      random,
      log,
      writer: new ClaimWriter({ client, informers, clock, signal }),
      changed: () => this.queue.changed({ type: 'object', kind: 'ResourceClaim' }),
    })
    this.#status = new PodStatusWriter({ client, clock, log, signal })
    this.queue = new SchedulingQueue({
      clock,
      pluginsOf: (pod) => this.#servedOf(pod.pod)!.plugins,
      isGated: (pod) => this.#servedOf(pod.pod)!.plugins.some((plugin) => plugin.gates?.(pod, this.#cluster)),
      ...(configuration?.podInitialBackoffMs ? { initialBackoffMs: configuration.podInitialBackoffMs } : {}),
      ...(configuration?.podMaxBackoffMs ? { maxBackoffMs: configuration.podMaxBackoffMs } : {}),
      wake: () => this.wake(),
      entered: (queue, event) => this.#attempts.entered(queue, event),
      hinted: (plugin, hint) => this.#attempts.hinted(plugin, hint),
    })
    this.#attempts.watch(this.queue, this.#cluster, () => this.#bindings + this.#preparing.size)
  }

  #serve(profile: Profile): Served {
    const { schedulerName } = profile
    const plugins = profile.plugins.map(({ plugin }) => plugin)
    return { profile, plugins, events: this.#options.eventsFor(schedulerName), meter: this.#attempts.meterOf(schedulerName) }
  }

  #servedOf({ spec }: Pod): Served | undefined {
    return this.#served.get(spec?.schedulerName || DEFAULT_SCHEDULER_NAME)
  }

  feed(): Promise<Disposable> {
    return feedCluster({
      informers: this.#options.informers,
      cluster: this.#cluster,
      queue: this.queue,
      nominations: this.#nominations,
      isOurs: (pod) => this.#servedOf(pod) !== undefined,
      now: () => this.#options.clock.monotonic(),
      handled: (event, since) => this.#attempts.handled(event, since),
      settled: (uid) => {
        this.#status.forget(uid)
        this.#preparing.get(uid)?.abort(new Error('the pod is gone'))
      },
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
      this.#attempts.begin(queued)
      this.#servedOf(queued.info.pod)!.meter.begin()
      if (this.#extenders.concerned(queued.info).length) await this.#scheduleExtended(queued)
      else this.#schedule(queued)
      if (this.#options.clock.monotonic() - sliceBegan > SLICE_MS) {
        await nextTurn()
        sliceBegan = this.#options.clock.monotonic()
      }
    }
  }

  #cycleOptions(info: PodInfo): CycleOptions {
    const { profile, meter } = this.#servedOf(info.pod)!
    return { profile, meter, random: this.#options.random, nominations: this.#nominations, start: this.#start }
  }

  #schedule(queued: QueuedPod): void {
    const { info } = queued
    try {
      const placement = placePod(info, this.#cluster, this.#cycleOptions(info))
      this.#attempts.searched(queued)
      this.#moveOn(placement.examined)
      if ('diagnosis' in placement) this.#refused(queued, placement, this.#preempt(info, placement))
      else this.#place(queued, placement.node)
    } catch (error) {
      this.#options.log.error('a scheduling cycle failed', { pod: info.key, error })
      this.#erred(queued, messageOf(error))
    }
  }

  /** The same with others asked. What they answered is held against the cluster as it is by then. */
  async #scheduleExtended(queued: QueuedPod): Promise<void> {
    const { info } = queued
    this.queue.follow(queued)
    try {
      for (let round = 0; round < MAX_EXTENDED_ROUNDS; round++) {
        const { search, feasible } = await this.#feasible(info)
        if (feasible.length === 0) return this.#refused(queued, search, await this.#preemptExtended(info, search))
        const extra = feasible.length > 1 ? await this.#extenders.prioritize(info, feasible) : [0]
        if (queued.state !== 'taken') return
        const { profile, random, meter } = this.#cycleOptions(info)
        const chosen = bestOf(feasible, info, { profile, random, meter, cluster: this.#cluster, extra })
        const asked = filtersFor(info, this.#cluster, profile)
        this.#attempts.searched(queued)
        const still = 'filters' in asked && asked.candidates.includes(chosen) && !refusalOf(info, chosen, asked.filters, this.#nominations)
        if (still) return this.#place(queued, chosen)
      }
      this.#erred(queued, 'nodes changed while extenders were asked about them')
    } catch (error) {
      if (!this.#signal.aborted) this.#erred(queued, messageOf(error))
    }
  }

  /** The node that was promised, if everyone is content with it; else all that will do. */
  async #feasible(info: PodInfo): Promise<{ search: Search; feasible: readonly NodeInfo[] }> {
    const options = { ...this.#cycleOptions(info), others: true }
    const promised = findNodes(info, this.#cluster, options)
    const kept = promised.promised ? await this.#extenders.filter(info, promised.feasible, promised.diagnosis).catch(() => []) : []
    if (kept.length > 0) return { search: promised, feasible: kept }
    const search = promised.promised ? findNodes(info, this.#cluster, { ...options, anywhere: true }) : promised
    this.#moveOn(search.examined)
    return { search, feasible: await this.#extenders.filter(info, search.feasible, search.diagnosis) }
  }

  #moveOn(examined: number): void {
    this.#start = (this.#start + examined) % Math.max(1, this.#cluster.nodes.length)
  }

  #place(queued: QueuedPod, node: NodeInfo): void {
    const { info } = queued
    let reserved: Reserved[] | undefined
    const { plugins, meter } = this.#servedOf(info.pod)!
    const began = meter.now()
    for (const { name: plugin, reserve } of plugins) {
      try {
        const reservation = reserve?.(info, node, this.#cluster)
        if (reservation) (reserved ??= []).push({ plugin, reservation })
      } catch (error) {
        for (const { reservation } of reserved ?? []) reservation.release(false)
        meter.point('Reserve', 'Error', began)
        throw new Error(`running Reserve plugin ${JSON.stringify(plugin)}: ${messageOf(error)}`, { cause: error })
      }
    }
    meter.point('Reserve', 'Success', began)
    this.#cluster.assume(info, node.name)
    this.#nominations.delete(info.uid)
    void this.#bind(queued, node.name, reserved)
  }

  #refused(queued: QueuedPod, { diagnosis }: Refused, preemption: Preemption | undefined): void {
    const { info } = queued
    const promised = preemption && 'node' in preemption ? preemption.node.name : undefined
    this.#attempts.ended(queued, 'unschedulable')
    this.queue.refused(queued, diagnosis.plugins, { promised: promised !== undefined })
    const { message } = diagnosis
    this.#tell(info, message)
    // Where preemption was not even considered, a promise stays what it was.
    const nominatedNodeName =
      promised ?? (diagnosis.total === 0 || (preemption && 'message' in preemption && preemption.helpless) ? '' : undefined)
    this.#status.write(info, { reason: 'Unschedulable', message, ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }) })
    if (nominatedNodeName !== undefined) this.#nominate(info, nominatedNodeName)
  }

  /** '' ends a promise: who it stood in the way of may be helped. */
  #nominate(info: PodInfo, node: string): void {
    const ended = node === '' && this.#nominations.nodeOf(info.uid) !== undefined
    this.#nominations.set(info, node)
    if (ended) this.queue.changed({ type: 'pod gone', pod: info.pod, priority: info.priority })
  }

  #tell({ pod }: PodInfo, message: string): void {
    const note = message.length > MAX_NOTE ? `${message.slice(0, MAX_NOTE - 4)} ...` : message
    this.#servedOf(pod)!.events.event(pod, 'Warning', 'FailedScheduling', note, { action: 'Scheduling' })
  }

  /** The node that will have room, once those who must leave it for the pod have gone; else the diagnosis says why there is none. */
  #preempt(info: PodInfo, refused: Refused): Preemption | undefined {
    const found = this.#candidates(info, refused)
    return found && ('message' in found ? found : this.#makeRoom(info, refused, leastHarmful(found)))
  }

  async #preemptExtended(info: PodInfo, refused: Refused): Promise<Preemption | undefined> {
    const found = this.#candidates(info, refused)
    if (!found || 'message' in found) return found
    let message = 'no candidate node for preemption'
    try {
      const agreed = await this.#extenders.preempt(info, found)
      if (agreed.length > 0) return this.#makeRoom(info, refused, leastHarmful(agreed))
    } catch (error) {
      // An error is told alone.
      refused.diagnosis.postFilterMessages.length = 0
      message = messageOf(error)
    }
    refused.diagnosis.postFilterMessages.push(`preemption: ${message}`)
    return { message, helpless: false }
  }

  #candidates(info: PodInfo, { diagnosis, filters }: Refused): readonly Candidate[] | NoPreemption | undefined {
    if (diagnosis.total === 0) return undefined
    const { profile, plugins, meter } = this.#servedOf(info.pod)!
    const began = meter.now()
    for (const plugin of plugins) {
      const said = plugin.postFilter?.(info, this.#cluster)
      if (said) diagnosis.postFilterMessages.push(said)
    }
    if (!profile.preemption) return undefined
    this.#attempts.preempting()
    const { random, informers } = this.#options
    const found = preemptionCandidates(info, {
      cluster: this.#cluster,
      filters,
      diagnosis,
      nominations: this.#nominations,
      random,
      budgets: (namespace) => informers.of(PodDisruptionBudget).list(namespace),
      limits: profile.preemption,
    })
    meter.point('PostFilter', 'message' in found ? 'Unschedulable' : 'Success', began)
    if ('message' in found) diagnosis.postFilterMessages.push(`preemption: ${found.message}`)
    return found
  }

  #makeRoom(info: PodInfo, { diagnosis }: Refused, candidate: Candidate): Candidate {
    this.#attempts.preempted(candidate.victims.length)
    // Where one of those asked helps, what the others say is not told.
    diagnosis.postFilterMessages.length = 0
    this.queue.hold(info.uid)
    void this.#evict(candidate, info)
    return candidate
  }

  async #evict(candidate: Candidate, preemptor: PodInfo): Promise<void> {
    const { client, clock, log } = this.#options
    const { events, profile } = this.#servedOf(preemptor.pod)!
    const node = candidate.node.name
    // They may no longer fit there, and find another place the sooner they know.
    for (const weaker of this.#nominations.on(node)) {
      if (weaker.priority >= preemptor.priority) continue
      this.#nominate(weaker, '')
      this.#status.clearNominated(weaker)
    }
    let failed = false
    const began = clock.monotonic()
    try {
      await evictVictims(candidate, preemptor, { client, events, clock, schedulerName: profile.schedulerName, signal: this.#signal })
    } catch (error) {
      failed = true
      if (!this.#signal.aborted) log.warn('a preemption failed', { pod: preemptor.key, node, error })
    }
    this.#attempts.evicted(failed ? 'error' : 'success', began)
    if (!this.#signal.aborted) this.queue.unhold(preemptor.uid, { failed })
  }

  #erred(queued: QueuedPod, message: string): void {
    const { info } = queued
    this.#attempts.ended(queued, 'error')
    this.queue.failed(queued)
    if (queued.state === 'gone') return
    this.#tell(info, message)
    this.#status.write(info, { reason: 'SchedulerError', message, nominatedNodeName: '' })
    this.#nominate(info, '')
  }

  /** Volumes first: a pod that waits for them (minutes, maybe) takes no place among the bindings. */
  async #bind(queued: QueuedPod, node: string, reserved: readonly Reserved[] | undefined): Promise<void> {
    const { info } = queued
    let placed = false
    try {
      if (reserved?.some(({ reservation }) => reservation.bind)) await this.#prepare(info, node, reserved)
      await this.#bindPod(queued, node)
      placed = true
    } catch (error) {
      this.#cluster.forget(info.uid)
      if (this.#signal.aborted) return
      // What it was to have is free for others.
      this.queue.changed({ type: 'pod gone', pod: info.pod })
      // Gone, or placed by someone else: the informer tells the rest.
      if (hasReason(error, 'NotFound')) return this.queue.done(queued)
      this.#options.log.warn('a pod could not be bound', { pod: info.key, node, error })
      this.#erred(queued, messageOf(error))
    } finally {
      for (const { reservation } of reserved ?? []) reservation.release(placed)
    }
  }

  /** Others learn where the pod is going, as that may take minutes; it ends with the pod. */
  async #prepare(info: PodInfo, node: string, reserved: readonly Reserved[]): Promise<void> {
    const stop = new AbortController()
    this.#preparing.set(info.uid, stop)
    const signal = AbortSignal.any([this.#signal, stop.signal])
    const { meter } = this.#servedOf(info.pod)!
    const began = meter.now()
    let failed = true
    try {
      info.pod = (await this.#status.nominate(info.pod, node)) ?? info.pod
      for (const one of reserved) await preBind(one, signal)
      failed = false
    } finally {
      meter.point('PreBind', failed ? 'Error' : 'Success', began)
      this.#preparing.delete(info.uid)
    }
  }

  async #bindPod(queued: QueuedPod, node: string): Promise<void> {
    const { client } = this.#options
    const { info } = queued
    const { events, meter } = this.#servedOf(info.pod)!
    const began = meter.now()
    let failed = true
    this.#bindings++
    try {
      if (!(await this.#extenders.bind(info, node)))
        await client.create<Pod, Binding>(Pod, bindingOf(info, node), { ...nameOf(info), subresource: 'binding', signal: this.#signal })
      failed = false
    } catch (error) {
      if (hasReason(error, 'NotFound')) throw error
      throw new Error(`binding rejected: ${messageOf(error)}`, { cause: error })
    } finally {
      meter.point('Bind', failed ? 'Error' : 'Success', began)
      this.#bindings--
      this.wake()
    }
    this.queue.done(queued)
    this.#attempts.ended(queued, 'scheduled')
    events.event(info.pod, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node}`, { action: 'Binding' })
  }
}

async function preBind({ plugin, reservation }: Reserved, signal: AbortSignal): Promise<void> {
  try {
    await reservation.bind?.(signal)
  } catch (error) {
    throw new Error(`running PreBind plugin ${JSON.stringify(plugin)}: ${messageOf(error)}`, { cause: error })
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

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
