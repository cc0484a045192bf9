// What goes on at simulated nodes that have joined: their pods run, stages are played, devices are published, and who is short of something evicts.
import { conditionOf } from '#api/conditions.ts'
import type { Node as ApiNode, Pod as ApiPod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import type { KubeObject } from '#api/object.ts'
import type { Client } from '#client/client.ts'
import { createEventRecorder, type EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { Random } from '#lib/random.ts'
import { DEVICES, isPublished, publishDevices } from './devices.ts'
import { CAPACITY, type Member } from './member.ts'
import { stateOf } from './node-state.ts'
import { SimulatedPods } from './pods.ts'
import { Evictions } from './pressure.ts'
import { defineStages, Stages } from './stages/stages.ts'
import type { WorkPool } from './work-pool.ts'

export interface FleetOptions {
  client: Client
  informers: Informers
  clock: Clock
  log: Logger
  members: ReadonlyMap<string, Member>
  pool: WorkPool
  capacity?: Record<string, string>
  /** Stages are played, by this chance; without it none are. */
  stages?: { random: Random; define: boolean }
  /** Of all that is told. */
  signal: AbortSignal
}

export class Fleet {
  readonly #options: FleetOptions
  readonly #events: EventRecorder | undefined
  readonly #pods: SimulatedPods
  readonly #evictions: Evictions
  #stages: Stages | undefined

  constructor(options: FleetOptions) {
    this.#options = options
    const { client, clock, pool, log, stages, signal } = options
    this.#events = stages && createEventRecorder({ client, clock, random: stages.random, log, component: 'kubelet', host: nodeOf, signal })
    this.#pods = new SimulatedPods({
      client,
      clock,
      pool,
      log,
      ...(this.#events ? { events: this.#events } : {}),
      holds: (pod) => this.#stages?.holds(pod) ?? false,
      node: (name) => this.#nodeOf(name),
    })
    this.#evictions = new Evictions({
      clock,
      pressureOf: (name) => this.#pressureOf(name),
      podsOf: (name) => this.#podsOn(name),
      attempt: (name, resource) => {
        const node = options.informers.of(Node).get({ name })
        if (node) this.#events?.event(node, 'Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`)
      },
      evict: (pod, message) => this.#pods.evict(pod, message),
    })
  }

  async start(signal: AbortSignal): Promise<AsyncDisposable> {
    const { informers, members, stages } = this.#options
    await using starting = new AsyncDisposableStack()
    starting.defer(() => this.#pods.stop())
    const pods = informers.of(Pod)
    await orAborted(pods.synced(), signal)
    this.#pods.reserve(pods.list())
    starting.use(pods.subscribe(({ object, previous }: { object?: ApiPod; previous?: ApiPod }) => this.#pods.observe(object, previous)))
    if (stages) starting.use(this.#playStages(stages))
    starting.use(this.#evictions)
    for (const name of members.keys()) this.#evictions.follow(name)
    starting.use(informers.of(Node).subscribe(({ object }) => object && this.#nodeChanged(object)))
    const slices = informers.of(ResourceSlice)
    await orAborted(slices.synced(), signal)
    starting.use(
      slices.subscribe(({ object, previous }) => {
        const slice = object ?? previous!
        const member = members.get(slice.spec?.nodeName ?? '')
        if (member && (isPublished(slice, member.name) || (previous && isPublished(previous, member.name)))) this.#publishSoon(member)
      }),
    )
    return starting.move()
  }

  #playStages({ random, define }: { random: Random; define: boolean }): Disposable {
    const { client, informers, clock, log, members, pool, signal } = this.#options
    const played = { client, clock, random, log, signal }
    this.#stages = new Stages({
      ...played,
      informers,
      events: createEventRecorder({ ...played, component: 'simulated-nodes' }),
      pool,
      isOurs: (name) => members.has(name),
      exit: (pod, exit) => this.#pods.exit(pod, exit),
      release: (pod) => this.#pods.observe(pod, undefined),
    })
    const started = this.#stages.start()
    if (define) pool.add('stages', () => defineStages(client))
    return started
  }

  /** As its pods see it; undefined: not one of ours, or silent. */
  #nodeOf(name: string) {
    const { members, informers, capacity = CAPACITY } = this.#options
    const member = members.get(name)
    if (!member || member.state.lost) return undefined
    const node = informers.of(Node).get({ name })
    return {
      ip: member.ip,
      podCidr: node?.spec?.podCIDR ?? member.podCidr,
      facts: () => ({
        name,
        labels: node?.metadata?.labels ?? {},
        taints: node?.spec?.taints ?? [],
        allocatable: node?.status?.allocatable ?? capacity,
        pressure: member.state.pressure,
      }),
    }
  }

  #pressureOf(name: string) {
    const { lost, pressure } = this.#options.members.get(name)!.state
    return lost ? undefined : pressure
  }

  #podsOn(name: string): ApiPod[] {
    const pods = this.#options.informers.of(Pod).list()
    return pods.filter(({ spec }) => spec?.nodeName === name)
  }

  #nodeChanged(node: ApiNode): void {
    const { members, pool } = this.#options
    const member = members.get(node.metadata?.name ?? '')
    if (!member || node.metadata?.deletionTimestamp) return
    const before = member.state
    member.state = stateOf(node)
    const { [DEVICES]: devices = '' } = node.metadata?.annotations ?? {}
    if (devices !== member.devices) this.#publishSoon(member)
    member.devices = devices
    const differs = before.text !== member.state.text
    if (differs) {
      for (const fault of member.state.faults) this.#events?.event(node, 'Warning', 'BadAnnotation', fault)
      this.#evictions.follow(member.name)
    }
    if (member.state.lost) return
    const unknown = conditionOf(node.status?.conditions, 'Ready')?.status === 'Unknown'
    if (unknown || differs) pool.add(member.name, () => member.tellStatus(node))
    if (before.lost) this.#isBack(member)
  }

  #isBack(member: Member): void {
    this.#options.pool.add(`lease ${member.name}`, () => member.renew())
    const here = this.#podsOn(member.name)
    // What they have first, or those who come get it too.
    this.#pods.reserve(here)
    for (const pod of here) this.#pods.observe(pod, undefined)
  }

  #publishSoon({ name }: Member): void {
    const { pool, client, informers } = this.#options
    pool.add(`devices ${name}`, async () => {
      const node = informers.of(Node).get({ name })
      if (!node || node.metadata?.deletionTimestamp) return
      const fault = await publishDevices(node, { client, present: informers.of(ResourceSlice).list() })
      if (fault) this.#events?.event(node, 'Warning', 'BadAnnotation', fault)
    })
  }
}

/** A pod's, or the node itself. */
function nodeOf(about: KubeObject): string {
  return (about as ApiPod).spec?.nodeName ?? about.metadata?.name ?? ''
}
