// Spreads pods of a kind evenly over nodes, zones or other domains: as a rule (DoNotSchedule) or a wish (ScheduleAnyway).
// Pods that say nothing are spread like the others of their service or workload.
import { equal } from '#api/equal.ts'
import type { TopologySpreadConstraint } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'
import { allowsNode } from '#api/node-selector.ts'
import { tolerates } from '#api/toleration.ts'
import { HOSTNAME_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import { isCounted } from '#scheduler/match-counts.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { type ClusterChange, type Filter, MAX_SCORE, type Plugin, type Score } from '#scheduler/plugin.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'

const SKEWED = { reasons: ["node(s) didn't match pod topology spread constraints"] }
const UNLABELLED = { reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"], final: true }

export type DefaultConstraint = Omit<TopologySpreadConstraint, 'labelSelector'>

const SYSTEM_DEFAULTS: readonly DefaultConstraint[] = [
  { topologyKey: HOSTNAME_LABEL, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
  { topologyKey: ZONE_LABEL, maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
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
      return defaultConstraints?.length && cluster.siblingsOf(pod.pod) ? undefined : ''
    },
    zoned(pod, cluster) {
      // Upstream's own constraints tell nodes apart by their zones and by the pods they have, and nothing else.
      const constraints = defaultConstraints ? [] : fallback(pod, cluster, SYSTEM_DEFAULTS)
      if (constraints.length === 0) return undefined
      return {
        apart: cluster.matchCounts(pod.namespace, constraints[0]!.selector),
        over: (nodes, count) => scoreOf(pod, cluster, nodes, { constraints, needAllKeys, count }),
      }
    },
    helps(change, pod) {
      if (change.type === 'object') return false
      if (change.type === 'own') return !equal(meaningful(change.pod), meaningful(change.previous))
      // Of pods that say nothing themselves others say with whom they belong.
      const own = pod.pod.spec?.topologySpreadConstraints?.length ? constraintsOf(pod, 'DoNotSchedule') : undefined
      if (change.type === 'node' || change.type === 'node gone') return nodeHelps(change, own)
      if (change.pod.metadata?.namespace !== pod.namespace) return false
      if (!own) return true
      const isMeant = ({ selector }: Constraint, other: Pod) => matchesLabels(selector, other.metadata?.labels)
      if (change.type !== 'pod changed') return own.some((one) => isMeant(one, change.pod))
      return own.some((one) => isMeant(one, change.pod) !== isMeant(one, change.previous))
    },
  }
}

/** What spreading asks of the pod itself. */
const meaningful = ({ metadata, spec }: Pod) => [metadata?.labels, spec?.tolerations]

/** What the node is now, or was, or both must be part of the count. */
function nodeHelps(change: Extract<ClusterChange, { node: Node }>, constraints: readonly Constraint[] = []): boolean {
  const takesPart = (node: Node | undefined) =>
    node !== undefined && constraints.every(({ key }) => Object.hasOwn(node.metadata?.labels ?? {}, key))
  const { node } = change
  const previous = change.type === 'node' ? change.previous : undefined
  if (previous && equal([node.metadata?.labels, node.spec?.taints], [previous.metadata?.labels, previous.spec?.taints])) return false
  return takesPart(node) || takesPart(previous)
}

function filterOf(pod: PodInfo, cluster: Cluster, constraints: readonly Constraint[]): Filter {
  const hasKeys = ({ labels }: NodeInfo) => constraints.every(({ key }) => Object.hasOwn(labels, key))
  const counted = constraints.map(({ selector }) => cluster.matchCounts(pod.namespace, selector))
  const values = cluster.domains(constraints.map(({ key }) => key))
  const domains = constraints.map(({ key, countsAll, counts }, i) => {
    const domain = new Map<string, number>()
    const add = (node: NodeInfo, count: number) => domain.set(node.labels[key]!, (domain.get(node.labels[key]!) ?? 0) + count)
    if (countsAll) {
      for (const value of values[i]!) domain.set(value, 0)
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

interface ScoreOptions {
  constraints: readonly Constraint[]
  needAllKeys: boolean
  /** How many nodes those given stand for. Absent: for themselves. */
  count?: number
}

function scoreOf(
  pod: PodInfo,
  cluster: Cluster,
  nodes: readonly NodeInfo[],
  { constraints, needAllKeys, count: total }: ScoreOptions,
): Score {
  const hasKeys = ({ labels }: NodeInfo) => !needAllKeys || constraints.every(({ key }) => Object.hasOwn(labels, key))
  const ranked = needAllKeys ? nodes.filter(hasKeys) : nodes
  const counted = constraints.map(({ selector }) => cluster.matchCounts(pod.namespace, selector))
  const domains = constraints.map(({ key, counts }, i) => {
    if (key === HOSTNAME_LABEL) return undefined
    const domain = new Map<string, number>()
    for (const { labels } of ranked) if (Object.hasOwn(labels, key)) domain.set(labels[key]!, 0)
    if (domain.size === 0) return domain
    for (const [node, count] of counted[i]!) {
      const value = node.labels[key]
      const sum = value === undefined ? undefined : domain.get(value)
      if (sum !== undefined && hasKeys(node) && counts(node)) domain.set(value!, sum + count)
    }
    return domain
  })
  // More domains spread thinner, so each pod in them weighs more.
  const weights = domains.map((domain) => Math.log((domain?.size ?? total ?? ranked.length) + 2))
  return {
    of(node) {
      if (!hasKeys(node)) return -1
      let score = 0
      for (let i = 0; i < constraints.length; i++) {
        const { key, maxSkew } = constraints[i]!
        const value = node.labels[key]
        if (value === undefined) continue
        const domain = domains[i]
        const count = (domain ? domain.get(value) : counted[i]!.get(node)) ?? 0
        score += count * weights[i]! + (maxSkew - 1)
      }
      return Math.round(score)
    },
    normalize: fewerIsBetter,
  }
}

/** -1 marks nodes that do not take part: they get nothing. */
function fewerIsBetter(scores: number[]): void {
  let highest = 0
  let lowest = Infinity
  for (const score of scores) {
    if (score < 0) continue
    if (score > highest) highest = score
    if (score < lowest) lowest = score
  }
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!
    scores[i] = score < 0 ? 0 : highest === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (highest + lowest - score)) / highest)
  }
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
