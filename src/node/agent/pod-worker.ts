// One pod, one thread of work: it runs, it ends, it is cleaned up, it is deleted from the API, in that order and never two steps at a
// time. News only marks the pod as due for another look; what to do is always found by looking.
import { rm } from 'node:fs/promises'
import { isFinished } from '#api/finished-pod.ts'
import type { Pod as ApiPod, PodCondition, PodStatus, ResourceRequirements } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ignoreOvertaken } from '#api/status.ts'
import { formatTime, type Timer } from '#lib/clock.ts'
import type { Container } from '#node/runtime.ts'
import type { Refusal } from './admission.ts'
import { OWNED_CONDITIONS } from './conditions.ts'
import type { StartFailure } from './container-status.ts'
import { type AgentContext, containerEvents } from './context.ts'
import { runHook } from './hooks.ts'
import { LABEL, type PodIdentity, podLogDirectory } from './identity.ts'
import { Grace, killContainers, type KillContext } from './kill.ts'
import { type AllVerdicts, DEADLINE_EXCEEDED, podStatus } from './pod-status.ts'
import { applyResize } from './resize.ts'
import { ipsOf, syncPod } from './sync-pod.ts'

type Stage = 'running' | 'ending' | 'ended' | 'finished'

export interface WorkerEvents {
  /** Nothing of it is left on the node, and the API has been told. */
  finished(uid: string): void
}

export interface EvictionRequest {
  message: string
  /** For the node's sake rather than for what the pod itself took. */
  pressure: boolean
}

const RETRY_MS = { first: 1000, most: 10_000 }
const EVICTED = 'Evicted'

export class PodWorker {
  readonly identity: PodIdentity
  #pod: ApiPod | undefined
  #gone = false
  #refusal: Refusal | undefined
  #verdict: { reason: string; message: string } | undefined
  #disruption: PodCondition[] = []
  #stage: Stage = 'running'
  #status: PodStatus
  #due = false
  #working: Promise<void> | undefined
  #interrupt = new AbortController()
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #grace: Grace | undefined
  #retryMs = RETRY_MS.first
  #cleaned = false
  readonly #failures = new Map<string, StartFailure>()
  readonly #applied = new Map<string, ResourceRequirements>()
  readonly #context: AgentContext
  readonly #events: WorkerEvents

  constructor(identity: PodIdentity, context: AgentContext, events: WorkerEvents) {
    this.identity = identity
    this.#context = context
    this.#events = events
    this.#status = {}
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted
  }

  get pod(): ApiPod | undefined {
    return this.#pod
  }

  /** Takes part in what later pods are admitted against; one deleted by force no longer does, though it may still be ending. */
  get active(): boolean {
    return this.#pod !== undefined && !this.#gone && !this.#refusal && (this.#stage === 'running' || this.#stage === 'ending')
  }

  /** The API's newest version of the pod. */
  update(pod: ApiPod): void {
    const known = this.#pod
    if (!known) this.#status = pod.status ?? {}
    this.#pod = pod
    this.#context.statuses.observe(pod)
    if (this.#mustEnd()) this.#hurry()
    // What only echoes our own report calls for nothing.
    if (!known || newsOf(known) !== newsOf(pod)) this.poke()
  }

  /** The API no longer has it, or never had: whatever runs must go. */
  remove(): void {
    this.#gone = true
    this.#hurry()
    this.poke()
  }

  refuse(refusal: Refusal): void {
    this.#refusal = refusal
  }

  /** Ends the pod on the node's own authority, at once. */
  evict({ message, pressure }: EvictionRequest): void {
    if (this.#verdict || !this.#pod) return
    this.#verdict = { reason: EVICTED, message }
    if (pressure) {
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }
      const observedGeneration = this.#pod.metadata?.generation ?? 0
      this.#disruption = [{ ...condition, lastTransitionTime: formatTime(this.#context.clock.now()), observedGeneration }]
    }
    this.#context.events.event(this.#pod, 'Warning', EVICTED, message)
    this.#hurry()
    this.poke()
  }

  poke(): void {
    if (this.#stopped) return
    this.#due = true
    if (this.#stage === 'ending') this.#report()
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
      if (this.#due) this.poke()
    })
  }

  /** Lets what is being done come to an end; leaves everything running. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node agent was stopped'))
    this.#due = false
    this.#timer?.cancel()
    this.#interrupt.abort(new Error('the node agent was stopped'))
    await this.#working
    // Whoever stops the sandboxes takes their groups away, but knows nothing of a pod that has none.
    if (this.#context.view.pod(this.identity.uid).sandboxes.length === 0) await this.#removeCgroups()
  }

  async #work(): Promise<void> {
    // Lets what arrives in the same turn count as one piece of news.
    await Promise.resolve()
    while (this.#due && !this.#stopped) {
      this.#due = false
      this.#timer?.cancel()
      try {
        await this.#step()
        this.#retryMs = RETRY_MS.first
      } catch (error) {
        if (this.#stopped || this.#interrupt.signal.aborted) continue
        this.#context.log.warn('could not sync a pod', { pod: this.identity.name, namespace: this.identity.namespace, error })
        this.#wakeAt(this.#context.clock.now() + this.#retryMs)
        this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2)
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#stage === 'running') {
      if (this.#refusal) return this.#refuse(this.#refusal)
      this.#checkDeadline()
      if (!this.#mustEnd()) {
        this.#interrupt = new AbortController()
        if (!(await this.#run())) return
      }
      this.#stage = 'ending'
    }
    if (this.#stage === 'ending') {
      await this.#end()
      this.#stage = 'ended'
    }
    if (this.#stage === 'ended') await this.#cleanUp()
  }

  /** True once nothing of the pod will run again. */
  async #run(): Promise<boolean> {
    const pod = this.#pod!
    const { prober, clock } = this.#context
    if (this.#finishedInApi()) return true
    prober.add(pod)
    this.#report()
    prober.poke(this.identity.uid)
    const { finished, retryAt } = await syncPod(pod, {
      context: this.#context,
      request: {
        verdicts: this.#verdicts(),
        failures: this.#failures,
        previous: () => this.#status,
        kill: this.#killContext(),
        signal: this.#interrupt.signal,
        report: () => this.#report(),
      },
    })
    await applyResize(pod, this.#context.view.pod(this.identity.uid).containers, { applied: this.#applied, context: this.#context })
    prober.poke(this.identity.uid)
    this.#report()
    if (finished) return true
    await this.#forgetOldContainers()
    const deadline = this.#deadline()
    const wake = [retryAt, deadline].filter((time) => time !== undefined)
    if (wake.length > 0) this.#wakeAt(Math.max(Math.min(...wake), clock.now() + 1))
    return false
  }

  async #end(): Promise<void> {
    const { prober, view, runtime, volumes } = this.#context
    const { uid } = this.identity
    prober.stopLivenessAndStartup(uid)
    this.#grace ??= new Grace(this.#graceSeconds())
    this.#grace.shorten(this.#graceSeconds())
    this.#report()
    const { containers, sandboxes } = view.pod(uid)
    const running = containers.filter(({ state }) => state === 'running' || state === 'unknown')
    await killContainers(this.#pod, running, { grace: this.#grace, context: this.#killContext() })
    await Promise.all(running.map(({ id }) => view.refreshContainer(id)))
    prober.remove(uid)
    this.#report()
    // One that is not ready may have been stopped by halves, its network still there; the volumes go only after it was seen through.
    const seenThrough = !(await volumes.exist(uid))
    for (const { id, ready } of sandboxes) {
      if (!ready && seenThrough) continue
      await runtime.stopPodSandbox(id)
      await view.refreshSandbox(id)
    }
  }

  async #cleanUp(): Promise<void> {
    const { volumes, statuses, client, restarts, logDirectory } = this.#context
    const { uid, namespace, name } = this.identity
    const leaving = this.#gone || this.#pod?.metadata?.deletionTimestamp !== undefined
    this.#report({ terminal: true })
    if (leaving) await this.#removeFromRuntime()
    if (!this.#cleaned) {
      await volumes.tearDown(uid)
      await this.#removeCgroups()
      restarts.forgetAll(`${uid}/`)
      this.#cleaned = true
    }
    if (!leaving) return
    // Last: it tells a later life of this agent that something may be left.
    await rm(podLogDirectory(logDirectory, this.identity), { recursive: true, force: true })
    if (!this.#gone) {
      await statuses.flush(uid)
      await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } }).catch(ignoreOvertaken)
    }
    this.#stage = 'finished'
    statuses.forget(uid)
    this.#events.finished(uid)
  }

  /** Other instances have groups of their own in the same tree: only this pod's are ours. */
  async #removeCgroups(): Promise<void> {
    const { cgroups } = this.#context
    for (const path of (await cgroups?.pods()) ?? []) if (path.endsWith(`/pod${this.identity.uid}`)) await cgroups!.removePod(path)
  }

  async #removeFromRuntime(): Promise<void> {
    const { view, runtime } = this.#context
    const { containers, sandboxes } = view.pod(this.identity.uid)
    await Promise.all(containers.map(({ id }) => runtime.removeContainer(id)))
    for (const { id } of sandboxes) await runtime.removePodSandbox(id)
    await Promise.all([...containers.map(({ id }) => view.refreshContainer(id)), ...sandboxes.map(({ id }) => view.refreshSandbox(id))])
  }

  /** Of each container the running instance and the last dead one are kept, of sandboxes those that still have containers. */
  async #forgetOldContainers(): Promise<void> {
    const { view, runtime } = this.#context
    const { containers, sandboxes } = view.pod(this.identity.uid)
    const seen = new Map<string, number>()
    const old: Container[] = []
    for (const container of containers) {
      const name = container.labels[LABEL.container] ?? container.name
      const count = (seen.get(name) ?? 0) + 1
      seen.set(name, count)
      if (count > 2 && container.state === 'exited') old.push(container)
    }
    for (const { id } of old) {
      await runtime.removeContainer(id)
      await view.refreshContainer(id)
    }
    const used = new Set(containers.filter((one) => !old.includes(one)).map(({ sandboxId }) => sandboxId))
    for (const { id, ready } of sandboxes.slice(1)) {
      if (ready || used.has(id)) continue
      await runtime.removePodSandbox(id)
      await view.refreshSandbox(id)
    }
  }

  #refuse({ reason, message }: Refusal): void {
    const { statuses, clock } = this.#context
    this.#stage = 'ended'
    const full = `Pod was rejected: ${message}`
    this.#context.events.event(this.#pod!, 'Warning', reason, message)
    this.#status = { ...this.#pod!.status, phase: 'Failed', reason, message: full, startTime: formatTime(clock.now()) }
    statuses.set(this.#pod!, this.#status)
    this.#due = true
  }

  #report(options: { terminal?: boolean } = {}): void {
    const pod = this.#pod
    if (!pod || this.#gone || this.#stage === 'finished' || (this.#refusal && this.#stage !== 'running')) return
    const { view, clock, statuses, runtimeName, node } = this.#context
    this.#status = podStatus(pod, {
      observed: view.pod(this.identity.uid),
      previous: this.#previous(pod),
      failures: this.#failures,
      runtimeName,
      applied: (id) => this.#applied.get(id),
      verdicts: this.#verdicts(),
      hostIps: node().ips,
      now: clock.now(),
      ...(options.terminal ? { terminal: true } : {}),
      ...(this.#verdict ? { verdict: this.#verdict } : {}),
      extraConditions: this.#disruption,
    })
    statuses.set(pod, this.#status)
  }

  /** Our own last word, but other actors' conditions as the API has them, and its phase once that is final. */
  #previous(pod: ApiPod): PodStatus {
    const known = new Set((this.#status.conditions ?? []).map(({ type }) => type))
    const others = (pod.status?.conditions ?? []).filter(({ type }) => !known.has(type))
    const over = this.#finishedInApi()
    return {
      ...this.#status,
      ...(over
        ? {
            phase: pod.status!.phase!,
            ...(pod.status?.reason ? { reason: pod.status.reason } : {}),
            ...(pod.status?.message ? { message: pod.status.message } : {}),
          }
        : {}),
      conditions: [...(this.#status.conditions ?? []), ...others],
    }
  }

  #verdicts(): AllVerdicts {
    const { prober, view } = this.#context
    const { uid } = this.identity
    const ask = (kind: 'startup' | 'liveness' | 'readiness') => (id: string) => {
      const container = view.pod(uid).containers.find((one) => one.id === id)
      return container && prober.result(kind, uid, container.labels[LABEL.container] ?? container.name, id)
    }
    return { startup: ask('startup'), liveness: ask('liveness'), readiness: ask('readiness') }
  }

  #killContext(): KillContext {
    const { runtime, clock, log } = this.#context
    return {
      runtime,
      clock,
      signal: this.#stop.signal,
      killing: (container, message) => this.#pod && containerEvents(this.#context, this.#pod, container)('Normal', 'Killing', message),
      preStop: async (pod, container, { containerId, graceSeconds }) => {
        const sandbox = this.#context.view.pod(this.identity.uid).sandboxes[0]
        const podIp = ipsOf(pod, sandbox?.ips ?? [], this.#context)[0] ?? ''
        const target = { container, containerId, podIp, timeoutSeconds: graceSeconds, signal: this.#stop.signal }
        await runHook(pod, container.spec.lifecycle!.preStop!, { target, context: this.#context }).catch((error: unknown) => {
          log.debug('a preStop hook failed', { pod: pod.metadata?.name, error })
          containerEvents(this.#context, pod, container)('Warning', 'FailedPreStopHook', 'PreStopHook failed')
        })
      },
    }
  }

  #mustEnd(): boolean {
    return this.#gone || this.#verdict !== undefined || this.#pod?.metadata?.deletionTimestamp !== undefined
  }

  #finishedInApi(): boolean {
    return this.#pod !== undefined && isFinished(this.#pod)
  }

  /** Breaks off what a running pod is waiting for, and shortens the grace of one that already ends. */
  #hurry(): void {
    this.#interrupt.abort(new Error('the pod ends'))
    this.#grace?.shorten(this.#graceSeconds())
  }

  #graceSeconds(): number {
    if (!this.#pod || this.#verdict?.reason === EVICTED) return 1
    const { deletionGracePeriodSeconds } = this.#pod.metadata ?? {}
    const seconds = deletionGracePeriodSeconds ?? this.#pod.spec?.terminationGracePeriodSeconds ?? 30
    return Math.max(1, seconds)
  }

  #deadline(): number | undefined {
    const seconds = this.#pod?.spec?.activeDeadlineSeconds
    const start = this.#status.startTime
    return seconds === undefined || start === undefined ? undefined : Date.parse(start) + seconds * 1000
  }

  #checkDeadline(): void {
    const deadline = this.#deadline()
    if (deadline === undefined || this.#context.clock.now() < deadline || this.#mustEnd() || this.#finishedInApi()) return
    this.#verdict = DEADLINE_EXCEEDED
    this.#context.events.event(this.#pod!, 'Normal', DEADLINE_EXCEEDED.reason, DEADLINE_EXCEEDED.message)
  }

  #wakeAt(time: number): void {
    this.#timer?.cancel()
    if (this.#stopped) return
    this.#timer = this.#context.clock.after(time - this.#context.clock.now(), () => this.poke())
  }
}

/** All of a pod but the status this node writes. */
function newsOf({ metadata = {}, status = {} }: ApiPod): string {
  const { generation, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds } = metadata
  const others = (status.conditions ?? []).filter(({ type }) => !(OWNED_CONDITIONS as readonly string[]).includes(type))
  return JSON.stringify([generation, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, others, isFinished({ status })])
}
