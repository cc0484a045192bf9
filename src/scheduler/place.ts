// One scheduling cycle: which nodes can take the pod, and which of them is best. Waits for nothing and changes nothing.
import type { Random } from '#lib/random.ts'
import type { Cluster } from './cluster.ts'
import { Diagnosis } from './diagnosis.ts'
import type { NodeInfo } from './node-info.ts'
import { type Filter, isPodRefusal, type Refusal, type Score } from './plugin.ts'
import type { PodInfo } from './pod-info.ts'
import type { Profile } from './profile.ts'

export interface NamedFilter {
  plugin: string
  filter: Filter
}

/** Pods that wait for their victims to leave a node: others of lower priority must not take the room. */
export interface Nominations {
  readonly size: number
  on(node: string): Iterable<PodInfo>
}

export interface CycleOptions {
  profile: Profile
  random: Random
  nominations: Nominations
  /** Where the search for nodes begins; moves on with every cycle so that all nodes get their turn. */
  start: number
}

export type Placement = { node: NodeInfo; examined: number } | { diagnosis: Diagnosis; filters: readonly NamedFilter[]; examined: number }

/** Below this many nodes all are examined. */
const MIN_FEASIBLE = 100
const MIN_PERCENT = 5

export function placePod(pod: PodInfo, cluster: Cluster, options: CycleOptions): Placement {
  const all = cluster.nodes
  const diagnosis = new Diagnosis(all.length)
  const filters: NamedFilter[] = []
  const failed = (examined = 0) => ({ diagnosis, filters, examined })
  if (all.length === 0) return failed()
  let candidates: readonly NodeInfo[] = all
  for (const { plugin } of options.profile.plugins) {
    const filter = plugin.filter?.(pod, cluster)
    if (!filter) continue
    if (isPodRefusal(filter)) {
      diagnosis.refusePod(plugin.name, filter.message)
      return failed()
    }
    filters.push({ plugin: plugin.name, filter })
    if (filter.only) candidates = filter.only.flatMap((name) => cluster.node(name) ?? []).filter((node) => candidates.includes(node))
  }

  const nominated = pod.pod.status?.nominatedNodeName
  const kept = nominated ? cluster.node(nominated) : undefined
  if (kept && candidates.includes(kept) && !refusalOf(pod, kept, filters, options.nominations)) return { node: kept, examined: 0 }

  const indexed = candidates === all && all.length >= MIN_FEASIBLE && options.nominations.size === 0
  const known = indexed ? bestOfShape(pod, cluster, filters, options) : undefined
  if (known) return { node: known, examined: 0 }

  const enough = feasibleNodesWanted(candidates.length)
  const feasible: NodeInfo[] = []
  let examined = 0
  for (; examined < candidates.length && feasible.length < enough; examined++) {
    const node = candidates[(options.start + examined) % candidates.length]!
    const refused = refusalOf(pod, node, filters, options.nominations)
    if (refused) diagnosis.refuse(node.name, refused.plugin, refused.refusal)
    else feasible.push(node)
  }
  if (feasible.length === 0) {
    if (candidates !== all) refuseOthers(diagnosis, all, candidates)
    return failed(examined)
  }
  return { node: best(pod, cluster, feasible, options), examined }
}

/**
 * The best of all nodes, without asking each again what it answered to a pod like this one. undefined where plugins look further than at the
 * node itself, or where the index knows none.
 */
function bestOfShape(
  pod: PodInfo,
  cluster: Cluster,
  filters: readonly NamedFilter[],
  { profile, random }: CycleOptions,
): NodeInfo | undefined {
  const shape: string[] = [profile.schedulerName]
  for (const { plugin } of profile.plugins) {
    const part = plugin.local?.(pod, cluster)
    if (part === undefined) return undefined
    shape.push(part)
  }
  let scores: { weight: number; score: Score }[] | undefined
  return cluster.shapes.best(shape.join('\n'), {
    nodes: cluster.nodes,
    random,
    rate(node) {
      if (firstRefusal(node, filters)) return undefined
      scores ??= profile.plugins.flatMap(({ plugin, weight }) => {
        const score = weight ? plugin.score?.(pod, cluster, [node]) : undefined
        return score ? [{ weight, score }] : []
      })
      // Scores of plugins that look at the node alone either need no bringing to scale or are the same for all.
      return scores.reduce((sum, { weight, score }) => sum + (score.normalize ? 0 : weight * score.of(node)), 0)
    },
  })
}

/** Nodes the pod's own words rule out count as refused by node affinity. */
function refuseOthers(diagnosis: Diagnosis, all: readonly NodeInfo[], candidates: readonly NodeInfo[]): void {
  const refusal: Refusal = { reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"], final: true }
  for (const node of all) if (!candidates.includes(node)) diagnosis.refuse(node.name, 'NodeAffinity', refusal)
}

/** The first refusal of a node, also if the pods nominated to it were there already. */
export function refusalOf(
  pod: PodInfo,
  node: NodeInfo,
  filters: readonly NamedFilter[],
  nominations: Nominations,
): { plugin: string; refusal: Refusal } | undefined {
  const coming = [...nominations.on(node.name)].filter((other) => other.priority >= pod.priority && other.uid !== pod.uid)
  if (coming.length) {
    const imagined = node.copy()
    for (const other of coming) imagine(imagined, other, 1, filters)
    const refused = firstRefusal(imagined, filters)
    for (const other of coming) imagine(imagined, other, -1, filters)
    if (refused) return refused
  }
  return firstRefusal(node, filters)
}

function firstRefusal(node: NodeInfo, filters: readonly NamedFilter[]): { plugin: string; refusal: Refusal } | undefined {
  for (const { plugin, filter } of filters) {
    const refusal = filter.check(node)
    if (refusal) return { plugin, refusal }
  }
  return undefined
}

/** Puts a pod on a copied node or takes it off, and tells the filters. */
export function imagine(node: NodeInfo, pod: PodInfo, by: 1 | -1, filters: readonly NamedFilter[]): void {
  if (by === 1) node.add(pod)
  else node.remove(pod.uid)
  for (const { filter } of filters) filter.imagine?.(node, pod, by)
}

/** All of up to 100 nodes; of more, half minus a percent per 125 nodes, at least 5 percent. */
export function feasibleNodesWanted(nodes: number): number {
  if (nodes < MIN_FEASIBLE) return nodes
  const percent = Math.max(MIN_PERCENT, 50 - Math.floor(nodes / 125))
  return Math.max(MIN_FEASIBLE, Math.floor((nodes * percent) / 100))
}

/** The highest weighted sum of scores; among equals, chance decides. */
function best(pod: PodInfo, cluster: Cluster, nodes: readonly NodeInfo[], { profile, random }: CycleOptions): NodeInfo {
  if (nodes.length === 1) return nodes[0]!
  const totals = nodes.map(() => 0)
  for (const { plugin, weight } of profile.plugins) {
    const score = weight ? plugin.score?.(pod, cluster, nodes) : undefined
    if (!score) continue
    const scores = nodes.map((node) => score.of(node))
    score.normalize?.(scores)
    for (let i = 0; i < scores.length; i++) totals[i]! += weight * scores[i]!
  }
  let chosen = 0
  let equals = 1
  for (let i = 1; i < totals.length; i++) {
    if (totals[i]! > totals[chosen]!) {
      chosen = i
      equals = 1
    } else if (totals[i] === totals[chosen] && random.float() < 1 / ++equals) {
      chosen = i
    }
  }
  return nodes[chosen]!
}
