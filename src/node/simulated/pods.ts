// Pods of simulated nodes: bound, they run at once with an address of their node; with the annotation sampan.dev/run-seconds those that
// may end do so after that time (sampan.dev/exit-code, default 0), and all fail at their deadline; deleted, they are gone. Their status is
// made as on real nodes. Images of registries below .invalid can be pulled nowhere, so neither here.
import type { Pod as ApiPod } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import { type Clock, formatTime, type Timer } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Refusal } from '#node/agent/admission.ts'
import type { StartFailure } from '#node/agent/container-status.ts'
import { ANNOTATION, containersOf, fieldPathOf, identityOf, LABEL } from '#node/agent/identity.ts'
import { podStatus } from '#node/agent/pod-status.ts'
import { RestartBackoff } from '#node/agent/restart-backoff.ts'
import type { ObservedPod } from '#node/agent/runtime-view.ts'
import { difference } from '#node/agent/status-writer.ts'
import type { Container, ContainerState, Sandbox } from '#node/runtime.ts'
import { AddressPool } from './addresses.ts'
import { HostPorts } from './host-ports.ts'
import { PodLife, type Tell } from './life.ts'
import { hasScript, Script } from './script.ts'
import { STAGE_ANNOTATION } from './stages/stages.ts'
import type { WorkPool } from './work-pool.ts'

const RUN_SECONDS = 'sampan.dev/run-seconds'
const EXIT_CODE = 'sampan.dev/exit-code'
const REFUSAL_MS = 100
const DEADLINE_MESSAGE = 'Pod was active on the node longer than the specified deadline'

export interface SimulatedPodsOptions {
  client: Client
  clock: Clock
  pool: WorkPool
  log: Logger
  /** Where warnings of pods go. */
  events?: EventRecorder
  /** undefined: not one of ours. */
  node(name: string): { ip: string; podCidr: string } | undefined
}

interface Known {
  ip: string
  node: string
  pool: AddressPool | undefined
  /** Where annotations say how the pod lives; `pod` as last seen. */
  scripted?: { life: PodLife; pod: ApiPod; nodeIp: string }
  timer?: Timer
  refused?: boolean
  deleted: boolean
  done: boolean
}

export class SimulatedPods {
  readonly #options: SimulatedPodsOptions
  readonly #known = new Map<string, Known>()
  readonly #addresses = new Map<string, AddressPool>()
  readonly #ports = new HostPorts()
  readonly #backoff: RestartBackoff

  constructor(options: SimulatedPodsOptions) {
    this.#options = options
    this.#backoff = new RestartBackoff(options.clock)
  }

  /** Before the first pod is observed: addresses that pods have are not given out again. */
  reserve(pods: Iterable<ApiPod>): void {
    for (const { spec, status } of pods) {
      const node = spec?.nodeName ? this.#options.node(spec.nodeName) : undefined
      if (node && status?.podIP && status.phase !== 'Failed' && status.phase !== 'Succeeded')
        this.#poolOf(node.podCidr).reserve(status.podIP)
    }
  }

  observe(object: ApiPod | undefined, previous: ApiPod | undefined): void {
    const uid = object?.metadata?.uid
    const before = previous?.metadata?.uid
    if (before && before !== uid) this.#forget(before)
    const node = object?.spec?.nodeName && uid ? this.#options.node(object.spec.nodeName) : undefined
    if (!object || !node) return
    if (object.metadata?.deletionTimestamp) return this.#delete(object)
    const phase = object.status?.phase ?? 'Pending'
    if (phase === 'Failed' || phase === 'Succeeded') return this.#free(uid!)
    const present = this.#known.get(uid!)
    if (present?.refused) return
    if (present?.scripted) return this.#live(object, present)
    if (hasScript(object)) return this.#begin(object, node)
    // What a stage has made of it stays.
    if (object.metadata?.annotations?.[STAGE_ANNOTATION]) return
    // Who thought the node lost has marked its pods: they are shown as they are again.
    const seen = (object.status?.observedGeneration ?? 0) >= (object.metadata?.generation ?? 0)
    const told = seen && phase === 'Running' && object.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
    if (present && seen && (told || phase !== 'Running')) return
    const refusal = present ? undefined : this.#ports.take(object)
    if (refusal && !told) return this.#refuse(object, refusal)
    const known = present ?? this.#admit(object, node)
    if (told) return this.#scheduleEnd(object, known)
    this.#options.pool.add(uid!, () => this.#run(object, { known, nodeIp: node.ip }))
  }

  stop(): void {
    for (const { timer } of this.#known.values()) timer?.cancel()
    this.#known.clear()
  }

  /** Before it has started, or long after: what its status tells is where its life goes on. */
  #begin(pod: ApiPod, node: { ip: string; podCidr: string }): void {
    const uid = pod.metadata!.uid!
    const present = this.#known.get(uid)
    const refusal = present || pod.status?.podIP ? undefined : this.#ports.take(pod)
    if (refusal) return this.#refuse(pod, refusal)
    const known = present ?? this.#admit(pod, node)
    known.scripted = { life: new PodLife(pod, this.#options.clock.now()), pod, nodeIp: node.ip }
    this.#live(pod, known)
  }

  #live(pod: ApiPod, known: Known): void {
    known.scripted!.pod = pod
    this.#options.pool.add(pod.metadata!.uid!, () => this.#step(known))
  }

  async #step(known: Known): Promise<void> {
    const { clock, pool, events } = this.#options
    const { life, pod, nodeIp } = known.scripted!
    // A node that is lost does nothing for its pods.
    if (known.deleted || known.done || !this.#options.node(known.node)) return
    const now = clock.now()
    const warn: Tell = (reason, message, container) => {
      const fieldPath = container && { fieldPath: fieldPathOf(container) }
      events?.event(pod, reason === 'Killing' ? 'Normal' : 'Warning', reason, message, fieldPath ?? {})
    }
    const stand = life.step(pod, { now, backoff: this.#backoff, warn })
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

  /** After as long as a kubelet takes: controllers that try again at once are held to that pace. */
  #refuse(pod: ApiPod, { reason, message }: Refusal): void {
    const { clock, pool } = this.#options
    const uid = pod.metadata!.uid!
    const timer = clock.after(REFUSAL_MS, () => {
      const status = { phase: 'Failed', reason, message: `Pod was rejected: ${message}`, startTime: formatTime(clock.now()) }
      pool.add(uid, () => this.#patch(pod, status))
    })
    this.#known.set(uid, { ip: '', node: '', pool: undefined, timer, refused: true, deleted: false, done: false })
  }

  #admit(pod: ApiPod, node: { ip: string; podCidr: string }): Known {
    const pool = this.#poolOf(node.podCidr)
    const held = pod.status?.podIP
    if (held) pool.reserve(held)
    const ip = pod.spec?.hostNetwork ? node.ip : (held ?? pool.take() ?? '')
    const known: Known = { ip, node: pod.spec!.nodeName!, pool: pod.spec?.hostNetwork ? undefined : pool, deleted: false, done: false }
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
    const status = podStatus(pod, {
      observed,
      previous,
      failures,
      runtimeName: 'simulated',
      applied: () => undefined,
      verdicts: { startup: () => 'success', liveness: () => 'success', readiness: () => 'success' },
      hostIps: nodeIp ? [nodeIp] : [],
      now,
      ...(end ? { terminal: true } : {}),
      ...(end?.verdict ? { verdict: end.verdict } : {}),
    })
    return this.#patch(pod, difference(status, previous))
  }

  async #patch(pod: ApiPod, status: object): Promise<ApiPod | undefined> {
    const patch = { metadata: { uid: pod.metadata?.uid }, status }
    try {
      return await this.#options.client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status' })
    } catch (error) {
      if (hasReason(error, 'NotFound', 'Conflict')) return undefined
      throw error
    }
  }

  #delete(pod: ApiPod): void {
    const uid = pod.metadata!.uid!
    const known = this.#known.get(uid)
    if (known?.done) return
    const entry: Known = known ?? { ip: '', node: '', pool: undefined, deleted: true, done: false }
    entry.deleted = true
    entry.done = true
    entry.timer?.cancel()
    this.#known.set(uid, entry)
    const remove = async () => {
      try {
        await this.#options.client.delete(Pod, keyOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } })
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Conflict')) throw error
      }
    }
    const stopMs = hasScript(pod) ? (new Script(pod).timeMs('stop-delay') ?? 0) : 0
    const waitMs = Math.min(stopMs, (pod.metadata?.deletionGracePeriodSeconds ?? 0) * 1000)
    if (waitMs > 0) entry.timer = this.#options.clock.after(waitMs, () => this.#options.pool.add(uid, remove))
    else this.#options.pool.add(uid, remove)
  }

  #free(uid: string): void {
    const known = this.#known.get(uid)
    known?.timer?.cancel()
    known?.pool?.free(known.ip)
    if (!known) return
    if (known.scripted) this.#backoff.forgetAll(`${uid}/`)
    delete known.scripted
    known.pool = undefined
    this.#ports.free({ uid, node: known.node })
  }

  #forget(uid: string): void {
    this.#free(uid)
    this.#known.delete(uid)
  }
}

interface End {
  dueAt: number
  verdict?: { reason: string; message: string }
}

/** What ends the pod by itself, and when. */
function endOf({ metadata, spec, status }: ApiPod, now: number): End | undefined {
  const since = (time: string | undefined) => (time ? Date.parse(time) : now)
  const seconds = Number(metadata?.annotations?.[RUN_SECONDS])
  const finished =
    spec?.restartPolicy === 'Always' || !(seconds >= 0)
      ? undefined
      : since(status?.containerStatuses?.[0]?.state?.running?.startedAt ?? status?.startTime) + seconds * 1000
  const deadline = spec?.activeDeadlineSeconds === undefined ? undefined : since(status?.startTime) + spec.activeDeadlineSeconds * 1000
  if (deadline !== undefined && deadline < (finished ?? Infinity))
    return { dueAt: deadline, verdict: { reason: 'DeadlineExceeded', message: DEADLINE_MESSAGE } }
  return finished === undefined ? undefined : { dueAt: finished }
}

/** Containers whose image nobody can pull. */
function unpullable(pod: ApiPod): Map<string, StartFailure> {
  return new Map(
    containersOf(pod).flatMap(({ spec: { name, image = '' } }) =>
      /^[^/]+\.invalid(:\d+)?\//.test(image) ? [[name, { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}"` }]] : [],
    ),
  )
}

interface Observing {
  ip: string
  ended: boolean
  failed: ReadonlyMap<string, StartFailure>
  now: number
}

function observedPod(pod: ApiPod, { ip, ended, failed, now }: Observing): ObservedPod {
  const identity = identityOf(pod)
  const exitCode = Number(pod.metadata?.annotations?.[EXIT_CODE] ?? 0) || 0
  const sandboxId = `sandbox-${identity.uid}`
  const container = (name: string, state: ContainerState, code: number): Container => {
    const startedAt = Date.parse(pod.status?.containerStatuses?.find((one) => one.name === name)?.state?.running?.startedAt ?? '') || now
    return {
      id: `${identity.uid}-${name}`,
      sandboxId,
      name,
      attempt: 0,
      state,
      image: containersOf(pod).find(({ spec }) => spec.name === name)?.spec.image ?? '',
      imageRef: 'simulated',
      createdAt: startedAt,
      startedAt,
      finishedAt: state === 'exited' ? now : 0,
      exitCode: code,
      reason: state === 'exited' ? (code === 0 ? 'Completed' : 'Error') : '',
      message: '',
      labels: { [LABEL.container]: name },
      annotations: { [ANNOTATION.restartCount]: '0' },
      logPath: '',
    }
  }
  const all = containersOf(pod)
  const stuck = all.findIndex(({ spec, type }) => failed.has(spec.name) && (type === 'init' || type === 'sidecar'))
  const begun = (stuck < 0 ? all : all.slice(0, stuck)).filter(({ spec }) => !failed.has(spec.name))
  return {
    sandboxes: [sandboxOf(pod, { ip, ready: !ended, now })],
    containers: begun.map(({ spec, type }) => {
      if (type === 'init') return container(spec.name, 'exited', 0)
      if (!ended) return container(spec.name, 'running', 0)
      return container(spec.name, 'exited', type === 'main' ? exitCode : 0)
    }),
  }
}

function sandboxOf(pod: ApiPod, { ip, ready, now }: { ip: string; ready: boolean; now: number }): Sandbox {
  const identity = identityOf(pod)
  const hostNetwork = Boolean(pod.spec?.hostNetwork)
  return {
    id: `sandbox-${identity.uid}`,
    ...identity,
    attempt: 0,
    ready,
    createdAt: now,
    ips: hostNetwork ? [] : [ip],
    hostNetwork,
    labels: {},
    annotations: {},
  }
}
