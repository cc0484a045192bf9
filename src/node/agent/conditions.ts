// The conditions a node owns on its pods, with the kubelet's reasons and messages. Conditions of others are left alone.
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '#api/generated/types.ts'
import { isSidecar } from './identity.ts'
import type { Phase } from './phase.ts'

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

export const OWNED_CONDITIONS = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'] as const

export interface ConditionInput {
  phase: Phase
  sandboxReady: boolean
  statuses: Pick<PodStatus, 'initContainerStatuses' | 'containerStatuses'>
  /** The conditions as last known, whose transition times are kept while nothing changes. */
  previous: readonly PodCondition[]
  now: string
}

export function podConditions(pod: Pod, input: ConditionInput): PodCondition[] {
  const { phase, statuses } = input
  const containersReady = containersReadyOf(pod, statuses, phase)
  const verdicts: Record<(typeof OWNED_CONDITIONS)[number], Verdict> = {
    PodReadyToStartContainers: { status: input.sandboxReady ? 'True' : 'False' },
    Initialized: initializedOf(pod, statuses, phase),
    Ready: readyOf(pod, containersReady, input.previous),
    ContainersReady: containersReady,
    PodScheduled: { status: 'True' },
  }
  const generation = pod.metadata?.generation
  return OWNED_CONDITIONS.map((type) => {
    const old = input.previous.find((one) => one.type === type)
    const verdict = verdicts[type]
    return {
      type,
      status: verdict.status,
      ...(verdict.reason ? { reason: verdict.reason } : {}),
      ...(verdict.message ? { message: verdict.message } : {}),
      lastTransitionTime: old?.status === verdict.status && old.lastTransitionTime ? old.lastTransitionTime : input.now,
      ...(generation
        ? { observedGeneration: type === 'PodScheduled' && old?.observedGeneration ? old.observedGeneration : generation }
        : {}),
    }
  })
}

function containersReadyOf(pod: Pod, statuses: ConditionInput['statuses'], phase: Phase): Verdict {
  const unknown: string[] = []
  const unready: string[] = []
  const [inits, mains] = [byName(statuses.initContainerStatuses), byName(statuses.containerStatuses)]
  const judge = (name: string, known: ReadonlyMap<string, ContainerStatus>) => {
    const status = known.get(name)
    if (!status) unknown.push(name)
    else if (!status.ready) unready.push(name)
  }
  for (const container of pod.spec?.initContainers ?? []) if (isSidecar(container)) judge(container.name, inits)
  for (const container of pod.spec?.containers ?? []) judge(container.name, mains)
  if (unknown.length === 0 && phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (unknown.length === 0 && phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const messages: string[] = []
  if (unknown.length > 0) messages.push(`containers with unknown status: [${unknown.join(' ')}]`)
  if (unready.length > 0) messages.push(`containers with unready status: [${unready.join(' ')}]`)
  if (messages.length > 0) return { status: 'False', reason: 'ContainersNotReady', message: messages.join(', ') }
  return { status: 'True' }
}

const byName = (list: readonly ContainerStatus[] = []) => new Map(list.map((status) => [status.name, status]))

function readyOf(pod: Pod, containersReady: Verdict, conditions: readonly PodCondition[]): Verdict {
  if (containersReady.status !== 'True') return containersReady
  const messages: string[] = []
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const condition = (pod.status?.conditions ?? conditions).find(({ type }) => type === conditionType)
    if (!condition) messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`)
    else if (condition.status !== 'True') {
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`)
    }
  }
  return messages.length > 0 ? { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') } : { status: 'True' }
}

function initializedOf(pod: Pod, statuses: ConditionInput['statuses'], phase: Phase): Verdict {
  const inits = pod.spec?.initContainers ?? []
  const unknown: string[] = []
  const incomplete: string[] = []
  const known = byName(statuses.initContainerStatuses)
  for (const container of inits) {
    const status = known.get(container.name)
    if (!status) unknown.push(container.name)
    else if (isSidecar(container) ? !status.started : !status.ready) incomplete.push(container.name)
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' }
  const begun = statuses.containerStatuses?.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated)
  if (begun) return { status: 'True' }
  const messages: string[] = []
  if (unknown.length > 0) messages.push(`containers with unknown status: [${unknown.join(' ')}]`)
  if (incomplete.length > 0) messages.push(`containers with incomplete status: [${incomplete.join(' ')}]`)
  if (messages.length > 0) return { status: 'False', reason: 'ContainersNotInitialized', message: messages.join(', ') }
  return { status: 'True' }
}
