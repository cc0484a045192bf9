// How many replicas a metric wants. Pure: the same pods and metrics at the same time give the same answer. Values are whole thousandths.
import type { Pod } from '#api/kinds/core/pod.ts'
import { isReady } from '#controllers/pod-state.ts'
import { groupPods, type MetricsByPod, type PodMetric, requestsOf } from './pod-groups.ts'

/** How far from its target a metric may be before anything is done, as a share of the target. */
export interface Tolerances {
  up: number
  down: number
}

export interface Situation {
  /** What the target's spec says. */
  replicas: number
  /** Those its selector finds. */
  pods: readonly Pod[]
  tolerances: Tolerances
  now: number
}

export interface Proposal {
  replicas: number
  /** The metric now: the average of the pods, or the value itself. */
  usage: number
  /** Percent of what is requested. */
  utilization?: number
}

type Ratio = (metrics: ReadonlyMap<string, PodMetric>) => { ratio: number; usage: number; utilization?: number }

const isWithin = (ratio: number, { up, down }: Tolerances): boolean => 1 - down <= ratio && ratio <= 1 + up

/** By the share of what the pods request that they use. `container` '' is all of them. */
export function replicasForUtilization(
  situation: Situation,
  metrics: MetricsByPod,
  { resource, container, target }: { resource: string; container: string; target: number },
): Proposal {
  requirePods(situation)
  let requests: ReadonlyMap<string, number> | undefined
  const request = (name: string) => (requests ??= requestsOf(situation.pods, resource, container)).get(name)
  const ratioOf: Ratio = (all) => {
    let [used, requested, count] = [0, 0, 0]
    for (const [name, { value }] of all) {
      const own = request(name)
      if (own === undefined) continue
      used += value
      requested += own
      count++
    }
    if (requested === 0) throw new Error('no metrics returned matched known pods')
    const utilization = Math.trunc((used * 100) / requested)
    return { ratio: utilization / target, utilization, usage: Math.trunc(used / count) }
  }
  // Whoever tells nothing may use all it asked for, or what is aimed at if that is more.
  const most = (name: string) => Math.trunc(((request(name) ?? 0) * Math.max(100, target)) / 100)
  return propose(situation, metrics, { resource, ratioOf, most })
}

/** By the average over the pods. `resource` '' is a metric that pods have beside their resources. */
export function replicasForAverage(
  situation: Situation,
  metrics: MetricsByPod,
  { resource, target }: { resource: string; target: number },
): Proposal {
  requirePods(situation)
  const ratioOf: Ratio = (all) => {
    let sum = 0
    for (const { value } of all.values()) sum += value
    const usage = Math.trunc(sum / all.size)
    return { ratio: usage / target, usage }
  }
  return propose(situation, metrics, { resource, ratioOf, most: () => target })
}

/** By one value for all the pods together. */
export function replicasForValue({ replicas, pods, tolerances }: Situation, usage: number, target: number): Proposal {
  const ratio = usage / target
  // From none there is no share to go by: as many as the value is targets.
  if (replicas === 0) return { replicas: Math.ceil(ratio), usage }
  if (isWithin(ratio, tolerances)) return { replicas, usage }
  if (pods.length === 0) throw new Error(`unable to calculate ready pods: ${NO_PODS}`)
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length
  return { replicas: Math.ceil(ratio * ready), usage }
}

/** By one value that the pods share. `replicas` is what the target's status says. */
export function replicasForShare(
  { replicas, tolerances }: Pick<Situation, 'replicas' | 'tolerances'>,
  usage: number,
  target: number,
): Proposal {
  const wanted = isWithin(usage / (target * replicas), tolerances) ? replicas : Math.ceil(usage / target)
  return { replicas: wanted, usage: replicas === 0 ? usage : Math.ceil(usage / replicas) }
}

const NO_PODS = 'no pods returned by selector while calculating replica count'

function requirePods({ pods }: Situation): void {
  if (pods.length === 0) throw new Error(NO_PODS)
}

interface Rules {
  resource: string
  ratioOf: Ratio
  /** What a missing pod is assumed to use when the others use less than they should. */
  most(pod: string): number
}

function propose({ replicas, pods, tolerances, now }: Situation, all: MetricsByPod, { resource, ratioOf, most }: Rules): Proposal {
  const { ready, unready, missing, ignored } = groupPods(pods, all, { resource, now })
  const metrics = ignored.size + unready.size === 0 ? all : new Map([...all].filter(([name]) => !ignored.has(name) && !unready.has(name)))
  if (metrics.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)')
  const { ratio, ...measured } = ratioOf(metrics)
  const proposal = (wanted: number): Proposal => ({ replicas: wanted, ...measured })
  const growsWithUnready = unready.size > 0 && ratio > 1
  if (!growsWithUnready && missing.size === 0) return proposal(isWithin(ratio, tolerances) ? replicas : Math.ceil(ratio * ready))

  // Pods nobody knows about are assumed to be what speaks against the change.
  const assumed = new Map(metrics)
  const assume = (names: Iterable<string>, value: (name: string) => number) => {
    for (const name of names) assumed.set(name, { value: value(name), timestamp: 0, windowMs: 0 })
  }
  if (ratio < 1) assume(missing, most)
  else if (ratio > 1) assume(missing, () => 0)
  if (growsWithUnready) assume(unready, () => 0)
  const { ratio: share } = ratioOf(assumed)
  if (isWithin(share, tolerances) || (ratio < 1 && share > 1) || (ratio > 1 && share < 1)) return proposal(replicas)
  const wanted = Math.ceil(share * assumed.size)
  // More or fewer metrics than replicas must not turn the direction round.
  return proposal((share < 1 && wanted > replicas) || (share > 1 && wanted < replicas) ? replicas : wanted)
}
