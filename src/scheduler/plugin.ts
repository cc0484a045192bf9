// The anatomy every plugin shares. A plugin looks at the pod once and answers with what is asked per node, or with nothing when it does not apply.
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import type { Cluster } from './cluster.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'

/** Why a node does not do. `final`: no pod leaving it would help. */
export interface Refusal {
  reasons: readonly string[]
  final?: boolean
}

export interface Filter {
  check(node: NodeInfo): Refusal | undefined
  /** The only nodes that can do, where the pod says so itself. */
  only?: readonly string[]
  /** Told while pods are imagined on (1) or off (-1) a node, by filters that look beyond the node they are asked about. */
  imagine?(node: NodeInfo, pod: PodInfo, by: 1 | -1): void
}

/** No node will do until something else changes. */
export interface PodRefusal {
  message: string
}

export interface Score {
  of(node: NodeInfo): number
  /** Brings all scores into 0..100, in place. Absent: they are. */
  normalize?(scores: number[]): void
}

/** What a plugin says of all nodes together, where nodes of one zone are alike to it but for a few, which are never better than the rest. */
export interface ZonedScore {
  /** Those that are not like the rest of their zone; of one zone and with the same value they are like each other. */
  readonly apart: ReadonlyMap<NodeInfo, unknown>
  /** `some`: of each zone that has any, one node like the rest; and all those apart. `count`: how many nodes they stand for. */
  over(some: readonly NodeInfo[], count: number): Score
}

/** Something that may make room for a pod that was refused. */
export type ClusterChange =
  | { type: 'node'; node: Node; previous?: Node }
  | { type: 'node gone'; node: Node }
  | { type: 'pod assigned'; pod: Pod }
  /** `freed`: the resources it has less of than it had. */
  | { type: 'pod changed'; pod: Pod; previous: Pod; freed: ReadonlySet<string> }
  /** The pod that waits, itself. */
  | { type: 'own'; pod: Pod; previous: Pod }
  /** `priority`: had it only been promised a node, it stood in the way of none more important than that. */
  | { type: 'pod gone'; pod: Pod; priority?: number }
  /** Something else a plugin cares about: a volume, a claim, a class. Without `action`, whatever is known of the kind. */
  | { type: 'object'; kind: string; action?: 'Add' | 'Update' | 'Delete'; object?: KubeObject; previous?: KubeObject }

/** What a plugin keeps for a pod between the choice of its node and its binding. */
export interface Reservation {
  /** Makes it so; the pod is bound after that. Absent: there is nothing to make. Aborted when the pod is gone. */
  bind?(signal: AbortSignal): Promise<void>
  /** Called in the end, whether the pod has its node or not. */
  release(placed: boolean): void
}

export interface Plugin {
  readonly name: string
  /** Whether the pod must not even be tried yet. */
  gates?(pod: PodInfo, cluster: Cluster): boolean
  filter?(pod: PodInfo, cluster: Cluster): Filter | PodRefusal | undefined
  score?(pod: PodInfo, cluster: Cluster, nodes: readonly NodeInfo[]): Score | undefined
  /**
   * When all it says of a node depends on that node alone: a text that pods it says the same of have in common. undefined: it looks further.
   * Absent: it always looks further.
   */
  local?(pod: PodInfo, cluster: Cluster): string | undefined
  /** Asked of plugins with `local`: what their score says beyond that, if anything. */
  zoned?(pod: PodInfo, cluster: Cluster): ZonedScore | undefined
  /** undefined where the pod needs nothing kept. */
  reserve?(pod: PodInfo, node: NodeInfo, cluster: Cluster): Reservation | undefined
  /** Asked where no node would do, before preemption: what it has to say of that. */
  postFilter?(pod: PodInfo, cluster: Cluster): string | undefined
  /** Whether the change may help a pod this plugin refused. Absent: never. */
  helps?(change: ClusterChange, pod: PodInfo): boolean
}

export const MAX_SCORE = 100

export function isPodRefusal(answer: Filter | PodRefusal): answer is PodRefusal {
  return 'message' in answer
}

/** Scales so that the highest score is 100, or, reversed, so that 100 is nothing. */
export function scaleToMax(scores: number[], reverse = false): void {
  const highest = scores.reduce((max, score) => Math.max(max, score), 0)
  for (const [i, score] of scores.entries()) {
    const scaled = highest === 0 ? 0 : Math.floor((MAX_SCORE * score) / highest)
    scores[i] = reverse ? MAX_SCORE - scaled : scaled
  }
}
