// The whole status of a pod as this node reports it, made anew from what is observed; pure but for the clock's reading handed in.
import { isFinished } from '#api/finished-pod.ts'
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '#api/generated/types.ts'
import { formatTime } from '#lib/clock.ts'
import { currentSandbox, type Verdicts } from './actions.ts'
import { OWNED_CONDITIONS, podConditions } from './conditions.ts'
import { type ContainerStatusContext, containerStatuses } from './container-status.ts'
import { containersOf, type TypedContainer } from './identity.ts'
import { type Phase, phaseOf } from './phase.ts'
import { qosClassOf } from './resources.ts'

/** What a node says of a pod whose `activeDeadlineSeconds` are over. */
export const DEADLINE_EXCEEDED = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' }

export interface AllVerdicts extends Verdicts {
  readiness(containerId: string): 'success' | 'failure' | 'unknown' | undefined
}

export interface StatusContext extends Omit<ContainerStatusContext, 'previous'> {
  previous: PodStatus
  verdicts: AllVerdicts
  hostIps: readonly string[]
  now: number
  /** Nothing will run again. */
  terminal?: boolean
  /** The node itself ended the pod: Failed, whatever its containers did. */
  verdict?: { reason: string; message: string }
  extraConditions?: readonly PodCondition[]
}

export function podStatus(pod: Pod, context: StatusContext): PodStatus {
  const { observed, previous, now, verdict } = context
  const all = containersOf(pod)
  const list = (types: readonly string[], before: ContainerStatus[] | undefined) =>
    containerStatuses(
      pod,
      all.filter(({ type }) => types.includes(type)),
      { ...context, previous: before ?? [] },
    )
  const initContainerStatuses = list(['init', 'sidecar'], previous.initContainerStatuses)
  const own = list(['main'], previous.containerStatuses)
  const ephemeral = list(['ephemeral'], previous.ephemeralContainerStatuses)
  const byName = new Map(all.map((container) => [container.spec.name, container]))
  for (const status of initContainerStatuses) {
    if (byName.get(status.name)?.type === 'sidecar') judge(status, byName, context.verdicts)
    else status.ready = status.state?.terminated?.exitCode === 0
  }
  for (const status of [...own, ...ephemeral]) judge(status, byName, context.verdicts)
  if (context.terminal) {
    const initialized = initContainerStatuses.every(({ ready, started }) => ready || started)
    for (const status of [
      ...ephemeral,
      ...(initialized ? own : initContainerStatuses.filter(({ restartCount, containerID }) => restartCount > 0 || containerID)),
    ])
      lost(status)
  }

  const statuses = { initContainerStatuses, containerStatuses: own }
  const kept = isFinished({ status: previous }) ? (previous.phase as Phase) : undefined
  const phase = kept ?? (verdict ? 'Failed' : phaseOf(pod, statuses, { terminal: context.terminal ?? false }))
  const { sandbox, changed } = currentSandbox(pod, observed)
  const hostNetwork = Boolean(pod.spec?.hostNetwork)
  const ips = hostNetwork ? (sandbox ? context.hostIps : []) : (sandbox?.ips ?? [])
  const podIps = ips.length > 0 ? ips : (previous.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
  const others = (previous.conditions ?? []).filter(({ type }) => !(OWNED_CONDITIONS as readonly string[]).includes(type))
  const conditions = podConditions(pod, {
    phase,
    sandboxReady: sandbox !== undefined && !changed,
    statuses,
    previous: previous.conditions ?? [],
    now: formatTime(now),
  })
  const extra = context.extraConditions ?? []
  return {
    ...(pod.metadata?.generation ? { observedGeneration: pod.metadata.generation } : {}),
    phase,
    conditions: [...conditions, ...extra, ...others.filter(({ type }) => !extra.some((one) => one.type === type))],
    ...(verdict ? { reason: verdict.reason, message: verdict.message } : textOf(previous, kept)),
    ...(context.hostIps[0] ? { hostIP: context.hostIps[0], hostIPs: context.hostIps.map((ip) => ({ ip })) } : {}),
    ...(podIps[0] ? { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) } : {}),
    startTime: previous.startTime ?? formatTime(now),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses: own,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: qosClassOf(pod),
  }
}

function textOf({ reason, message }: PodStatus, kept: Phase | undefined): Pick<PodStatus, 'reason' | 'message'> {
  if (!kept) return {}
  return { ...(reason ? { reason } : {}), ...(message ? { message } : {}) }
}

function judge(status: ContainerStatus, byName: ReadonlyMap<string, TypedContainer>, verdicts: AllVerdicts): void {
  const { spec } = byName.get(status.name) ?? {}
  const id = idOf(status)
  const running = status.state?.running !== undefined
  status.started = running && (!spec?.startupProbe || verdicts.startup(id) === 'success')
  status.ready = status.started && (!spec?.readinessProbe || verdicts.readiness(id) === 'success')
}

/** A container of a pod that is over but of which nothing more is known. */
function lost(status: ContainerStatus): void {
  if (status.state?.terminated) return
  status.state = status.lastState?.terminated
    ? { terminated: status.lastState.terminated }
    : {
        terminated: {
          reason: 'ContainerStatusUnknown',
          message: 'The container could not be located when the pod was terminated',
          exitCode: 137,
        },
      }
  status.ready = false
  status.started = false
}

function idOf({ containerID = '' }: ContainerStatus): string {
  return containerID.slice(containerID.indexOf('://') + 3)
}
