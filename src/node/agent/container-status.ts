// The status of each container as the API shows it: what the runtime says, else what was last reported, else why it could not start.
import type { ContainerState, ContainerStatus, Pod, VolumeMountStatus } from '#api/generated/types.ts'
import { formatTime } from '#lib/clock.ts'
import type { Container } from '#node/runtime.ts'
import { restartCountOf, type TypedContainer } from './identity.ts'
import type { ObservedPod } from './runtime-view.ts'
import { shouldRestart } from './restart-policy.ts'

/** Why the last attempt to start a container failed. */
export interface StartFailure {
  reason: string
  message: string
}

export interface ContainerStatusContext {
  observed: ObservedPod
  previous: readonly ContainerStatus[]
  failures: ReadonlyMap<string, StartFailure>
  /** `containerd` in `containerd://id`. */
  runtimeName: string
  /** Resources that were really applied, by container id. */
  applied(containerId: string): ContainerStatus['resources']
}

export function containerStatuses(pod: Pod, containers: readonly TypedContainer[], context: ContainerStatusContext): ContainerStatus[] {
  const previous = new Map(context.previous.map((status) => [status.name, status]))
  const observed = Map.groupBy(context.observed.containers, ({ labels }) => labels['io.kubernetes.container.name'])
  return containers.map((container) => {
    const { name } = container.spec
    return containerStatus(pod, container, { context, old: previous.get(name), own: observed.get(name) ?? [] })
  })
}

interface Known {
  context: ContainerStatusContext
  /** What was told of the container before. */
  old: ContainerStatus | undefined
  /** What the runtime has of it. */
  own: readonly Container[]
}

function containerStatus(pod: Pod, container: TypedContainer, { context, old, own }: Known): ContainerStatus {
  const { spec, type } = container
  const latest = own[0]
  const status = latest ? fromRuntime(pod, container, { latest, old, context }) : withoutRuntime(pod, container, old)
  const before = own[1]
  if (latest && before) {
    const ended = stateOf(before, context.runtimeName)
    if (ended.terminated) status.lastState = ended
  } else if (latest && !status.lastState) status.lastState = old?.lastState ?? {}

  const failure = context.failures.get(spec.name)
  const succeededInit = type === 'init' && latest?.state === 'exited' && latest.exitCode === 0
  if (failure && !succeededInit && shouldRestart(pod, container, latest)) {
    if (status.state?.terminated) status.lastState = status.state
    status.state = { waiting: { reason: failure.reason, ...(failure.message ? { message: failure.message } : {}) } }
  }
  return status
}

function fromRuntime(
  pod: Pod,
  { spec }: TypedContainer,
  { latest, old, context }: { latest: Container; old: ContainerStatus | undefined; context: ContainerStatusContext },
): ContainerStatus {
  const state = stateOf(latest, context.runtimeName)
  const resources = state.running ? context.applied(latest.id) : undefined
  const allocated = spec.resources?.requests
  return {
    name: spec.name,
    state,
    ready: false,
    restartCount: restartCountOf(latest),
    image: spec.image ?? latest.image,
    imageID: latest.imageRef,
    containerID: `${context.runtimeName}://${latest.id}`,
    started: false,
    ...(state.running && allocated ? { allocatedResources: allocated } : {}),
    ...(state.running ? { resources: resources ?? spec.resources ?? {} } : old?.resources ? { resources: old.resources } : {}),
    ...mounts(spec.volumeMounts),
    ...userOf(pod, spec),
  }
}

/** Nothing of it in the runtime: never made, or removed behind our back. */
function withoutRuntime(pod: Pod, { spec, type }: TypedContainer, old: ContainerStatus | undefined): ContainerStatus {
  if (old?.state?.terminated) return { ...old }
  const initializing = type === 'main' && (pod.spec?.initContainers?.length ?? 0) > 0
  const laterInit = type === 'init' || type === 'sidecar' ? pod.spec?.initContainers?.[0]?.name !== spec.name : false
  const status: ContainerStatus = {
    name: spec.name,
    state: { waiting: { reason: initializing || laterInit ? 'PodInitializing' : 'ContainerCreating' } },
    lastState: old?.lastState ?? {},
    ready: false,
    restartCount: old?.restartCount ?? 0,
    image: spec.image ?? '',
    imageID: '',
    started: false,
    ...mounts(spec.volumeMounts),
  }
  if (old?.state?.running && !status.lastState?.terminated) {
    status.lastState = {
      terminated: {
        exitCode: 137,
        reason: 'ContainerStatusUnknown',
        message: 'The container could not be located when the pod was deleted.  The container used to be Running',
      },
    }
    if (!pod.metadata?.deletionTimestamp) status.restartCount++
  }
  return status
}

function stateOf(container: Container, runtimeName: string): ContainerState {
  switch (container.state) {
    case 'running':
      return { running: { startedAt: formatTime(container.startedAt) } }
    case 'exited':
      return {
        terminated: {
          exitCode: container.exitCode,
          reason: container.reason || (container.exitCode === 0 ? 'Completed' : 'Error'),
          ...(container.message ? { message: container.message } : {}),
          startedAt: formatTime(container.startedAt),
          finishedAt: formatTime(container.finishedAt),
          containerID: `${runtimeName}://${container.id}`,
        },
      }
    default:
      return { waiting: { reason: 'ContainerCreating' } }
  }
}

function mounts(list: TypedContainer['spec']['volumeMounts']): { volumeMounts?: VolumeMountStatus[] } {
  if (!list || list.length === 0) return {}
  return {
    volumeMounts: list.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
    })),
  }
}

/** Only where the pod itself says who runs it; the runtime does not tell. */
function userOf(pod: Pod, spec: TypedContainer['spec']): Pick<ContainerStatus, 'user'> {
  const outer = pod.spec?.securityContext
  const uid = spec.securityContext?.runAsUser ?? outer?.runAsUser
  const gid = spec.securityContext?.runAsGroup ?? outer?.runAsGroup
  if (uid === undefined || gid === undefined) return {}
  const groups = [...new Set([gid, ...(outer?.supplementalGroups ?? []), ...(outer?.fsGroup === undefined ? [] : [outer.fsGroup])])]
  return { user: { linux: { uid, gid, supplementalGroups: groups } } }
}
