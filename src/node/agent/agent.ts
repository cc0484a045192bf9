// The pods of one node: the API's pods bound to it on one side, what the runtime holds on the other, a worker for each in between.
// After a restart it finds what already runs and carries on; what runs for no pod of the API is taken down.
import { readdir } from 'node:fs/promises'
import type { Pod as ApiPod } from '#api/generated/types.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import type { KubeObject } from '#api/object.ts'
import type { Service } from '#lib/service.ts'
import type { PodDirectory } from '#node/runtime.ts'
import { admit } from './admission.ts'
import type { AgentContext } from './context.ts'
import { podDirectory } from './directory.ts'
import { identityOf, identityOfLogDirectory, type PodIdentity } from './identity.ts'
import { PodWorker } from './pod-worker.ts'

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
  evict(uid: string, reason: string, message: string): void
}

export function createAgent(context: AgentContext): Agent {
  const { informers, runtime, view, clock, log } = context
  const workers = new Map<string, PodWorker>()
  const pods = informers.of(Pod)
  /** Pods that have gone since the last look. */
  let departed = new Set<string>()

  const workerFor = (identity: PodIdentity): PodWorker => {
    let worker = workers.get(identity.uid)
    if (!worker) {
      worker = new PodWorker(identity, context, {
        finished(uid) {
          workers.delete(uid)
          departed.add(uid)
        },
      })
      workers.set(identity.uid, worker)
    }
    return worker
  }

  const mine = (pod: ApiPod | undefined): pod is ApiPod => pod?.spec?.nodeName === context.node().name && pod.metadata?.uid !== undefined

  const added = (pod: ApiPod) => {
    const worker = workerFor(identityOf(pod))
    if (!accepted(pod)) {
      const others = [...workers.values()].flatMap((other) => (other !== worker && other.active ? [other.pod!] : []))
      const refusal = admit(pod, { others, node: context.node() })
      if (refusal) worker.refuse(refusal)
    }
    worker.update(pod)
  }

  const changed = ({ object, previous }: { object?: ApiPod; previous?: ApiPod }) => {
    const uid = object?.metadata?.uid
    if (mine(previous) && previous.metadata!.uid !== uid) workers.get(previous.metadata!.uid!)?.remove()
    if (!mine(object)) return
    const worker = workers.get(uid!)
    if (worker?.pod) worker.update(object)
    else if (!gone(object)) added(object)
  }

  /** Workers for what runs, or has left traces, without a pod in the API. */
  const takeDownStrays = async () => {
    await pods.synced()
    const known = (uid: string) => workers.has(uid)
    const traces = (await readdir(context.logDirectory).catch(() => [])).flatMap((name) => identityOfLogDirectory(name) ?? [])
    for (const identity of [...view.identities(), ...traces]) if (!known(identity.uid)) workerFor(identity).remove()
    for (const uid of await context.volumes.present()) {
      if (!known(uid))
        await context.volumes.tearDown(uid).catch((error: unknown) => log.warn('could not clean up after a pod', { uid, error }))
    }
  }

  /** A start that was broken off by a crash may bring a pod's group back after the pod has gone. */
  const removeLateGroups = async () => {
    const late = departed
    departed = new Set()
    for (const path of late.size > 0 ? ((await context.cgroups?.pods()) ?? []) : []) {
      const uid = path.slice(path.lastIndexOf('/pod') + '/pod'.length)
      if (late.has(uid) && !workers.has(uid)) await context.cgroups!.removePod(path)
    }
  }

  const followEvents = async (signal: AbortSignal) => {
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
  const follow = (kind: typeof ConfigMap | typeof Secret, uses: (pod: ApiPod, name: string) => boolean) =>
    informers.of<KubeObject>(kind as never).subscribe(({ object, previous }) => {
      const { namespace, name = '' } = (object ?? previous)?.metadata ?? {}
      if (object && !previous && !started) return
      for (const { pod, active } of workers.values())
        if (active && pod?.metadata?.namespace === namespace && uses(pod!, name)) workers.get(pod!.metadata!.uid!)!.poke()
    })

  let started = false
  return {
    name: 'node agent',
    directory: podDirectory({
      context,
      pod: (namespace, name) => mineNamed(namespace, name),
      all: () => [...workers.values()].flatMap(({ pod }) => (pod ? [pod] : [])),
    }),
    activePods: () => [...workers.values()].flatMap((worker) => (worker.active ? [worker.pod!] : [])),
    podByUid: (uid) => workers.get(uid)?.pod,
    poke: (uid) => workers.get(uid)?.poke(),
    evict: (uid, reason, message) => workers.get(uid)?.evict(reason, message),
    async start() {
      const stop = new AbortController()
      await using starting = new AsyncDisposableStack()
      starting.defer(async () => {
        stop.abort(new Error('the node agent was stopped'))
        context.prober.stop()
        await Promise.all([...workers.values()].map((worker) => worker.stop()))
      })
      void followEvents(stop.signal)
      await view.relist()
      starting.use(pods.subscribe(changed))
      starting.use(follow(ConfigMap, usesConfigMap))
      starting.use(follow(Secret, usesSecret))
      started = true
      const look = () =>
        view
          .relist()
          .then(takeDownStrays)
          .then(removeLateGroups)
          .catch((error: unknown) => log.warn('could not list what runs', { error }))
      void look()
      starting.use(clock.every(RELIST_MS, () => void look()))
      return starting.move()
    },
  }

  function mineNamed(namespace: string, name: string): ApiPod | undefined {
    const pod = pods.get({ namespace, name })
    return mine(pod) ? pod : undefined
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
