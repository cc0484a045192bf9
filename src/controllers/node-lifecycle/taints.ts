// Which taints a node's conditions call for. Pure.
import { formatTime } from '#lib/clock.ts'
import type { Taint } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import {
  DISK_PRESSURE_TAINT,
  MEMORY_PRESSURE_TAINT,
  NETWORK_UNAVAILABLE_TAINT,
  NOT_READY_TAINT,
  PID_PRESSURE_TAINT,
  UNREACHABLE_TAINT,
} from '#api/well-known.ts'
import { conditionOf } from '#api/conditions.ts'

const BY_CONDITION: Record<string, Record<string, string>> = {
  Ready: { False: NOT_READY_TAINT, Unknown: UNREACHABLE_TAINT },
  MemoryPressure: { True: MEMORY_PRESSURE_TAINT },
  DiskPressure: { True: DISK_PRESSURE_TAINT },
  NetworkUnavailable: { True: NETWORK_UNAVAILABLE_TAINT },
  PIDPressure: { True: PID_PRESSURE_TAINT },
}
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'
const OURS = new Set([UNSCHEDULABLE, ...Object.values(BY_CONDITION).flatMap((byStatus) => Object.values(byStatus))])

/** Whether pods may stay: undefined leaves NoExecute taints as they are (evictions are held back). */
export type Execution = 'evict' | 'spare' | undefined

/** The node's taints as they should be, others' taints untouched. */
export function wantedTaints(node: Node, { execute, now }: { execute: Execution; now: number }): Taint[] {
  const current = node.spec?.taints ?? []
  const schedule = new Set<string>(node.spec?.unschedulable ? [UNSCHEDULABLE] : [])
  for (const [type, byStatus] of Object.entries(BY_CONDITION)) {
    const key = byStatus[conditionOf(node.status?.conditions, type)?.status ?? '']
    if (key) schedule.add(key)
  }
  const evicting = executionKey(node)
  const stays = ({ key, effect }: Taint): boolean => {
    if (effect === 'NoSchedule' && OURS.has(key)) return schedule.has(key)
    if (effect !== 'NoExecute' || (key !== NOT_READY_TAINT && key !== UNREACHABLE_TAINT)) return true
    if (evicting === undefined || execute === 'spare') return false
    // While the reason changes, the old taint goes only together with the coming of the new one.
    return key === evicting || execute === undefined
  }
  const taints = current.filter(stays)
  const add = (key: string, effect: string) => {
    if (!taints.some((taint) => taint.key === key && taint.effect === effect)) taints.push({ key, effect, timeAdded: formatTime(now) })
  }
  for (const key of schedule) add(key, 'NoSchedule')
  if (evicting && execute === 'evict') add(evicting, 'NoExecute')
  return taints
}

/** The taint that would evict, going by readiness; undefined for a node that is ready or has not said anything yet. */
export function executionKey(node: Node): string | undefined {
  const ready = conditionOf(node.status?.conditions, 'Ready')
  return ready && BY_CONDITION['Ready']![ready.status]
}

export function hasExecutionTaint(node: Node): boolean {
  const key = executionKey(node)
  return (node.spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute' && taint.key === key)
}

export function sameTaints(a: readonly Taint[], b: readonly Taint[]): boolean {
  const text = ({ key, value = '', effect }: Taint) => `${key}=${value}:${effect}`
  return a.length === b.length && new Set([...a.map(text), ...b.map(text)]).size === a.length
}
