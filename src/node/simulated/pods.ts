// Pods of simulated nodes: bound, they run at once with an address of their node; with the annotation sampan.dev/run-seconds those that
// may end do so after that time (sampan.dev/exit-code, default 0), and all fail at their deadline; deleted, they are gone. Their status is
// made as on real nodes. Images of registries below .invalid can be pulled nowhere, so neither here.
import { isConditionTrue } from '#api/conditions.ts'
import { isFinished } from '#api/finished-pod.ts'
import type { Pod as ApiPod } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreOvertaken } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { type Clock, formatTime, type Timer } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Refusal } from '#node/agent/admission.ts'
import { fieldPathOf } from '#node/agent/identity.ts'
import { podStatus, type StatusContext } from '#node/agent/pod-status.ts'
import { RestartBackoff } from '#node/agent/restart-backoff.ts'
import { difference } from '#node/agent/status-writer.ts'
import { AddressPool } from './addresses.ts'
import { claimFault, hasClaims } from './claims.ts'
import { PodLife, type Tell, tellFailedPull } from './life.ts'
import { type End, endOf, failingAnew, observedPod, sandboxOf, unpullable } from './plain-pod.ts'
import { Room, type RoomFacts } from './room.ts'
import { hasScript, Script } from './script.ts'
import { STAGE_ANNOTATION } from './stages/stages.ts'
import { stoppedStatus } from './stopped.ts'
import type { WorkPool } from './work-pool.ts'

const REFUSAL_MS = 100
/** Until a kubelet tries once more to start a pod. */
const PREPARE_AGAIN_MS = 10_000
/** Those who wait for an address are called when there is one; that there is none is told ever more seldom, since they may be very many. */
const MOST_TELL_MS = 3_600_000

export interface SimulatedPodsOptions {
  client: Client
  clock: Clock
  pool: WorkPool
  log: Logger
  /** Where warnings of pods go. */
  events?: EventRecorder
  /** undefined: not one of ours. */
  node(name: string): SimulatedNode | undefined
  /** A pod on its way out that something else will end. */
  holds?(pod: ApiPod): boolean
}

interface SimulatedNode {
  ip: string
  podCidr: string
  facts(): RoomFacts
}

/** How a container is made to end, once. */
export interface Exit {
  /** All main containers unless said. */
  container?: string
  code: number
  reason: string
}

interface Known {
  ip: string
  node: string
  pool: AddressPool | undefined
  /** Where annotations say how the pod lives; `pod` as last seen. */
  scripted?: { life: PodLife; pod: ApiPod; nodeIp: string }
  /** Until its claims let it start and its node has an address for it; `pod` as last seen. */
  waiting?: { pod: ApiPod; node: SimulatedNode; tellAt: number; pauseMs: number; turn?: Disposable }
  timer?: Timer
  /** Of the pod whose requests its place was taken for. */
  generation: number | undefined
  refused?: boolean
  deleted: boolean
  done: boolean
}

export class SimulatedPods {
  readonly #options: SimulatedPodsOptions
  readonly #known = new Map<string, Known>()
  readonly #addresses = new Map<string, AddressPool>()
  readonly #room = new Room()
  readonly #backoff: RestartBackoff

  constructor(options: SimulatedPodsOptions) {
    this.#options = options
    this.#backoff = new RestartBackoff(options.clock)
  }

  /** Before the first pod is observed: addresses that pods have are not given out again. */
  reserve(pods: Iterable<ApiPod>): void {
    for (const pod of pods) {
      const { nodeName } = pod.spec ?? {}
      const node = nodeName ? this.#options.node(nodeName) : undefined
      if (node && pod.status?.podIP && !isFinished(pod)) this.#poolOf(node.podCidr).reserve(pod.status.podIP)
    }
  }

  observe(object: ApiPod | undefined, previous: ApiPod | undefined): void {
    const uid = object?.metadata?.uid
    const before = previous?.metadata?.uid
    if (before && before !== uid) this.#forget(previous)
    const node = object?.spec?.nodeName && uid ? this.#options.node(object.spec.nodeName) : undefined
    if (!object || !node) return
    if (object.metadata?.deletionTimestamp) return this.#delete(object)
    if (isFinished(object)) return this.#free(object)
    const phase = object.status?.phase ?? 'Pending'
    const present = this.#known.get(uid!)
    if (present?.refused) return
    if (present && present.generation !== object.metadata?.generation) {
      present.generation = object.metadata?.generation
      this.#room.hold(object)
    }
    if (present?.waiting) return void (present.waiting.pod = object)
    if (present?.scripted) return this.#live(object, present)
    // What a stage has made of it stays.
    const staged = isStaged(object)
    if (staged && present) return
    const known = present ?? this.#enter(object, node)
    if (!known || staged || known.waiting) return
    if (hasScript(object) || hasPast(object)) return this.#begin(object, { known, nodeIp: node.ip })
    // Who thought the node lost has marked its pods: they are shown as they are again.
    const seen = (object.status?.observedGeneration ?? 0) >= (object.metadata?.generation ?? 0)
    const told = seen && phase === 'Running' && isConditionTrue(object.status?.conditions, 'Ready')
    // Seen anew, as when its node comes back: what fell due meanwhile is due now.
    if (told) return present && previous ? undefined : this.#scheduleEnd(object, known)
    if (present && seen && phase !== 'Running') return
    this.#options.pool.add(uid!, () => this.#run(object, { known, nodeIp: node.ip }))
  }

  /** Ends it as its node does that is short of something. */
  evict(pod: ApiPod, message: string): void {
    const life = this.#lifeOf(pod)
    if (!life) return
    endWait(this.#known.get(pod.metadata!.uid!)!)
    life.evict(message)
    this.#live(pod, this.#known.get(pod.metadata!.uid!)!)
  }

  /** Ends containers of it once; its restart policy says what follows. */
  exit(pod: ApiPod, exit: Exit): void {
    const known = this.#known.get(pod.metadata?.uid ?? '')
    if (known?.waiting) return
    const life = this.#lifeOf(pod)
    if (!life) return
    life.exit(exit)
    this.#live(pod, known!)
  }

  /** Of a pod that lives here. */
  #lifeOf(pod: ApiPod): PodLife | undefined {
    const known = this.#known.get(pod.metadata?.uid ?? '')
    const node = this.#options.node(pod.spec?.nodeName ?? '')
    if (!known || !node || known.refused || known.deleted || known.done) return undefined
    known.scripted ??= { life: new PodLife(pod, this.#options.clock.now()), pod, nodeIp: node.ip }
    return known.scripted.life
  }

  stop(): void {
    for (const { timer } of this.#known.values()) timer?.cancel()
    this.#known.clear()
  }

  /** The pod has its place and its address from now on; undefined: it is refused. */
  #enter(pod: ApiPod, node: SimulatedNode): Known | undefined {
    const begun = pod.status?.startTime !== undefined
    const refusal = begun ? undefined : this.#room.take(pod, node.facts())
    if (refusal) return void this.#refuse(pod, refusal)
    if (begun) this.#room.hold(pod)
    const known = this.#admit(pod, node)
    if ((hasClaims(pod) || known.ip === '') && (pod.status?.phase ?? 'Pending') === 'Pending') {
      known.waiting = { pod, node, tellAt: 0, pauseMs: PREPARE_AGAIN_MS }
      this.#options.pool.add(pod.metadata!.uid!, () => this.#prepare(known))
    }
    return known
  }

  /** As a kubelet does before it starts anything: again and again until the pod's claims are there for it, and an address. */
  async #prepare(known: Known): Promise<void> {
    const { client, clock, pool, events } = this.#options
    if (!known.waiting || known.deleted || known.done) return
    const { pod, node } = known.waiting
    const uid = pod.metadata!.uid!
    known.timer?.cancel()
    const again = () => pool.add(uid, () => this.#prepare(known))
    const lost = () => !this.#options.node(known.node)
    const claim = lost() ? undefined : await claimFault(pod, client)
    // What was asked for was the state of a while ago.
    if (!known.waiting || known.deleted || known.done) return
    if (!lost() && claim === undefined) known.ip ||= known.pool?.take() ?? ''
    if (!lost() && claim === undefined && known.ip !== '') {
      const { pod: latest } = known.waiting
      endWait(known)
      if (isStaged(latest)) return
      if (hasScript(latest)) return this.#begin(latest, { known, nodeIp: node.ip })
      // A task of its own: it may have to be tried again.
      pool.add(uid, () => this.#run(latest, { known, nodeIp: node.ip }))
      return
    }
    if (lost() || claim !== undefined) known.timer = clock.after(PREPARE_AGAIN_MS, again)
    else this.#awaitAddress(known, again)
    if (lost()) return
    if (claim !== undefined) events?.event(pod, 'Warning', 'FailedPrepareDynamicResources', `Failed to prepare dynamic resources: ${claim}`)
    const previous = pod.status ?? {}
    const observed = { sandboxes: [], containers: [] }
    const changed = difference(
      podStatus(pod, { ...PLAIN, observed, failures: new Map(), previous, hostIps: [node.ip], now: clock.now() }),
      previous,
    )
    if (Object.keys(changed).length > 0) await this.#patch(pod, changed)
  }

  #awaitAddress(known: Known, again: () => void): void {
    const { clock, events } = this.#options
    const waiting = known.waiting!
    const { pod } = waiting
    const now = clock.now()
    if (now >= waiting.tellAt) {
      const full = `failed to setup network for sandbox "sandbox-${pod.metadata!.uid}": no IP addresses available in range set: ${known.pool!.range}`
      events?.event(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${full}`)
      waiting.tellAt = now + waiting.pauseMs
      waiting.pauseMs = Math.min(MOST_TELL_MS, waiting.pauseMs * 2)
    }
    waiting.turn?.[Symbol.dispose]()
    waiting.turn = known.pool!.wait(again)
    known.timer = clock.after(waiting.tellAt - now, again)
  }

  /** Before it has started, or long after: what its status tells is where its life goes on. */
  #begin(pod: ApiPod, { known, nodeIp }: { known: Known; nodeIp: string }): void {
    known.scripted = { life: new PodLife(pod, this.#options.clock.now()), pod, nodeIp }
    this.#live(pod, known)
  }

  #live(pod: ApiPod, known: Known): void {
    known.scripted!.pod = pod
    this.#options.pool.add(pod.metadata!.uid!, () => this.#step(known))
  }

  async #step(known: Known): Promise<void> {
    const { clock, pool } = this.#options
    // What was about to be done when somebody else ended the pod is not done; a node that is lost does nothing for its pods.
    if (!known.scripted || known.deleted || known.done || !this.#options.node(known.node)) return
    const { life, pod, nodeIp } = known.scripted
    const now = clock.now()
    const stand = life.step(pod, { now, backoff: this.#backoff, warn: this.#tell(pod) })
    known.timer?.cancel()
    if (stand.dueAt < Infinity)
      known.timer = clock.after(Math.max(0, stand.dueAt - now), () => pool.add(pod.metadata!.uid!, () => this.#step(known)))
    const previous = pod.status ?? {}
    const status = podStatus(stand.pod, {
      observed: { sandboxes: stand.began ? [sandboxOf(pod, { ip: known.ip, ready: !stand.over, now })] : [], containers: stand.containers },
      previous,
      failures: stand.failures,
      runtimeName: 'simulated',
      applied: () => undefined,
      verdicts: {
        startup: (id) => (stand.started(id) ? 'success' : 'failure'),
        liveness: () => 'success',
        readiness: (id) => (stand.ready(id) ? 'success' : 'failure'),
      },
      hostIps: nodeIp ? [nodeIp] : [],
      now,
      extraConditions: stand.conditions,
      ...(stand.over ? { terminal: true } : {}),
      ...(stand.verdict ? { verdict: stand.verdict } : {}),
    })
    const changed = difference(status, previous)
    if (Object.keys(changed).length > 0) await this.#patch(pod, changed)
  }

  #tell(pod: ApiPod): Tell {
    return (reason, message, container) => {
      const fieldPath = container && { fieldPath: fieldPathOf(container) }
      this.#options.events?.event(pod, reason === 'Killing' ? 'Normal' : 'Warning', reason, message, fieldPath ?? {})
    }
  }

  /** After as long as a kubelet takes: controllers that try again at once are held to that pace. */
  #refuse(pod: ApiPod, { reason, message }: Refusal): void {
    const { clock, pool, events } = this.#options
    const uid = pod.metadata!.uid!
    events?.event(pod, 'Warning', reason, message)
    const timer = clock.after(REFUSAL_MS, () => {
      const status = { phase: 'Failed', reason, message: `Pod was rejected: ${message}`, startTime: formatTime(clock.now()) }
      pool.add(uid, () => this.#patch(pod, status))
    })
    this.#known.set(uid, { ...NOTHING, timer, refused: true })
  }

  #admit(pod: ApiPod, node: SimulatedNode): Known {
    const pool = this.#poolOf(node.podCidr)
    const held = pod.status?.podIP
    if (held) pool.reserve(held)
    const ip = pod.spec?.hostNetwork ? node.ip : (held ?? pool.take() ?? '')
    const { nodeName } = pod.spec!
    const known: Known = {
      ...NOTHING,
      ip,
      node: nodeName!,
      pool: pod.spec?.hostNetwork ? undefined : pool,
      generation: pod.metadata?.generation,
    }
    this.#known.set(pod.metadata!.uid!, known)
    return known
  }

  #poolOf(cidr: string): AddressPool {
    let pool = this.#addresses.get(cidr)
    if (!pool) this.#addresses.set(cidr, (pool = new AddressPool(cidr)))
    return pool
  }

  async #run(pod: ApiPod, { known, nodeIp }: { known: Known; nodeIp: string }): Promise<void> {
    if (this.#known.get(pod.metadata!.uid!) !== known || known.deleted) return
    const stored = await this.#write(pod, { known, nodeIp })
    if (stored) this.#scheduleEnd(stored, known)
  }

  #scheduleEnd(pod: ApiPod, known: Known): void {
    const { clock, pool } = this.#options
    known.timer?.cancel()
    const end = endOf(pod, clock.now())
    if (!end) return
    known.timer = clock.after(end.dueAt - clock.now(), () => {
      const { hostIP: nodeIp = '' } = pod.status ?? {}
      if (!known.deleted && this.#options.node(known.node))
        pool.add(pod.metadata!.uid!, async () => void (await this.#write(pod, { known, nodeIp, end })))
    })
  }

  async #write(pod: ApiPod, { known, nodeIp, end }: { known: Known; nodeIp: string; end?: End }): Promise<ApiPod | undefined> {
    const now = this.#options.clock.now()
    const failures = unpullable(pod)
    const observed = observedPod(pod, { ip: known.ip, ended: end !== undefined, failed: failures, now })
    const previous = pod.status ?? {}
    for (const container of failingAnew(pod, failures)) tellFailedPull(this.#tell(pod), container)
    const status = podStatus(pod, {
      observed,
      previous,
      failures,
      ...PLAIN,
      hostIps: nodeIp ? [nodeIp] : [],
      now,
      ...(end ? { terminal: true } : {}),
      ...(end?.verdict ? { verdict: end.verdict } : {}),
    })
    return this.#patch(pod, difference(status, previous))
  }

  async #patch(pod: ApiPod, status: object): Promise<ApiPod | undefined> {
    const patch = { metadata: { uid: pod.metadata?.uid }, status }
    return this.#options.client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreOvertaken)
  }

  #delete(pod: ApiPod): void {
    const uid = pod.metadata!.uid!
    const known = this.#known.get(uid)
    if (known?.done) return
    if (this.#options.holds?.(pod)) return
    const entry: Known = known ?? { ...NOTHING }
    entry.deleted = true
    entry.done = true
    entry.timer?.cancel()
    endWait(entry)
    this.#known.set(uid, entry)
    const remove = async () => {
      // Else nobody sees how it ended.
      if (pod.metadata?.finalizers?.length)
        await this.#patch(pod, difference(stoppedStatus(pod, this.#options.clock.now()), pod.status ?? {}))
      await this.#options.client.delete(Pod, keyOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } }).catch(ignoreOvertaken)
    }
    const stopMs = hasScript(pod) ? (new Script(pod).timeMs('stop-delay') ?? 0) : 0
    const waitMs = Math.min(stopMs, (pod.metadata?.deletionGracePeriodSeconds ?? 0) * 1000)
    if (waitMs > 0) entry.timer = this.#options.clock.after(waitMs, () => this.#options.pool.add(uid, remove))
    else this.#options.pool.add(uid, remove)
  }

  #free(pod: ApiPod): void {
    const uid = pod.metadata!.uid!
    const known = this.#known.get(uid)
    this.#room.free({ uid, node: pod.spec?.nodeName ?? '' })
    if (!known) return
    known.timer?.cancel()
    endWait(known)
    known.pool?.free(known.ip)
    if (known.scripted) this.#backoff.forgetAll(`${uid}/`)
    delete known.scripted
    known.pool = undefined
  }

  #forget(pod: ApiPod): void {
    this.#free(pod)
    this.#known.delete(pod.metadata!.uid!)
  }
}

const NOTHING: Readonly<Known> = { ip: '', node: '', pool: undefined, generation: undefined, deleted: false, done: false }
/** Of a pod of which nothing is said. */
const PLAIN: Pick<StatusContext, 'runtimeName' | 'applied' | 'verdicts'> = {
  runtimeName: 'simulated',
  applied: () => undefined,
  verdicts: { startup: () => 'success', liveness: () => 'success', readiness: () => 'success' },
}

function endWait(known: Known): void {
  known.waiting?.turn?.[Symbol.dispose]()
  delete known.waiting
}

function isStaged(pod: ApiPod): boolean {
  return !hasScript(pod) && pod.metadata?.annotations?.[STAGE_ANNOTATION] !== undefined
}

/** A container of it has ended before: its life goes on from there. */
function hasPast({ status }: ApiPod): boolean {
  return (
    status?.containerStatuses?.some(({ restartCount, state }) => restartCount > 0 || state?.terminated !== undefined) === true ||
    status?.initContainerStatuses?.some(({ restartCount }) => restartCount > 0) === true
  )
}
