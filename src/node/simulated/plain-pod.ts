// What a node sees of a simulated pod of which annotations say little: its containers run from the start to the end, all at once.
import type { ContainerStatus, Pod as ApiPod } from '#api/generated/types.ts'
import type { StartFailure } from '#node/agent/container-status.ts'
import { ANNOTATION, containersOf, identityOf, LABEL, type TypedContainer } from '#node/agent/identity.ts'
import { DEADLINE_EXCEEDED } from '#node/agent/pod-status.ts'
import type { ObservedPod } from '#node/agent/runtime-view.ts'
import type { Container, ContainerState, Sandbox } from '#node/runtime.ts'

const RUN_SECONDS = 'sampan.dev/run-seconds'
const EXIT_CODE = 'sampan.dev/exit-code'

export interface End {
  dueAt: number
  verdict?: { reason: string; message: string }
}

/** What ends the pod by itself, and when. */
export function endOf({ metadata, spec, status }: ApiPod, now: number): End | undefined {
  const since = (time: string | undefined) => (time ? Date.parse(time) : now)
  const seconds = Number(metadata?.annotations?.[RUN_SECONDS])
  const finished =
    spec?.restartPolicy === 'Always' || !(seconds >= 0)
      ? undefined
      : since(status?.containerStatuses?.[0]?.state?.running?.startedAt ?? status?.startTime) + seconds * 1000
  const deadline = spec?.activeDeadlineSeconds === undefined ? undefined : since(status?.startTime) + spec.activeDeadlineSeconds * 1000
  if (deadline !== undefined && deadline < (finished ?? Infinity)) return { dueAt: deadline, verdict: DEADLINE_EXCEEDED }
  return finished === undefined ? undefined : { dueAt: finished }
}

export function isUnpullable(image: string): boolean {
  return /^[^/]+\.invalid(:\d+)?\//.test(image)
}

/** Containers whose image nobody can pull. */
export function unpullable(pod: ApiPod): Map<string, StartFailure> {
  return new Map(
    containersOf(pod).flatMap(({ spec: { name, image = '' } }) =>
      isUnpullable(image) ? [[name, { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}"` }]] : [],
    ),
  )
}

/** Those of which the pod's status does not tell yet. */
export function failingAnew(pod: ApiPod, failures: ReadonlyMap<string, StartFailure>): TypedContainer[] {
  const told = new Set([...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map(failureOf))
  return containersOf(pod).filter(({ spec: { name } }) => failures.has(name) && !told.has(`${name} ${failures.get(name)!.message}`))
}

function failureOf({ name, state }: ContainerStatus): string {
  return `${name} ${state?.waiting?.message}`
}

interface Observing {
  ip: string
  ended: boolean
  failed: ReadonlyMap<string, StartFailure>
  now: number
}

export function observedPod(pod: ApiPod, { ip, ended, failed, now }: Observing): ObservedPod {
  const identity = identityOf(pod)
  const exitCode = Number(pod.metadata?.annotations?.[EXIT_CODE] ?? 0) || 0
  const sandboxId = `sandbox-${identity.uid}`
  const since = new Map(pod.status?.containerStatuses?.map(({ name, state }) => [name, state?.running?.startedAt]))
  const container = ({ name, image = '' }: TypedContainer['spec'], state: ContainerState, code: number): Container => {
    const startedAt = Date.parse(since.get(name) ?? '') || now
    return {
      id: `${identity.uid}-${name}`,
      sandboxId,
      name,
      attempt: 0,
      state,
      image,
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
      if (type === 'init') return container(spec, 'exited', 0)
      if (!ended) return container(spec, 'running', 0)
      return container(spec, 'exited', type === 'main' ? exitCode : 0)
    }),
  }
}

export function sandboxOf(pod: ApiPod, { ip, ready, now }: { ip: string; ready: boolean; now: number }): Sandbox {
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
