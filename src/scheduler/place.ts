// One scheduling cycle: which nodes can take the pod, and which of them is best. Waits for nothing and changes nothing.
import type { Random } from '#lib/random.ts'
import type { Cluster } from './cluster.ts'
import { Diagnosis } from './diagnosis.ts'
import type { NodeInfo } from './node-info.ts'
import type { Meter } from './meter.ts'
import { type Filter, isPodRefusal, type Refusal, type Score, type ZonedScore } from './plugin.ts'
import type { PodInfo } from './pod-info.ts'
import type { Profile } from './profile.ts'

export interface NamedFilter {
  plugin: string
  filter: Filter
  /** How often it was asked. */
  asked: number
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
  meter?: Meter | undefined
}

export type Placement = { node: NodeInfo; examined: number } | { diagnosis: Diagnosis; filters: readonly NamedFilter[]; examined: number }

/** What can take the pod: some nodes to choose among, or the one it is to be, or none and why. */
export interface Search {
  chosen?: NodeInfo
  feasible: readonly NodeInfo[]
  /** What can take the pod is the one it was promised: no other was looked at. */
  promised?: true
  diagnosis: Diagnosis
  filters: readonly NamedFilter[]
  examined: number
}

/** Below this many nodes all are examined. */
const MIN_FEASIBLE = 100
const MIN_PERCENT = 5

export function placePod(pod: PodInfo, cluster: Cluster, options: CycleOptions): Placement {
  const { chosen, feasible, ...search } = findNodes(pod, cluster, options)
  if (chosen) return { node: chosen, examined: search.examined }
  return feasible.length === 0 ? search : { node: bestOf(feasible, pod, { ...options, cluster }), examined: search.examined }
}

/** `others` will have a say in it: then nothing is chosen here. `anywhere`: wherever the pod was promised to go. */
export function findNodes(pod: PodInfo, cluster: Cluster, options: CycleOptions & { others?: boolean; anywhere?: boolean }): Search {
  const all = cluster.nodes
  const diagnosis = new Diagnosis(all.length)
  if (all.length === 0) return { feasible: [], diagnosis, filters: [], examined: 0 }
  const { meter } = options
  const asked = filtersFor(pod, cluster, options.profile, meter)
  if ('message' in asked) {
    diagnosis.refusePod(asked.plugin, asked.message)
    return { feasible: [], diagnosis, filters: [], examined: 0 }
  }
  const { filters, candidates } = asked
  const began = meter?.now() ?? 0
  const found = (examined: number, feasible: readonly NodeInfo[], chosen?: NodeInfo): Search => {
    if (meter) {
      meter.point('Filter', 'Success', began)
      for (const { plugin, asked: times } of filters) if (times > 0) meter.asked(plugin, 'Filter', times)
    }
    return chosen ? { chosen, feasible, diagnosis, filters, examined } : { feasible, diagnosis, filters, examined }
  }
  const timed = meter?.sampled ? meter : undefined

  const nominated = options.anywhere ? undefined : pod.pod.status?.nominatedNodeName
  const kept = nominated ? cluster.node(nominated) : undefined
  if (kept && candidates.includes(kept) && !refusalOf(pod, kept, filters, options.nominations, timed))
    return options.others ? { ...found(0, [kept]), promised: true } : found(0, [kept], kept)

  const indexed = candidates === all && all.length >= MIN_FEASIBLE && options.nominations.size === 0 && !options.others
  const known = indexed ? bestOfShape(pod, cluster, filters, options) : undefined
  if (known) return found(0, [known], known)

  const enough = feasibleNodesWanted(candidates.length, options.profile.percentageOfNodesToScore)
  const feasible: NodeInfo[] = []
  let examined = 0
  for (; examined < candidates.length && feasible.length < enough; examined++) {
    const node = candidates[(options.start + examined) % candidates.length]!
    const refused = refusalOf(pod, node, filters, options.nominations, timed)
    if (refused) diagnosis.refuse(node.name, refused.plugin, refused.refusal)
    else feasible.push(node)
  }
  if (feasible.length === 0 && candidates !== all) refuseOthers(diagnosis, all, candidates)
  return found(examined, feasible)
}

/** What each plugin asks of nodes for this pod, and which nodes come into question; or the plugin that refuses the pod wherever it may go. */
export function filtersFor(
  pod: PodInfo,
  cluster: Cluster,
  { plugins }: Profile,
  meter?: Meter,
): { filters: NamedFilter[]; candidates: readonly NodeInfo[] } | { plugin: string; message: string } {
  const filters: NamedFilter[] = []
  let candidates = cluster.nodes
  const began = meter?.now() ?? 0
  for (const { plugin } of plugins) {
    if (!plugin.filter) continue
    const since = meter?.sampled ? meter.now() : 0
    const filter = plugin.filter(pod, cluster)
    const refused = filter && isPodRefusal(filter)
    meter?.asked(plugin.name, 'PreFilter')
    if (meter?.sampled) meter.ran(plugin.name, 'PreFilter', { since, status: refused ? 'UnschedulableAndUnresolvable' : 'Success' })
    if (!filter) continue
    if (isPodRefusal(filter)) {
      meter?.point('PreFilter', 'UnschedulableAndUnresolvable', began)
      return { plugin: plugin.name, message: filter.message }
    }
    filters.push({ plugin: plugin.name, filter, asked: 0 })
    if (filter.only) candidates = filter.only.flatMap((name) => cluster.node(name) ?? []).filter((node) => candidates.includes(node))
  }
  meter?.point('PreFilter', 'Success', began)
  return { filters, candidates }
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
  let zoned: { weight: number; score: ZonedScore } | undefined
  for (const { plugin, weight } of profile.plugins) {
    const part = plugin.local?.(pod, cluster)
    if (part === undefined) return undefined
    shape.push(part)
    const score = weight ? plugin.zoned?.(pod, cluster) : undefined
    if (!score) continue
    if (zoned) return undefined
    zoned = { weight, score }
  }
  let scores: { weight: number; score: Score }[] | undefined
  return cluster.shapes.best(shape.join('\n'), {
    nodes: cluster.nodes,
    random,
    zoned,
    rate(node) {
      if (firstRefusal(node, filters)) return undefined
      scores ??= profile.plugins.flatMap(({ plugin, weight }) => {
        const score = weight && !plugin.zoned ? plugin.score?.(pod, cluster, [node]) : undefined
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
  timed?: Meter,
): { plugin: string; refusal: Refusal } | undefined {
  const coming = [...nominations.on(node.name)].filter((other) => other.priority >= pod.priority && other.uid !== pod.uid)
  if (coming.length) {
    const imagined = node.copy()
    for (const other of coming) imagine(imagined, other, 1, filters)
    const refused = firstRefusal(imagined, filters, timed)
    for (const other of coming) imagine(imagined, other, -1, filters)
    if (refused) return refused
  }
  return firstRefusal(node, filters, timed)
}

function firstRefusal(node: NodeInfo, filters: readonly NamedFilter[], timed?: Meter): { plugin: string; refusal: Refusal } | undefined {
  for (const one of filters) {
    one.asked++
    const refusal = timed ? timedCheck(node, one, timed) : one.filter.check(node)
    if (refusal) return { plugin: one.plugin, refusal }
  }
  return undefined
}

function timedCheck(node: NodeInfo, { plugin, filter }: NamedFilter, meter: Meter): Refusal | undefined {
  const since = meter.now()
  const refusal = filter.check(node)
  meter.ran(plugin, 'Filter', { since, status: refusal ? (refusal.final ? 'UnschedulableAndUnresolvable' : 'Unschedulable') : 'Success' })
  return refusal
}

/** Puts a pod on a copied node or takes it off, and tells the filters. */
export function imagine(node: NodeInfo, pod: PodInfo, by: 1 | -1, filters: readonly NamedFilter[]): void {
  if (by === 1) node.add(pod)
  else node.remove(pod.uid)
  for (const { filter } of filters) filter.imagine?.(node, pod, by)
}

/** All of up to 100 nodes; of more, the percentage asked for, or half minus a percent per 125 nodes, at least 5 percent. */
export function feasibleNodesWanted(nodes: number, percentage = 0): number {
  if (nodes < MIN_FEASIBLE || percentage >= 100) return nodes
  const percent = percentage > 0 ? percentage : Math.max(MIN_PERCENT, 50 - Math.floor(nodes / 125))
  return Math.max(MIN_FEASIBLE, Math.floor((nodes * percent) / 100))
}

/** The highest weighted sum of scores; among equals, chance decides. `extra` are points by others, one for each node. */
export function bestOf(
  nodes: readonly NodeInfo[],
  pod: PodInfo,
  {
    profile,
    random,
    cluster,
    extra,
    meter,
  }: Pick<CycleOptions, 'profile' | 'random' | 'meter'> & {
    cluster: Cluster
    extra?: readonly number[]
  },
): NodeInfo {
  if (nodes.length === 1) return nodes[0]!
  const totals = totalScores(nodes, pod, { profile, cluster, meter })
  for (const [i, points] of (extra ?? []).entries()) totals[i]! += points
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

/** The weighted sum of all scores, for each node. */
export function totalScores(
  nodes: readonly NodeInfo[],
  pod: PodInfo,
  { profile, cluster, meter }: { profile: Profile; cluster: Cluster; meter?: Meter | undefined },
): number[] {
  const began = meter?.now() ?? 0
  const asked: { name: string; weight: number; score: Score }[] = []
  for (const { plugin, weight } of profile.plugins) {
    if (!weight || !plugin.score) continue
    const since = meter?.sampled ? meter.now() : 0
    const score = plugin.score(pod, cluster, nodes)
    meter?.asked(plugin.name, 'PreScore')
    if (meter?.sampled) meter.ran(plugin.name, 'PreScore', { since })
    if (score) asked.push({ name: plugin.name, weight, score })
  }
  const scoring = meter?.point('PreScore', 'Success', began) ?? 0
  const totals = nodes.map(() => 0)
  for (const { name, weight, score } of asked) {
    const since = meter?.sampled ? meter.now() : 0
    const scores = nodes.map((node) => score.of(node))
    score.normalize?.(scores)
    for (let i = 0; i < scores.length; i++) totals[i]! += weight * scores[i]!
    meter?.asked(name, 'Score', nodes.length)
    if (meter?.sampled) meter.ran(name, 'Score', { since })
  }
  meter?.point('Score', 'Success', scoring)
  return totals
}
