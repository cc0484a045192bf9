// How `kubectl get pods` shows a pod: its one-word status is worked out here, from phase, conditions and containers.
import { isConditionTrue } from '#api/conditions.ts'
import type * as types from '#api/generated/types.ts'
import { humanDuration } from '#api/human-duration.ts'
import type { Column } from '#api/kind.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'

type Pod = types.Pod

interface Summary {
  reason: string
  ready: number
  total: number
  restarts: number
  lastRestart: number | undefined
}

export const podColumns: Column<Pod>[] = [
  nameColumn,
  { name: 'Ready', description: 'Containers that are ready, of all.', value: (pod) => `${summaryOf(pod).ready}/${summaryOf(pod).total}` },
  { name: 'Status', description: 'State of the pod in one word.', value: (pod) => summaryOf(pod).reason },
  {
    name: 'Restarts',
    description: 'How often containers were restarted, and when last.',
    value: (pod, { now }) => {
      const { restarts, lastRestart } = summaryOf(pod)
      return restarts > 0 && lastRestart !== undefined ? `${restarts} (${humanDuration(now - lastRestart)} ago)` : String(restarts)
    },
  },
  ageColumn,
  {
    name: 'IP',
    description: 'Address of the pod.',
    priority: 1,
    value: ({ status }) => status?.podIPs?.[0]?.ip || status?.podIP || '<none>',
  },
  { name: 'Node', description: 'Node the pod runs on.', priority: 1, value: ({ spec }) => spec?.nodeName || '<none>' },
  {
    name: 'Nominated Node',
    description: 'Node on which room is being made for the pod.',
    priority: 1,
    value: ({ status }) => status?.nominatedNodeName || '<none>',
  },
  {
    name: 'Readiness Gates',
    description: 'Readiness gates that have passed, of all.',
    priority: 1,
    value: ({ spec, status }) => {
      const gates = spec?.readinessGates ?? []
      const passed = gates.filter(({ conditionType }) => isConditionTrue(status?.conditions, conditionType)).length
      return gates.length > 0 ? `${passed}/${gates.length}` : '<none>'
    },
  },
]

function summaryOf(pod: Pod): Summary {
  const { status, spec, metadata } = pod
  const restartable = new Set(
    (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const summary: Summary = {
    reason: status?.reason || status?.phase || '',
    ready: 0,
    total: (spec?.containers?.length ?? 0) + restartable.size,
    restarts: 0,
    lastRestart: undefined,
  }
  if (status?.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated'))
    summary.reason = 'SchedulingGated'
  const initializing = addInitContainers(summary, pod, restartable)
  if (!initializing || isConditionTrue(status?.conditions, 'Initialized')) addContainers(summary, pod, restartable)
  if (metadata?.deletionTimestamp) {
    if (status?.reason === 'NodeLost') summary.reason = 'Unknown'
    else if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') summary.reason = 'Terminating'
  }
  return summary
}

function addInitContainers(summary: Summary, { status, spec }: Pod, restartable: ReadonlySet<string>): boolean {
  for (const [index, container] of (status?.initContainerStatuses ?? []).entries()) {
    summary.restarts += container.restartCount ?? 0
    countRestart(summary, container)
    const { terminated, waiting } = container.state ?? {}
    if (terminated && !terminated.exitCode) continue
    if (restartable.has(container.name) && container.started) {
      if (container.ready) summary.ready++
      continue
    }
    if (terminated) summary.reason = `Init:${terminated.reason || endOf(terminated)}`
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') summary.reason = `Init:${waiting.reason}`
    else summary.reason = `Init:${index}/${spec?.initContainers?.length ?? 0}`
    return true
  }
  return false
}

function addContainers(summary: Summary, { status }: Pod, restartable: ReadonlySet<string>): void {
  const sidecars = (status?.initContainerStatuses ?? []).filter(({ name }) => restartable.has(name))
  summary.restarts = sidecars.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0)
  summary.lastRestart = undefined
  for (const sidecar of sidecars) countRestart(summary, sidecar)
  let running = false
  let failed: string | undefined
  for (const container of (status?.containerStatuses ?? []).toReversed()) {
    summary.restarts += container.restartCount ?? 0
    countRestart(summary, container)
    const { waiting, terminated } = container.state ?? {}
    if (waiting?.reason) summary.reason = waiting.reason
    else if (terminated) {
      summary.reason = terminated.reason || endOf(terminated)
      if (terminated.exitCode) failed = summary.reason
    } else if (container.ready && container.state?.running) {
      running = true
      summary.ready++
    }
  }
  if (summary.reason !== 'Completed') return
  if (running) summary.reason = isConditionTrue(status?.conditions, 'Ready') ? 'Running' : 'NotReady'
  else if (failed) summary.reason = failed
}

function countRestart(summary: Summary, { lastState }: types.ContainerStatus): void {
  const finished = lastState?.terminated?.finishedAt
  if (!finished) return
  const at = Date.parse(finished)
  if (summary.lastRestart === undefined || summary.lastRestart < at) summary.lastRestart = at
}

const endOf = ({ signal, exitCode }: types.ContainerStateTerminated) => (signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`)
