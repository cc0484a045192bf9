// Which pods of lower priority would have to leave which node for a pod to fit, and which choice hurts least. Only imagines: evicts nobody.
import { conditionOf } from '#api/conditions.ts'
import type { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import { compareTexts } from '#lib/order.ts'
import type { Random } from '#lib/random.ts'
import type { Cluster } from './cluster.ts'
import { type Diagnosis, histogram } from './diagnosis.ts'
import type { NodeInfo } from './node-info.ts'
import { imagine, type NamedFilter, type Nominations, refusalOf } from './place.ts'
import type { PodInfo } from './pod-info.ts'

export interface PreemptionOptions {
  cluster: Cluster
  filters: readonly NamedFilter[]
  diagnosis: Diagnosis
  nominations: Nominations
  random: Random
  budgets(namespace: string): readonly PodDisruptionBudget[]
  limits?: PreemptionLimits
}

export interface Candidate {
  node: NodeInfo
  /** Most important first. */
  victims: readonly PodInfo[]
  violations: number
}

/** Of the nodes where evicting may help, how many are looked at: a share of them, at least so many. */
export interface PreemptionLimits {
  minCandidateNodesPercentage?: number
  minCandidateNodesAbsolute?: number
}

/** Nobody is evicted, and why. `helpless`: nothing would help, so the pod has no node promised any more. */
export interface NoPreemption {
  message: string
  helpless: boolean
}

const NOT_HELPFUL = 'Preemption is not helpful for scheduling'
const NO_VICTIMS = 'No preemption victims found for incoming pod'

/** The best candidate, or in upstream's words why there is none. */
export function preempt(pod: PodInfo, options: PreemptionOptions): Candidate | string {
  const candidates = preemptionCandidates(pod, options)
  return 'message' in candidates ? candidates.message : leastHarmful(candidates)
}

/** At least one, or why there is none. */
export function preemptionCandidates(pod: PodInfo, options: PreemptionOptions): readonly Candidate[] | NoPreemption {
  const { cluster, diagnosis, random } = options
  if (pod.pod.spec?.preemptionPolicy === 'Never') return { message: 'not eligible due to preemptionPolicy=Never.', helpless: false }
  if (waitsForLeaving(pod, options)) return { message: 'not eligible due to a terminating pod on the nominated node.', helpless: false }

  const reasons: string[] = []
  const hopeful: NodeInfo[] = []
  for (const node of cluster.nodes) {
    const refusal = diagnosis.refusals.get(node.name)
    if (refusal && !refusal.final) hopeful.push(node)
    else reasons.push(NOT_HELPFUL)
  }
  const { minCandidateNodesPercentage: share = 10, minCandidateNodesAbsolute: count = 100 } = options.limits ?? {}
  const enough = Math.max(count, Math.floor((hopeful.length * share) / 100))
  const start = Math.floor(random.float() * hopeful.length)
  const candidates: Candidate[] = []
  let harmless = 0
  // While each would break a budget, the search goes on.
  for (let i = 0; i < hopeful.length && (harmless === 0 || candidates.length < enough); i++) {
    const node = hopeful[(start + i) % hopeful.length]!
    const found = victimsOn(node, pod, options)
    if (Array.isArray(found)) reasons.push(...found)
    else {
      candidates.push(found)
      if (found.violations === 0) harmless++
    }
  }
  if (candidates.length > 0) return candidates
  return { message: `0/${cluster.nodes.length} nodes are available: ${histogram(reasons)}.`, helpless: true }
}

/** Whether those who must leave the node promised to the pod are on their way. Where nobody's leaving would help, it waits for none. */
function waitsForLeaving(pod: PodInfo, { cluster, diagnosis }: PreemptionOptions): boolean {
  const nominated = pod.pod.status?.nominatedNodeName
  const refusal = nominated ? diagnosis.refusals.get(nominated) : undefined
  if (!refusal || refusal.final) return false
  for (const other of cluster.node(nominated!)?.pods.values() ?? []) {
    const { metadata, status } = other.pod
    const disrupted = conditionOf(status?.conditions, 'DisruptionTarget')
    const preempted = disrupted?.status === 'True' && disrupted.reason === 'PreemptionByScheduler'
    if (other.priority < pod.priority && metadata?.deletionTimestamp && preempted) return true
  }
  return false
}

/** Takes all of lower priority off, then lets back whom it can, the most important first; else the reasons. */
function victimsOn(original: NodeInfo, pod: PodInfo, { filters, nominations, budgets }: PreemptionOptions): Candidate | string[] {
  // Where all are worth as much, as mostly, nothing need be imagined.
  if (original.lowestPriority >= pod.priority) return [NO_VICTIMS]
  const node = original.copy()
  const lower = [...node.pods.values()].filter(({ priority }) => priority < pod.priority)
  const fits = () => refusalOf(pod, node, filters, nominations)
  for (const other of lower) imagine(node, other, -1, filters)
  const off = new Set(lower)
  try {
    const refused = fits()
    if (refused) return [...refused.refusal.reasons]
    const violating = breakingBudgets(lower.sort(moreImportantFirst), budgets)
    const victims: PodInfo[] = []
    let violations = 0
    const tryToKeep = (other: PodInfo) => {
      imagine(node, other, 1, filters)
      off.delete(other)
      if (!fits()) return true
      imagine(node, other, -1, filters)
      off.add(other)
      victims.push(other)
      return false
    }
    for (const other of lower) if (violating.has(other) && !tryToKeep(other)) violations++
    for (const other of lower) if (!violating.has(other)) tryToKeep(other)
    if (victims.length === 0) return [`expected at least one victim pod on node ${JSON.stringify(original.name)}`]
    return { node: original, victims: victims.sort(moreImportantFirst), violations }
  } finally {
    for (const other of off) imagine(node, other, 1, filters)
  }
}

/** Pods whose loss would exceed what their budgets allow, if they went in this order. */
function breakingBudgets(pods: readonly PodInfo[], budgets: PreemptionOptions['budgets']): Set<PodInfo> {
  const left = new Map<PodDisruptionBudget, number>()
  const violating = new Set<PodInfo>()
  for (const info of pods) {
    // Without labels a pod is in no budget, whatever the budget says.
    if (Object.keys(info.pod.metadata?.labels ?? {}).length === 0) continue
    for (const budget of budgets(info.namespace)) {
      const name = info.pod.metadata?.name ?? ''
      const { selector } = budget.spec ?? {}
      // One that would select everything counts for nothing here, as upstream.
      const says = Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions?.length ?? 0)
      if (says === 0 || !matchesLabels(selectorOf(selector), info.pod.metadata?.labels)) continue
      if (Object.hasOwn(budget.status?.disruptedPods ?? {}, name)) continue
      const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1
      left.set(budget, allowed)
      if (allowed < 0) violating.add(info)
    }
  }
  return violating
}

function moreImportantFirst(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || compareTexts(startOf(a), startOf(b))
}

const startOf = ({ pod }: PodInfo) => pod.status?.startTime ?? '9999'

/** Fewest broken budgets, lowest top priority, smallest sum of priorities, fewest victims, latest start of the most important. */
export function leastHarmful(candidates: readonly Candidate[]): Candidate {
  const NEGATIVE_OFFSET = 2 ** 31
  const top = ({ victims }: Candidate) => victims[0]?.priority ?? -NEGATIVE_OFFSET
  const sum = ({ victims }: Candidate) => victims.reduce((total, { priority }) => total + priority + NEGATIVE_OFFSET, 0)
  const start = ({ victims }: Candidate) =>
    victims
      .filter(({ priority }) => priority === victims[0]!.priority)
      .reduce((min, one) => (startOf(one) < min ? startOf(one) : min), '9999')
  return candidates.reduce((best, one) => {
    const order =
      one.violations - best.violations ||
      top(one) - top(best) ||
      sum(one) - sum(best) ||
      one.victims.length - best.victims.length ||
      compareTexts(start(best), start(one))
    return order < 0 ? one : best
  })
}
