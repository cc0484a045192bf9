// All probes of a node: one worker per container and kind of probe, each on its own period. Results belong to a container id, so a
// restarted container starts anew. What to do about a result is the agent's affair: it is only told that one has changed.
import type { Container as ContainerSpec, Pod, Probe } from '#api/generated/types.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'
import type { Container, Runtime } from '#node/runtime.ts'
import { execProbe } from './exec.ts'
import { grpcProbe } from './grpc.ts'
import { httpProbe } from './http.ts'
import type { Outcome, ProbeTarget } from './outcome.ts'
import { tcpProbe } from './tcp.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'
export type ProbeResult = 'success' | 'failure' | 'unknown'

const SPECS: Record<ProbeKind, (container: ContainerSpec) => Probe | undefined> = {
  startup: (container) => container.startupProbe,
  liveness: (container) => container.livenessProbe,
  readiness: (container) => container.readinessProbe,
}
const INITIAL: Record<ProbeKind, ProbeResult> = { startup: 'unknown', liveness: 'success', readiness: 'failure' }
/** Attempts before a probe that cannot be carried out counts as failed. */
const ATTEMPTS = 3

export interface ProbedContainer {
  pod: Pod
  container: Container
  podIp: string
}

export interface ProberOptions {
  runtime: Pick<Runtime, 'execSync'>
  clock: Clock
  random: Random
  /** The newest instance of a container, or undefined while there is none. */
  find(uid: string, container: string): ProbedContainer | undefined
  changed(uid: string): void
  unhealthy(pod: Pod, container: ContainerSpec, message: string): void
  /** Carries out one attempt; the real thing unless a test says otherwise. */
  attempt?(probe: Probe, target: ProbeTarget): Promise<Outcome>
}

export class Prober {
  readonly #options: ProberOptions
  readonly #workers = new Map<string, Map<string, Worker>>()
  /** Until then, first probes wait a random part of their period, so that a restart does not probe everything at once. */
  readonly #startedAt: number

  constructor(options: ProberOptions) {
    this.#options = options
    this.#startedAt = options.clock.monotonic()
  }

  /** Idempotent: a worker for each probe of the pod. */
  add(pod: Pod): void {
    const uid = pod.metadata?.uid ?? ''
    let own = this.#workers.get(uid)
    if (!own) this.#workers.set(uid, (own = new Map()))
    const { clock, random } = this.#options
    const young = clock.monotonic() - this.#startedAt < 10_000
    const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
    for (const spec of [...sidecars, ...(pod.spec?.containers ?? [])]) {
      for (const kind of ['startup', 'liveness', 'readiness'] as const) {
        const probe = SPECS[kind](spec)
        const key = `${spec.name}/${kind}`
        if (!probe || own.has(key)) continue
        const delayMs = young ? random.float() * (probe.periodSeconds ?? 10) * 1000 : 0
        own.set(key, new Worker({ uid, spec, kind, probe, delayMs, results: this, inherited: lastKnown(pod, spec.name) }, this.#options))
      }
    }
  }

  /** A container has just been seen running: those whose answer decides readiness ask at once. */
  poke(uid: string): void {
    for (const worker of this.#workers.get(uid)?.values() ?? []) worker.poke()
  }

  /** While a pod ends it can still become unready, but is no longer killed for its health. */
  stopLivenessAndStartup(uid: string): void {
    const own = this.#workers.get(uid)
    for (const [key, worker] of own ?? []) {
      if (worker.kind === 'readiness') continue
      worker.stop()
      own!.delete(key)
    }
  }

  remove(uid: string): void {
    for (const worker of this.#workers.get(uid)?.values() ?? []) worker.stop()
    this.#workers.delete(uid)
  }

  /** undefined: there is no such probe, or none of this container id yet. */
  result(kind: ProbeKind, uid: string, container: string, containerId: string): ProbeResult | undefined {
    const worker = this.#workers.get(uid)?.get(`${container}/${kind}`)
    return worker?.containerId === containerId ? worker.result : undefined
  }

  stop(): void {
    for (const uid of this.#workers.keys()) this.remove(uid)
  }
}

interface WorkerOptions {
  uid: string
  spec: ContainerSpec
  kind: ProbeKind
  probe: Probe
  delayMs: number
  results: Prober
  /** What the API says of a container that ran before this agent did. */
  inherited: { containerId: string; started: boolean; ready: boolean } | undefined
}

/** A restart of the agent does not make ready containers unready. */
function lastKnown({ status }: Pod, name: string): WorkerOptions['inherited'] {
  const found = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find((one) => one.name === name)
  if (!found?.state?.running || !found.containerID) return undefined
  return { containerId: found.containerID.slice(found.containerID.indexOf('://') + 3), started: found.started ?? false, ready: found.ready }
}

class Worker {
  readonly kind: ProbeKind
  containerId = ''
  result: ProbeResult
  readonly #own: WorkerOptions
  readonly #options: ProberOptions
  readonly #stop = new AbortController()
  #timer: Timer
  #busy = false
  #onHold = false
  #last: 'success' | 'failure' | undefined
  #run = 0

  constructor(own: WorkerOptions, options: ProberOptions) {
    this.kind = own.kind
    this.result = INITIAL[own.kind]
    this.#own = own
    const { inherited } = own
    if (inherited && ((own.kind === 'readiness' && inherited.ready) || (own.kind === 'startup' && inherited.started))) {
      this.containerId = inherited.containerId
      this.result = 'success'
    }
    this.#options = options
    const periodMs = (own.probe.periodSeconds ?? 10) * 1000
    this.#timer = options.clock.after(own.delayMs, () => {
      void this.#tick()
      this.#timer = options.clock.every(periodMs, () => void this.#tick())
    })
  }

  stop(): void {
    this.#stop.abort()
    this.#timer.cancel()
  }

  poke(): void {
    if (this.kind === 'readiness' && this.result !== 'success') void this.#tick()
  }

  async #tick(): Promise<void> {
    if (this.#busy || this.#stop.signal.aborted) return
    this.#busy = true
    try {
      await this.#look()
    } finally {
      this.#busy = false
    }
  }

  async #look(): Promise<void> {
    const { uid, spec, kind, probe, results } = this.#own
    const found = this.#options.find(uid, spec.name)
    if (!found) return
    const { container, pod, podIp } = found
    if (container.id !== this.containerId) {
      this.containerId = container.id
      this.result = INITIAL[kind]
      this.#onHold = false
      this.#last = undefined
      this.#run = 0
    }
    if (this.#onHold) return
    if (container.state !== 'running') return this.#set(kind === 'liveness' && container.state === 'created' ? 'success' : 'failure')
    if (this.#options.clock.now() - container.startedAt < (probe.initialDelaySeconds ?? 0) * 1000) return
    const started = !spec.startupProbe || results.result('startup', uid, spec.name, container.id) === 'success'
    if (started === (kind === 'startup')) return
    const outcome = await this.#attempt(probe, { spec, containerId: container.id, podIp })
    if (this.#stop.signal.aborted || this.containerId !== container.id) return
    this.#judge(outcome, { pod, spec, kind, probe })
  }

  #judge(outcome: Outcome, { pod, spec, kind, probe }: { pod: Pod; spec: ContainerSpec; kind: ProbeKind; probe: Probe }): void {
    const name = `${kind[0]!.toUpperCase()}${kind.slice(1)}`
    if (outcome.result === 'failure') this.#options.unhealthy(pod, spec, `${name} probe failed: ${outcome.output}`)
    else if (outcome.result === 'error') {
      this.#options.unhealthy(pod, spec, `${name} probe errored and resulted in unknown state: ${outcome.output}`)
      return
    } else if (outcome.result === 'warning') this.#options.unhealthy(pod, spec, `${name} probe warning: ${outcome.output}`)
    const verdict = outcome.result === 'failure' ? 'failure' : 'success'
    this.#run = verdict === this.#last ? this.#run + 1 : 1
    this.#last = verdict
    if (this.#run < (verdict === 'failure' ? (probe.failureThreshold ?? 3) : (probe.successThreshold ?? 1))) return
    this.#set(verdict)
    if (verdict === 'failure' && kind !== 'readiness') {
      // Its container is about to be killed: nothing to ask until there is another.
      this.#onHold = true
      this.#run = 0
    }
  }

  #set(result: ProbeResult): void {
    if (this.result === result) return
    this.result = result
    this.#options.changed(this.#own.uid)
    if (this.kind === 'startup' && result === 'success') this.#own.results.poke(this.#own.uid)
  }

  async #attempt(
    probe: Probe,
    { spec, containerId, podIp }: { spec: ContainerSpec; containerId: string; podIp: string },
  ): Promise<Outcome> {
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
    const { clock, runtime } = this.#options
    const target = (signal: AbortSignal): ProbeTarget => ({
      podIp,
      containerId,
      ports: (spec.ports ?? []).map(({ name, containerPort }) => ({ containerPort, ...(name ? { name } : {}) })),
      timeoutMs,
      signal,
    })
    const attempt = this.#options.attempt ?? ((one: Probe, at: ProbeTarget) => carryOut(one, at, runtime))
    let outcome: Outcome = { result: 'error', output: '' }
    for (let tries = 0; tries < ATTEMPTS && outcome.result === 'error'; tries++) {
      const over = new AbortController()
      using _limit = clock.after(timeoutMs, () => over.abort())
      const signal = AbortSignal.any([this.#stop.signal, over.signal])
      outcome = await attempt(probe, target(signal)).catch((error: Error): Outcome => ({ result: 'error', output: error.message }))
    }
    return outcome
  }
}

async function carryOut(probe: Probe, target: ProbeTarget, runtime: Pick<Runtime, 'execSync'>): Promise<Outcome> {
  if (probe.exec) return execProbe(probe.exec, target, runtime)
  if (probe.httpGet) return httpProbe(probe.httpGet, target)
  if (probe.tcpSocket) return tcpProbe(probe.tcpSocket, target)
  if (probe.grpc) return grpcProbe(probe.grpc, target)
  throw new Error('missing probe handler')
}
