// Spreads pods of a kind evenly over nodes, zones or other domains: as a rule (DoNotSchedule) or a wish (ScheduleAnyway).
// Pods that say nothing are spread like the others of their service or workload.
import { equal } from '#api/equal.ts'
import type { TopologySpreadConstraint } from '#api/generated/types.ts'
import { matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'
import { allowsNode } from '#api/node-selector.ts'
import { tolerates } from '#api/toleration.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import { isCounted } from '#scheduler/match-counts.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { type Filter, MAX_SCORE, type Plugin, type Score } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'

const SKEWED = { reasons: ["node(s) didn't match pod topology spread constraints"] }
const UNLABELLED = { reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"], final: true }
const HOSTNAME = 'kubernetes.io/hostname'
const ZONE = 'topology.kubernetes.io/zone'

export type DefaultConstraint = Omit<TopologySpreadConstraint, 'labelSelector'>

const SYSTEM_DEFAULTS: readonly DefaultConstraint[] = [
  { topologyKey: HOSTNAME, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
  { topologyKey: ZONE, maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
]

interface Constraint {
  key: string
  maxSkew: number
  minDomains: number
  selector: Selector
  /** Every node that has the keys takes part in counting. */
  countsAll: boolean
  /** Whether the node takes part in counting at all. */
  counts(node: NodeInfo): boolean
}

/** How pods that say nothing are spread: as upstream does by itself, unless a list says otherwise. */
export function podTopologySpread({ defaultConstraints }: { defaultConstraints?: readonly DefaultConstraint[] } = {}): Plugin {
  const needAllKeys = defaultConstraints !== undefined
  const rules = (pod: PodInfo, cluster: Cluster, whenUnsatisfiable: string) =>
    pod.pod.spec?.topologySpreadConstraints?.length
      ? constraintsOf(pod, whenUnsatisfiable)
      : fallback(
          pod,
          cluster,
          (defaultConstraints ?? SYSTEM_DEFAULTS).filter((one) => one.whenUnsatisfiable === whenUnsatisfiable),
        )
  return {
    name: 'PodTopologySpread',
    filter(pod, cluster) {
      const constraints = rules(pod, cluster, 'DoNotSchedule')
      return constraints.length ? filterOf(pod, cluster, constraints) : undefined
    },
    score(pod, cluster, nodes) {
      const own = (pod.pod.spec?.topologySpreadConstraints?.length ?? 0) > 0
      const constraints = rules(pod, cluster, 'ScheduleAnyway')
      return constraints.length ? scoreOf(pod, cluster, nodes, { constraints, needAllKeys: own || needAllKeys }) : undefined
    },
    local(pod, cluster) {
      if (pod.pod.spec?.topologySpreadConstraints?.length) return undefined
      return defaultConstraints?.length !== 0 && cluster.siblingsOf(pod.pod) ? undefined : ''
    },
    helps(change) {
      if (change.type !== 'node') return change.type !== 'object'
      return (
        !change.previous ||
        !equal(change.node.metadata?.labels, change.previous.metadata?.labels) ||
        !equal(change.node.spec?.taints, change.previous.spec?.taints)
      )
    },
  }
}

function filterOf(pod: PodInfo, cluster: Cluster, constraints: readonly Constraint[]): Filter {
  const hasKeys = ({ labels }: NodeInfo) => constraints.every(({ key }) => Object.hasOwn(labels, key))
  const counted = constraints.map(({ selector }) => cluster.matchCounts(pod.namespace, selector))
  const domains = constraints.map(({ key, countsAll, counts }, i) => {
    const domain = new Map<string, number>()
    const add = (node: NodeInfo, count: number) => domain.set(node.labels[key]!, (domain.get(node.labels[key]!) ?? 0) + count)
    if (countsAll) {
      for (const value of cluster.domains(constraints.map((one) => one.key))[i]!) domain.set(value, 0)
      for (const [node, count] of counted[i]!) if (node.node && hasKeys(node)) add(node, count)
    } else {
      for (const node of cluster.nodes) if (hasKeys(node) && counts(node)) add(node, counted[i]!.get(node) ?? 0)
    }
    return domain
  })
  const lowest = (i: number) => {
    const { minDomains } = constraints[i]!
    if (domains[i]!.size < minDomains) return 0
    let min = Infinity
    for (const count of domains[i]!.values()) if (count < min) min = count
    return min === Infinity ? 0 : min
  }
  // The least is the same for every node until someone imagines otherwise.
  let lows = constraints.map((_, i) => lowest(i))
  return {
    check({ labels }) {
      for (const [i, { key, maxSkew, selector }] of constraints.entries()) {
        if (!Object.hasOwn(labels, key)) return UNLABELLED
        const self = matchesLabels(selector, pod.pod.metadata?.labels) ? 1 : 0
        if ((domains[i]!.get(labels[key]!) ?? 0) + self - lows[i]! > maxSkew) return SKEWED
      }
      return undefined
    },
    imagine(node, other, by) {
      if (!hasKeys(node)) return
      for (const [i, { key, selector, counts }] of constraints.entries()) {
        const value = node.labels[key]!
        if (counts(node) && isCounted({ namespace: pod.namespace, selector }, other.pod))
          domains[i]!.set(value, (domains[i]!.get(value) ?? 0) + by)
      }
      lows = constraints.map((_, i) => lowest(i))
    },
  }
}

function scoreOf(
  pod: PodInfo,
  cluster: Cluster,
  nodes: readonly NodeInfo[],
  { constraints, needAllKeys }: { constraints: readonly Constraint[]; needAllKeys: boolean },
): Score {
  const hasKeys = ({ labels }: NodeInfo) => !needAllKeys || constraints.every(({ key }) => Object.hasOwn(labels, key))
  const ranked = new Set(nodes.filter(hasKeys))
  const counted = constraints.map(({ selector }) => cluster.matchCounts(pod.namespace, selector))
  const domains = constraints.map(({ key }) => new Map(valuesOf(key, ranked).map((value): [string, number] => [value, 0])))
  for (const [i, { key, counts }] of constraints.entries()) {
    if (key === HOSTNAME) continue
    for (const [node, count] of counted[i]!) {
      const value = node.labels[key]
      if (value === undefined || !hasKeys(node) || !domains[i]!.has(value) || !counts(node)) continue
      domains[i]!.set(value, domains[i]!.get(value)! + count)
    }
  }
  // More domains spread thinner, so each pod in them weighs more.
  const weights = constraints.map(({ key }, i) => Math.log((key === HOSTNAME ? ranked.size : domains[i]!.size) + 2))
  return {
    of(node) {
      if (!ranked.has(node)) return -1
      let score = 0
      for (const [i, { key, maxSkew }] of constraints.entries()) {
        const value = node.labels[key]
        if (value === undefined) continue
        const count = (key === HOSTNAME ? counted[i]!.get(node) : domains[i]!.get(value)) ?? 0
        score += count * weights[i]! + (maxSkew - 1)
      }
      return Math.round(score)
    },
    normalize: fewerIsBetter,
  }
}

/** -1 marks nodes that do not take part: they get nothing. */
function fewerIsBetter(scores: number[]): void {
  const taking = scores.filter((score) => score >= 0)
  const highest = taking.reduce((max, score) => Math.max(max, score), 0)
  const lowest = taking.reduce((min, score) => Math.min(min, score), Infinity)
  for (const [i, score] of scores.entries()) {
    scores[i] = score < 0 ? 0 : highest === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (highest + lowest - score)) / highest)
  }
}

function valuesOf(key: string, nodes: Iterable<NodeInfo>): string[] {
  const values = new Set<string>()
  for (const { labels } of nodes) if (Object.hasOwn(labels, key)) values.add(labels[key]!)
  return [...values]
}

function constraintsOf(pod: PodInfo, whenUnsatisfiable: string): Constraint[] {
  const constraints = pod.pod.spec?.topologySpreadConstraints ?? []
  return constraints.flatMap((one) => (one.whenUnsatisfiable === whenUnsatisfiable ? [read(one, pod)] : []))
}

function read(
  {
    topologyKey,
    maxSkew,
    minDomains = 1,
    labelSelector,
    matchLabelKeys = [],
    nodeAffinityPolicy,
    nodeTaintsPolicy,
  }: TopologySpreadConstraint,
  pod: PodInfo,
): Constraint {
  const labels = pod.pod.metadata?.labels ?? {}
  const present = matchLabelKeys.filter((key) => Object.hasOwn(labels, key))
  const selector = labelSelector && {
    ...labelSelector,
    matchExpressions: [
      ...(labelSelector.matchExpressions ?? []),
      ...present.map((key) => ({ key, operator: 'In', values: [labels[key]!] })),
    ],
  }
  return {
    key: topologyKey,
    maxSkew,
    minDomains,
    selector: selectorOf(selector),
    countsAll: (nodeAffinityPolicy === 'Ignore' || !selectsNodes(pod)) && nodeTaintsPolicy !== 'Honor',
    counts: (node) =>
      (nodeAffinityPolicy === 'Ignore' || allowsNode(pod.pod.spec ?? {}, node)) &&
      (nodeTaintsPolicy !== 'Honor' || toleratesAll(pod, node)),
  }
}

function selectsNodes({ pod }: PodInfo): boolean {
  return Boolean(pod.spec?.nodeSelector ?? pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
}

function toleratesAll({ pod }: PodInfo, { node }: NodeInfo): boolean {
  return (node?.spec?.taints ?? []).every(
    ({ effect, ...taint }) => effect === 'PreferNoSchedule' || tolerates(pod.spec?.tolerations, { ...taint, effect }),
  )
}

/** For pods that belong together: with whom says a service or a workload. */
function fallback(pod: PodInfo, cluster: Cluster, defaults: readonly DefaultConstraint[]): Constraint[] {
  const selector = defaults.length > 0 ? cluster.siblingsOf(pod.pod) : undefined
  if (!selector) return []
  return defaults.map((one) => ({ ...read({ ...one }, pod), selector }))
}
