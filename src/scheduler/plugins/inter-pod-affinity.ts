// Pods that want or shun the company of others, in the same node, zone or any other domain; what others say of this pod counts as well.
import { equal } from '#api/equal.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import { type AffinityTerm, affinityTermsOf, namespacesOf, termMatches, termMayMatch } from '#scheduler/pod-affinity-terms.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import { type Filter, MAX_SCORE, type Plugin, type Score } from '#scheduler/plugin.ts'
import { TopologyCounts } from '#scheduler/topology-counts.ts'

const NO_AFFINITY = { reasons: ["node(s) didn't match pod affinity rules"], final: true }
const OWN_ANTI_AFFINITY = { reasons: ["node(s) didn't match pod anti-affinity rules"] }
const OTHERS_ANTI_AFFINITY = { reasons: ["node(s) didn't satisfy existing pods anti-affinity rules"] }

export interface InterPodAffinityOptions {
  /** What a required term of a pod already there is worth as a preference. */
  hardPodAffinityWeight?: number
  ignorePreferredTermsOfExistingPods?: boolean
}

export function interPodAffinity(options: InterPodAffinityOptions = {}): Plugin {
  return {
    name: 'InterPodAffinity',
    filter(pod, cluster) {
      if (!pod.affinity.required.length && !pod.affinity.requiredAnti.length && cluster.antiAffine.size === 0) return undefined
      return filterOf(pod, cluster)
    },
    score: (pod, cluster) => scoreOf(pod, cluster, options),
    local({ affinity: { required, requiredAnti, preferred, preferredAnti } }, cluster) {
      const silent = !required.length && !requiredAnti.length && !preferred.length && !preferredAnti.length
      return silent && cluster.affine.size === 0 && cluster.antiAffine.size === 0 ? '' : undefined
    },
    helps(change, pod) {
      if (change.type === 'node') return !change.previous || !equal(change.node.metadata?.labels, change.previous.metadata?.labels)
      if (change.type === 'node gone' || change.type === 'object') return false
      // By its labels others shun it, or it is company for itself.
      if (change.type === 'own') return !equal(change.pod.metadata?.labels, change.previous.metadata?.labels)
      const { required, requiredAnti } = pod.affinity
      const isCompany = (other: Pod) => required.length > 0 && required.every((term) => termMayMatch(term, other))
      if (change.type === 'pod assigned') return isCompany(change.pod)
      if (change.type === 'pod gone')
        // Without the last of its kind a pod may start a group of its own.
        return isCompany(change.pod) || requiredAnti.some((term) => termMayMatch(term, change.pod)) || shuns(change.pod, pod.pod)
      const { pod: next, previous } = change
      return (
        isCompany(next) !== isCompany(previous) || requiredAnti.some((term) => termMayMatch(term, previous) && !termMayMatch(term, next))
      )
    },
  }
}

const shuns = (pod: Pod, other: Pod) => affinityTermsOf(pod).requiredAnti.some((term) => termMayMatch(term, other))

function filterOf(pod: PodInfo, cluster: Cluster): Filter {
  const { required, requiredAnti } = pod.affinity
  const labelsOf = cluster.namespaceLabels
  let wanted = required.length ? cluster.company(required) : new TopologyCounts()
  let shunned = requiredAnti.map((term) => cluster.company([term]))
  let shunning = cluster.companyAgainst(pod.pod)
  let imagining = false
  // The first of a group that wants its own company must start somewhere.
  const startsGroup = required.every((term) => termMatches(term, pod.pod, labelsOf))
  const meetsAffinity = ({ labels }: NodeInfo) => {
    if (!required.every(({ topologyKey }) => Object.hasOwn(labels, topologyKey))) return false
    return required.every(({ topologyKey }) => wanted.get(topologyKey, labels) > 0) || (wanted.isEmpty && startsGroup)
  }
  const isShunned = ({ labels }: NodeInfo) => shunning.some((counts) => counts.anyIn(labels))
  return {
    check(node) {
      if (!meetsAffinity(node)) return NO_AFFINITY
      if (shunned.some((counts) => counts.anyIn(node.labels))) return OWN_ANTI_AFFINITY
      return isShunned(node) ? OTHERS_ANTI_AFFINITY : undefined
    },
    imagine({ labels }, { pod: other, affinity }, by) {
      if (!imagining) {
        // What the cluster counts is its own.
        wanted = wanted.copy()
        shunned = shunned.map((counts) => counts.copy())
        const merged = new TopologyCounts()
        for (const counts of shunning) merged.addAll(counts)
        shunning = [merged]
        imagining = true
      }
      if (required.length && required.every((term) => termMatches(term, other, labelsOf))) {
        for (const { topologyKey } of required) wanted.add(topologyKey, labels, by)
      }
      for (const [i, term] of requiredAnti.entries()) if (termMatches(term, other, labelsOf)) shunned[i]!.add(term.topologyKey, labels, by)
      for (const term of affinity.requiredAnti) if (termMatches(term, pod.pod, labelsOf)) shunning[0]!.add(term.topologyKey, labels, by)
    },
  }
}

function scoreOf(
  pod: PodInfo,
  cluster: Cluster,
  { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }: InterPodAffinityOptions,
): Score | undefined {
  const { preferred, preferredAnti } = pod.affinity
  const hasWishes = preferred.length > 0 || preferredAnti.length > 0
  if (!hasWishes && (ignorePreferredTermsOfExistingPods || cluster.affine.size === 0)) return undefined
  const labelsOf = cluster.namespaceLabels
  const totals = new TopologyCounts()
  const count = (terms: readonly AffinityTerm[], about: Pod, node: NodeInfo, factor: (weight: number) => number) => {
    for (const term of terms) if (termMatches(term, about, labelsOf)) totals.add(term.topologyKey, node.labels, factor(term.weight))
  }
  if (hasWishes) {
    cluster.eachPod(namespacesOf([...preferred, ...preferredAnti]), (other, node) => {
      count(preferred, other.pod, node, (weight) => weight)
      count(preferredAnti, other.pod, node, (weight) => -weight)
    })
  }
  for (const { info, node } of cluster.affine.values()) {
    count(info.affinity.required, pod.pod, node, () => hardPodAffinityWeight)
    count(info.affinity.preferred, pod.pod, node, (weight) => weight)
    count(info.affinity.preferredAnti, pod.pod, node, (weight) => -weight)
  }
  if (totals.isEmpty) return undefined
  return { of: ({ labels }) => totals.sum(labels), normalize: spreadOut }
}

/** The lowest becomes 0, the highest 100. */
function spreadOut(scores: number[]): void {
  const lowest = scores.reduce((min, score) => Math.min(min, score), Infinity)
  const highest = scores.reduce((max, score) => Math.max(max, score), -Infinity)
  for (const [i, score] of scores.entries())
    scores[i] = highest === lowest ? 0 : Math.floor((MAX_SCORE * (score - lowest)) / (highest - lowest))
}
