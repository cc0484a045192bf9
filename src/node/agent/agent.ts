// The pods of one node: the API's pods bound to it on one side, what the runtime holds on the other, a worker for each in between.
// After a restart it finds what already runs and carries on; what runs for no pod of the API is taken down.
import { readdir } from 'node:fs/promises'
import type { Pod as ApiPod } from '#api/generated/types.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import type { KubeObject } from '#api/object.ts'
import type { Informer } from '#client/informer.ts'
import type { Service } from '#lib/service.ts'
import type { PodDirectory } from '#node/runtime.ts'
import { admit } from './admission.ts'
import type { AgentContext } from './context.ts'
import { podDirectory } from './directory.ts'
import { identityOf, identityOfLogDirectory, type PodIdentity } from './identity.ts'
import { type EvictionRequest, PodWorker } from './pod-worker.ts'

/** Events tell of changes at once; this finds what was missed while the runtime was away. */
const RELIST_MS = 30_000
const RETRY_MS = 1000

export interface Agent extends Service {
  readonly directory: PodDirectory
  /** Pods that have not come to their end. */
  activePods(): ApiPod[]
  podByUid(uid: string): ApiPod | undefined
  /** Another look at one pod. */
  poke(uid: string): void
  evict(uid: string, request: EvictionRequest): void
}

export function createAgent(context: AgentContext): Agent {
  return new NodeAgent(context)
}

class NodeAgent implements Agent {
  readonly name = 'node agent'
  readonly directory: PodDirectory
  readonly #context: AgentContext
  readonly #workers = new Map<string, PodWorker>()
  readonly #pods: Informer<ApiPod>
  /** Pods that have gone since the last look. */
  #departed = new Set<string>()
  #started = false

  constructor(context: AgentContext) {
    this.#context = context
    this.#pods = context.informers.of(Pod)
    this.directory = podDirectory({
      context,
      pod: (namespace, name) => {
        const pod = this.#pods.get({ namespace, name })
        return this.#isMine(pod) ? pod : undefined
      },
      all: () => [...this.#workers.values()].flatMap(({ pod }) => (pod ? [pod] : [])),
    })
  }

  activePods(): ApiPod[] {
    return [...this.#workers.values()].flatMap((worker) => (worker.active ? [worker.pod!] : []))
  }

  podByUid(uid: string): ApiPod | undefined {
    return this.#workers.get(uid)?.pod
  }

  poke(uid: string): void {
    this.#workers.get(uid)?.poke()
  }

  evict(uid: string, request: EvictionRequest): void {
    this.#workers.get(uid)?.evict(request)
  }

  async start(): Promise<AsyncDisposable> {
    const { clock, prober, view } = this.#context
    const stop = new AbortController()
    await using starting = new AsyncDisposableStack()
    starting.defer(async () => {
      stop.abort(new Error('the node agent was stopped'))
      prober.stop()
      await Promise.all([...this.#workers.values()].map((worker) => worker.stop()))
    })
    void this.#followEvents(stop.signal)
    await view.relist()
    starting.use(this.#pods.subscribe((change) => this.#changed(change)))
    starting.use(this.#follow(ConfigMap, usesConfigMap))
    starting.use(this.#follow(Secret, usesSecret))
    this.#started = true
    void this.#look()
    starting.use(clock.every(RELIST_MS, () => void this.#look()))
    return starting.move()
  }

  #workerFor(identity: PodIdentity): PodWorker {
    const known = this.#workers.get(identity.uid)
    if (known) return known
    const finished = (uid: string) => {
      this.#workers.delete(uid)
      this.#departed.add(uid)
    }
    const worker = new PodWorker(identity, this.#context, { finished })
    this.#workers.set(identity.uid, worker)
    return worker
  }

  #isMine(pod: ApiPod | undefined): pod is ApiPod {
    return pod?.spec?.nodeName === this.#context.node().name && pod.metadata?.uid !== undefined
  }

  #changed({ object, previous }: { object?: ApiPod; previous?: ApiPod }): void {
    const uid = object?.metadata?.uid
    if (this.#isMine(previous) && previous.metadata!.uid !== uid) this.#workers.get(previous.metadata!.uid!)?.remove()
    if (!this.#isMine(object)) return
    const worker = this.#workers.get(uid!)
    if (worker?.pod) worker.update(object)
    else if (!gone(object)) this.#added(object)
  }

  #added(pod: ApiPod): void {
    const worker = this.#workerFor(identityOf(pod))
    if (!accepted(pod)) {
      const others = [...this.#workers.values()].flatMap((other) => (other !== worker && other.active ? [other.pod!] : []))
      const refusal = admit(pod, { others, node: this.#context.node() })
      if (refusal) worker.refuse(refusal)
    }
    worker.update(pod)
  }

  async #look(): Promise<void> {
    const { log, view } = this.#context
    try {
      await view.relist()
      await this.#takeDownStrays()
      await this.#removeLateGroups()
    } catch (error) {
      log.warn('could not list what runs', { error })
    }
  }

  /** Workers for what runs, or has left traces, without a pod in the API. */
  async #takeDownStrays(): Promise<void> {
    const { log, logDirectory, view, volumes } = this.#context
    await this.#pods.synced()
    const known = (uid: string) => this.#workers.has(uid)
    const traces = (await readdir(logDirectory).catch(() => [])).flatMap((name) => identityOfLogDirectory(name) ?? [])
    for (const identity of [...view.identities(), ...traces]) if (!known(identity.uid)) this.#workerFor(identity).remove()
    for (const uid of await volumes.present()) {
      if (!known(uid)) await volumes.tearDown(uid).catch((error: unknown) => log.warn('could not clean up after a pod', { uid, error }))
    }
  }

  /** A start that was broken off by a crash may bring a pod's group back after the pod has gone. */
  async #removeLateGroups(): Promise<void> {
    const { cgroups } = this.#context
    const late = this.#departed
    this.#departed = new Set()
    if (!cgroups || late.size === 0) return
    for (const path of await cgroups.pods()) {
      const uid = path.slice(path.lastIndexOf('/pod') + '/pod'.length)
      if (late.has(uid) && !this.#workers.has(uid)) await cgroups.removePod(path)
    }
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    const { clock, log, runtime, view } = this.#context
    for (;;) {
      try {
        for await (const event of runtime.events(signal)) {
          await view.handle(event).catch((error: unknown) => log.debug('could not look up a container', { event, error }))
        }
      } catch (error) {
        if (!signal.aborted) log.warn('lost the events of the runtime', { error })
      }
      if (signal.aborted) return
      await clock.sleep(RETRY_MS, signal).catch(() => undefined)
    }
  }

  /** Pods that use an object see its new contents soon. */
  #follow(kind: typeof ConfigMap | typeof Secret, uses: (pod: ApiPod, name: string) => boolean): Disposable {
    return this.#context.informers.of<KubeObject>(kind as never).subscribe(({ object, previous }) => {
      const { namespace, name = '' } = (object ?? previous)?.metadata ?? {}
      if (object && !previous && !this.#started) return
      for (const worker of this.#workers.values())
        if (worker.active && worker.pod?.metadata?.namespace === namespace && uses(worker.pod!, name)) worker.poke()
    })
  }
}

/** Admitted by an earlier life of this agent. */
function accepted(pod: ApiPod): boolean {
  const { phase, startTime } = pod.status ?? {}
  return startTime !== undefined || (phase !== undefined && phase !== 'Pending') || pod.metadata?.deletionTimestamp !== undefined
}

/** Over and deleted: kept only by a finalizer of someone else. */
function gone(pod: ApiPod): boolean {
  return (
    pod.metadata?.deletionTimestamp !== undefined &&
    pod.metadata.deletionGracePeriodSeconds === 0 &&
    pod.status?.phase !== 'Running' &&
    pod.status?.phase !== 'Pending'
  )
}

function usesConfigMap(pod: ApiPod, name: string): boolean {
  return (pod.spec?.volumes ?? []).some(
    ({ configMap, projected }) => configMap?.name === name || projected?.sources?.some((source) => source.configMap?.name === name),
  )
}

function usesSecret(pod: ApiPod, name: string): boolean {
  return (pod.spec?.volumes ?? []).some(
    ({ secret, projected }) => secret?.secretName === name || projected?.sources?.some((source) => source.secret?.name === name),
  )
}
