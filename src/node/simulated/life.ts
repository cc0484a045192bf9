// The life of one simulated pod whose annotations say how it goes: containers start, are ready, end and are started again as on a real node, with the
// kubelet's back-off. Pure but for what it remembers: told the time, it answers how the pod stands and when to ask again.
import type { Pod, PodCondition, Probe } from '#api/generated/types.ts'
import { formatTime } from '#lib/clock.ts'
import type { StartFailure } from '#node/agent/container-status.ts'
import { ANNOTATION, containersOf, formatPod, LABEL, type TypedContainer } from '#node/agent/identity.ts'
import { DEADLINE_EXCEEDED } from '#node/agent/pod-status.ts'
import { goSeconds, type RestartBackoff } from '#node/agent/restart-backoff.ts'
import { restartPolicyOf, shouldRestart } from '#node/agent/restart-policy.ts'
import type { Container } from '#node/runtime.ts'
import { isUnpullable } from './plain-pod.ts'
import { Script } from './script.ts'

export type Tell = (reason: string, message: string, container?: TypedContainer) => void

export interface Around {
  now: number
  backoff: RestartBackoff
  /** Warnings of the pod. */
  warn: Tell
}

/** How a pod stands at a moment. */
export interface Stand {
  /** With the probes that its annotations speak of. */
  pod: Pod
  /** Newest first for each name. */
  containers: Container[]
  failures: Map<string, StartFailure>
  ready(containerId: string): boolean
  started(containerId: string): boolean
  /** The pod has its sandbox. */
  began: boolean
  /** Nothing will run again. */
  over: boolean
  verdict?: { reason: string; message: string }
  conditions: PodCondition[]
  /** When something happens by itself; Infinity: never. */
  dueAt: number
}

interface Run {
  latest: Container
  before?: Container
}

interface Pull {
  image: string
  tries: number
  nextAt: number
}

const KILLED = 137
const PULL_MS = { first: 10_000, most: 300_000 }

export function tellFailedPull(warn: Tell, container: TypedContainer): void {
  warn('Failed', `Failed to pull image "${container.spec.image}": simulated`, container)
  warn('Failed', 'Error: ErrImagePull', container)
}

export class PodLife {
  readonly #runs = new Map<string, Run>()
  readonly #pulls = new Map<string, Pull>()
  /** When a probe began to fail, by container and probe. */
  readonly #failingSince = new Map<string, number>()
  readonly #boundAt: number
  /** How containers are to end at the next step, by name; '' is all main ones. */
  readonly #exits = new Map<string, { code: number; reason: string }>()
  #evicted: string | undefined
  #faults = ''
  #dueAt = Infinity

  /** Takes up a life where the pod's status says it is. */
  constructor(pod: Pod, now: number) {
    this.#boundAt = now
    const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {}
    const statuses = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses]
    for (const { name, state, lastState, restartCount } of statuses) {
      const ended = state?.terminated ?? (state?.waiting ? lastState?.terminated : undefined)
      if (!state?.running && !ended) continue
      const startedAt = Date.parse(state?.running?.startedAt ?? ended?.startedAt ?? '') || now
      const latest = containerOf(pod, name, { attempt: restartCount, startedAt })
      const finishedAt = Date.parse(ended?.finishedAt ?? '') || now
      this.#runs.set(name, {
        latest: ended ? { ...latest, state: 'exited', finishedAt, exitCode: ended.exitCode, reason: ended.reason ?? '' } : latest,
      })
    }
  }

  /** The node ends it, with these words. */
  evict(message: string): void {
    this.#evicted ??= message
  }

  exit({ container = '', code, reason }: { container?: string; code: number; reason: string }): void {
    this.#exits.set(container, { code, reason })
  }

  /** Moves on to `now`. */
  step(pod: Pod, around: Around): Stand {
    const { now, warn } = around
    const script = new Script(pod)
    const faults = script.faults().join('; ')
    if (faults && faults !== this.#faults) warn('BadAnnotation', faults)
    this.#faults = faults
    this.#dueAt = Infinity
    const failures = new Map<string, StartFailure>()
    const stand: Stand = {
      pod,
      containers: [],
      failures,
      ready: () => true,
      started: () => true,
      began: false,
      over: false,
      conditions: [],
      dueAt: Infinity,
    }
    const startAt = this.#boundAt + (script.timeMs('start-delay') ?? 0)
    if (this.#runs.size === 0 && now < startAt && this.#evicted === undefined) return { ...stand, dueAt: startAt }
    for (const container of this.#evicted === undefined ? containersOf(pod) : []) {
      const goesOn = this.#advance(pod, container, { ...around, script, failures })
      if (!goesOn && container.type !== 'main') break
    }
    this.#exits.clear()
    const verdict = this.#verdict(pod, script, around)
    const mains = containersOf(pod).filter(({ type }) => type === 'main')
    const over = verdict !== undefined || this.#failedInit(pod) || mains.every((one) => this.#ended(pod, one))
    if (over)
      for (const [name, { latest }] of this.#runs)
        if (latest.state === 'running') this.#exit(name, { now, code: verdict ? KILLED : 0, reason: verdict ? 'Error' : 'Completed' })
    return {
      ...stand,
      ...this.#probes(pod, script, now),
      ...verdict,
      began: true,
      over,
      containers: this.#containers(),
      dueAt: over ? Infinity : this.#dueAt,
    }
  }

  /** Ends what runs, as a node does that ends the pod. */
  #verdict(pod: Pod, script: Script, { now, warn }: Around): Pick<Stand, 'verdict' | 'conditions'> | undefined {
    const evicted = this.#evicted ?? script.text('evict')
    if (evicted !== undefined) {
      const message = evicted || 'The node was low on resource: memory. '
      warn('Evicted', message)
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }
      return { verdict: { reason: 'Evicted', message }, conditions: [{ ...condition, lastTransitionTime: formatTime(now) }] }
    }
    const seconds = pod.spec?.activeDeadlineSeconds
    if (seconds === undefined) return undefined
    const endsAt = (Date.parse(pod.status?.startTime ?? '') || now) + seconds * 1000
    if (now < endsAt) return void this.#due(endsAt)
    return { verdict: DEADLINE_EXCEEDED, conditions: [] }
  }

  /** Whether what comes after it may start. */
  #advance(pod: Pod, container: TypedContainer, context: Around & { script: Script; failures: Map<string, StartFailure> }): boolean {
    const { now, backoff, script, failures, warn } = context
    const { spec, type } = container
    const { name, image = '' } = spec
    let forced = this.#exits.get(name) ?? (type === 'main' ? this.#exits.get('') : undefined)
    // A container that ends at once is started again without a pause a single time: the back-off ends this loop.
    for (;;) {
      let latest = this.#runs.get(name)?.latest
      if (latest?.state === 'running') {
        const end: End = forced ? { at: now, ...forced } : this.#endOf(pod, container, { latest, script, now })
        forced = undefined
        if (now < end.at) {
          this.#due(end.at)
          return type !== 'init'
        }
        end.tell?.(warn)
        latest = this.#exit(name, { ...end, now })
      }
      if (latest && !shouldRestart(pod, container, latest)) return type !== 'init' || latest.exitCode === 0
      if (this.#pullFails(container, context)) {
        failures.set(name, { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}"` })
        return false
      }
      if (latest) {
        const key = `${pod.metadata?.uid}/${name}`
        const until = backoff.waitUntil(key, latest.finishedAt)
        if (until !== undefined) {
          const text = `restarting failed container=${name} pod=${formatPod(pod)}`
          failures.set(name, { reason: 'CrashLoopBackOff', message: `back-off ${goSeconds(backoff.delayMs(key))} ${text}` })
          warn('BackOff', `Back-off restarting failed container ${name} in pod ${formatPod(pod)}`, container)
          this.#due(until)
          return false
        }
        backoff.next(key, latest.finishedAt)
      }
      const next = containerOf(pod, name, { attempt: latest ? latest.attempt + 1 : 0, startedAt: now })
      this.#runs.set(name, latest ? { latest: next, before: latest } : { latest: next })
      for (const probe of PROBES) this.#failingSince.delete(`${name} ${probe}`)
    }
  }

  #endOf(pod: Pod, container: TypedContainer, { latest, script, now }: { latest: Container; script: Script; now: number }): End {
    const { spec, type } = container
    const own = type !== 'main'
    const exit = script.exitOf(spec.name, { own })
    const mayEnd = restartPolicyOf(pod, container) !== 'Always'
    const afterMs =
      script.timeMs('exit-after', spec.name, { own }) ?? (type === 'init' ? 0 : type === 'main' && mayEnd ? script.runMs : undefined)
    let end: End = { at: afterMs === undefined ? Infinity : latest.startedAt + afterMs, ...exit }
    for (const probe of PROBES) {
      const since = `${spec.name} ${probe}`
      if (!script.fails(probe, spec.name) || type === 'init' || type === 'ephemeral') {
        this.#failingSince.delete(since)
        continue
      }
      const from = this.#failingSince.get(since) ?? now
      this.#failingSince.set(since, from)
      const at = Math.max(from, latest.startedAt) + patienceMs(spec[`${probe}Probe`])
      if (at >= end.at) continue
      const word = probe === 'startup' ? 'Startup' : 'Liveness'
      const tell = (warn: Tell) => {
        warn('Unhealthy', `${word} probe failed: simulated`, container)
        warn('Killing', `Container ${spec.name} failed ${probe} probe, will be restarted`, container)
      }
      end = { at, code: KILLED, reason: 'Error', tell }
    }
    return end
  }

  #pullFails(container: TypedContainer, { now, script, warn }: Around & { script: Script }): boolean {
    const { name, image = '' } = container.spec
    const fails = script.fails('image-pull', name) || isUnpullable(image)
    const last = this.#pulls.get(name)
    const pull = last?.image === image ? last : undefined
    if (pull && now < pull.nextAt) {
      this.#due(pull.nextAt)
      return true
    }
    if (!fails) {
      this.#pulls.delete(name)
      return false
    }
    const tries = (pull?.tries ?? 0) + 1
    const nextAt = now + Math.min(PULL_MS.most, PULL_MS.first * 2 ** Math.min(tries - 1, 10))
    this.#pulls.set(name, { image, tries, nextAt })
    this.#due(nextAt)
    tellFailedPull(warn, container)
    return true
  }

  /** What readiness and startup are shown as; probes are put in where annotations speak of ones the pod has not. */
  #probes(pod: Pod, script: Script, now: number): Pick<Stand, 'pod' | 'ready' | 'started'> {
    const unready = new Set<string>()
    const unstarted = new Set<string>()
    for (const [name, { latest }] of this.#runs) {
      const readyAt = latest.startedAt + (script.timeMs('ready-delay', name) ?? 0)
      if (latest.state === 'running' && now < readyAt) this.#due(readyAt)
      if (now < readyAt || script.fails('readiness', name)) unready.add(name)
      if (script.fails('startup', name)) unstarted.add(name)
    }
    const of = (names: ReadonlySet<string>) => new Set([...names].map((name) => this.#runs.get(name)!.latest.id))
    const [unreadyIds, unstartedIds] = [of(unready), of(unstarted)]
    const probes = { ready: (id: string) => !unreadyIds.has(id), started: (id: string) => !unstartedIds.has(id) }
    if (unready.size + unstarted.size === 0) return { pod, ...probes }
    const probed = (list: NonNullable<Pod['spec']>['containers'] | undefined) =>
      list?.map((spec) => ({
        ...spec,
        ...(unready.has(spec.name) ? { readinessProbe: spec.readinessProbe ?? {} } : {}),
        ...(unstarted.has(spec.name) ? { startupProbe: spec.startupProbe ?? {} } : {}),
      }))
    const { initContainers, containers = [] } = pod.spec ?? {}
    const spec = { ...pod.spec, ...(initContainers ? { initContainers: probed(initContainers)! } : {}), containers: probed(containers)! }
    return { pod: { ...pod, spec }, ...probes }
  }

  #failedInit(pod: Pod): boolean {
    const inits = containersOf(pod).filter(({ type }) => type === 'init')
    return inits.some((one) => this.#ended(pod, one) && this.#runs.get(one.spec.name)!.latest.exitCode !== 0)
  }

  #ended(pod: Pod, container: TypedContainer): boolean {
    const latest = this.#runs.get(container.spec.name)?.latest
    return latest?.state === 'exited' && !shouldRestart(pod, container, latest)
  }

  #exit(name: string, { now, code, reason }: { now: number; code: number; reason: string }): Container {
    const run = this.#runs.get(name)!
    run.latest = { ...run.latest, state: 'exited', finishedAt: now, exitCode: code, reason }
    return run.latest
  }

  #containers(): Container[] {
    return [...this.#runs.values()].flatMap(({ latest, before }) => (before ? [latest, before] : [latest]))
  }

  #due(at: number): void {
    this.#dueAt = Math.min(this.#dueAt, at)
  }
}

const PROBES = ['liveness', 'startup'] as const

interface End {
  at: number
  code: number
  reason: string
  tell?(warn: Tell): void
}

/** How long a failing probe is borne with. */
function patienceMs({ initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3 }: Probe = {}): number {
  return (initialDelaySeconds + periodSeconds * failureThreshold) * 1000
}

function containerOf(pod: Pod, name: string, { attempt, startedAt }: { attempt: number; startedAt: number }): Container {
  const uid = pod.metadata?.uid ?? ''
  return {
    id: attempt === 0 ? `${uid}-${name}` : `${uid}-${name}-${attempt}`,
    sandboxId: `sandbox-${uid}`,
    name,
    attempt,
    state: 'running',
    image: containersOf(pod).find(({ spec }) => spec.name === name)?.spec.image ?? '',
    imageRef: 'simulated',
    createdAt: startedAt,
    startedAt,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    labels: { [LABEL.container]: name },
    annotations: { [ANNOTATION.restartCount]: String(attempt) },
    logPath: '',
  }
}
