// How well a node suits by what would be used of its resources: the three strategies of NodeResourcesFit, in whole numbers from 0 to 100.
import type { NodeInfo } from './node-info.ts'
import { MAX_SCORE } from './plugin.ts'
import type { PodInfo } from './pod-info.ts'

export type ScoringStrategy = (pod: PodInfo, node: NodeInfo) => number

export interface WeighedResource {
  name: string
  weight: number
}

/** What the node has of a resource, and what would be asked of it with the pod there; nothing where it does not count. */
interface Use {
  capacity: number
  used: number
}

const DEFAULT_RESOURCES: readonly WeighedResource[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]

export function leastAllocated(resources: readonly WeighedResource[] = DEFAULT_RESOURCES): ScoringStrategy {
  return average(resources, ({ capacity, used }) => (used > capacity ? 0 : Math.floor(((capacity - used) * MAX_SCORE) / capacity)))
}

export function mostAllocated(resources: readonly WeighedResource[] = DEFAULT_RESOURCES): ScoringStrategy {
  return average(resources, ({ capacity, used }) => Math.floor((Math.min(used, capacity) * MAX_SCORE) / capacity))
}

export interface ShapePoint {
  /** Percent. */
  utilization: number
  /** 0 to 10. */
  score: number
}

/** The score follows the points by straight lines; resources that score nothing do not count at all. */
export function requestedToCapacityRatio(
  shape: readonly ShapePoint[],
  resources: readonly WeighedResource[] = DEFAULT_RESOURCES,
): ScoringStrategy {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: score * (MAX_SCORE / 10) }))
  const at = (percent: number) => {
    const i = points.findIndex(({ utilization }) => percent <= utilization)
    if (i < 0) return points.at(-1)!.score
    if (i === 0) return points[0]!.score
    const [low, high] = [points[i - 1]!, points[i]!]
    const rise = (high.score - low.score) * (percent - low.utilization)
    return low.score + Math.trunc(rise / (high.utilization - low.utilization))
  }
  const scoreOf = ({ used, capacity }: Use) => at(used > capacity ? 100 : Math.floor((used * 100) / capacity))
  return average(resources, scoreOf, { ofNothing: false, whole: Math.round })
}

/** `ofNothing`: whether resources that score nothing count. */
function average(
  resources: readonly WeighedResource[],
  scoreOf: (use: Use) => number,
  { ofNothing = true, whole = Math.floor }: { ofNothing?: boolean; whole?(score: number): number } = {},
): ScoringStrategy {
  return (pod, node) => {
    let sum = 0
    let weights = 0
    for (const { name, weight } of resources) {
      const use = useOf(name, pod, node)
      if (!use) continue
      const score = scoreOf(use)
      if (score <= 0 && !ofNothing) continue
      sum += score * weight
      weights += weight
    }
    return weights === 0 ? 0 : whole(sum / weights)
  }
}

function useOf(name: string, { nonZero, requests }: PodInfo, { allocatable, nonZeroRequested, requested }: NodeInfo): Use | undefined {
  if (name === 'cpu') return counted(allocatable.milliCpu, nonZeroRequested.milliCpu + nonZero.milliCpu)
  if (name === 'memory') return counted(allocatable.memory, nonZeroRequested.memory + nonZero.memory)
  if (name === 'ephemeral-storage') return counted(allocatable.ephemeralStorage, requested.ephemeralStorage + requests.ephemeralStorage)
  const asked = requests.scalars?.get(name) ?? 0
  return asked > 0 ? counted(allocatable.scalars?.get(name) ?? 0, (requested.scalars?.get(name) ?? 0) + asked) : undefined
}

function counted(capacity: number, used: number): Use | undefined {
  return capacity > 0 ? { capacity, used } : undefined
}

export const LEAST_ALLOCATED: ScoringStrategy = leastAllocated()
