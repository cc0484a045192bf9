// The phase of a pod: a summary of its container statuses and restart policy.
import type { ContainerStatus, Pod, PodStatus } from '#api/generated/types.ts'
import { containersOf, type TypedContainer } from './identity.ts'
import { restartPolicyOf } from './restart-policy.ts'

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

/** `terminal`: whatever the restart policy says, nothing will run again. */
export function phaseOf(
  pod: Pod,
  { initContainerStatuses = [], containerStatuses = [] }: Pick<PodStatus, 'initContainerStatuses' | 'containerStatuses'>,
  options: { terminal?: boolean } = {},
): Phase {
  const all = containersOf(pod)
  const count = { unknown: 0, running: 0, waiting: 0, stopped: 0, succeeded: 0, willRestart: 0 }
  const started = containerStatuses.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated)
  let pendingInit = 0
  let pendingSidecar = 0
  const [mains, inits] = [containerStatuses, initContainerStatuses].map((list) => new Map(list.map((one) => [one.name, one])))
  for (const container of all) {
    if (container.type === 'ephemeral') continue
    const status = (container.type === 'main' ? mains : inits)!.get(container.spec.name)
    if (container.type === 'init') {
      const ended = status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined)
      if (!ended) pendingInit++
      else if (ended.exitCode !== 0 && restartPolicyOf(pod, container) === 'Never') return 'Failed'
    } else if (container.type === 'sidecar') {
      if (status?.state?.running) {
        count.running++
        if (!status.started) pendingSidecar++
      } else if (status?.state?.waiting && !status.lastState?.terminated) {
        count.waiting++
        pendingSidecar++
      } else if (!status) count.unknown++
    } else countMain(pod, container, { status, count })
  }
  if (pendingInit > 0 && !options.terminal) return 'Pending'
  if (pendingSidecar > 0 && !started && !options.terminal) return 'Pending'
  if (count.waiting > 0 && !options.terminal) return 'Pending'
  if (count.running > 0 && count.unknown === 0) return 'Running'
  if (options.terminal)
    return count.stopped > 0 && count.waiting === 0 && count.stopped === count.succeeded && count.unknown === 0 ? 'Succeeded' : 'Failed'
  if (count.stopped === 0 || count.unknown > 0) return 'Pending'
  if (count.willRestart > 0) return 'Running'
  return count.stopped === count.succeeded ? 'Succeeded' : 'Failed'
}

function countMain(
  pod: Pod,
  container: TypedContainer,
  {
    status,
    count,
  }: {
    status: ContainerStatus | undefined
    count: Record<'unknown' | 'running' | 'waiting' | 'stopped' | 'succeeded' | 'willRestart', number>
  },
): void {
  const { state, lastState } = status ?? {}
  if (state?.running) count.running++
  else if (state?.terminated) {
    count.stopped++
    if (state.terminated.exitCode === 0) count.succeeded++
    if (restarts(pod, container, state.terminated.exitCode)) count.willRestart++
  } else if (state?.waiting && lastState?.terminated) {
    count.stopped++
    count.willRestart++
  } else if (state?.waiting) count.waiting++
  else count.unknown++
}

function restarts(pod: Pod, container: TypedContainer, exitCode: number): boolean {
  for (const { action, exitCodes } of container.spec.restartPolicyRules ?? []) {
    if (action !== 'Restart' || !exitCodes) continue
    const listed = (exitCodes.values ?? []).includes(exitCode)
    if (exitCodes.operator === 'In' ? listed : !listed) return true
  }
  const policy = restartPolicyOf(pod, container)
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}
