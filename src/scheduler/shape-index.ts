// Nodes ordered by how well they suit pods of one shape, so that the next pod of that shape costs what changed since and not all nodes again.
// Holds for shapes whose rating of a node depends on that node alone; says nothing of a shape it meets for the first time.
import type { Random } from '#lib/random.ts'
import type { NodeInfo } from './node-info.ts'

export interface Rating {
  nodes: readonly NodeInfo[]
  random: Random
  /** A whole number from 0; undefined where the node will not do. */
  rate(node: NodeInfo): number | undefined
}

const MAX_SHAPES = 16
const MAX_SEEN = 256

export class ShapeIndex {
  readonly #ranks = new Map<string, Ranks>()
  /** Met once: a single pod is not worth rating all nodes. */
  readonly #seen = new Set<string>()

  /** The node came, went, or is not what it was. */
  changed(node: NodeInfo): void {
    for (const { stale } of this.#ranks.values()) stale.add(node)
  }

  /** One of the nodes rated best, by chance; undefined where none will do or the shape is new. */
  best(shape: string, { nodes, random, rate }: Rating): NodeInfo | undefined {
    let ranks = this.#ranks.get(shape)
    if (!ranks && !this.#seen.has(shape)) {
      this.#seen.add(shape)
      if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value!)
      return undefined
    }
    // What is asked for again goes to the end, so that the first is the one longest unused.
    if (ranks) this.#ranks.delete(shape)
    else ranks = new Ranks(nodes)
    this.#ranks.set(shape, ranks)
    if (this.#ranks.size > MAX_SHAPES) this.#ranks.delete(this.#ranks.keys().next().value!)
    for (const node of ranks.stale) ranks.set(node, node.node ? rate(node) : undefined)
    ranks.stale.clear()
    const best = ranks.best
    return best[Math.floor(random.float() * best.length)]
  }
}

class Ranks {
  readonly stale: Set<NodeInfo>
  readonly #places = new Map<NodeInfo, { rank: number; index: number }>()
  readonly #byRank = new Map<number, NodeInfo[]>()
  #highest = -1

  constructor(nodes: Iterable<NodeInfo>) {
    this.stale = new Set(nodes)
  }

  get best(): readonly NodeInfo[] {
    while (this.#highest >= 0 && !this.#byRank.has(this.#highest)) this.#highest--
    return this.#byRank.get(this.#highest) ?? []
  }

  set(node: NodeInfo, rank: number | undefined): void {
    const place = this.#places.get(node)
    if (place?.rank === rank) return
    if (place) this.#takeOut(node, place)
    if (rank === undefined) return
    const peers = this.#byRank.get(rank) ?? []
    this.#places.set(node, { rank, index: peers.length })
    peers.push(node)
    this.#byRank.set(rank, peers)
    this.#highest = Math.max(this.#highest, rank)
  }

  #takeOut(node: NodeInfo, { rank, index }: { rank: number; index: number }): void {
    this.#places.delete(node)
    const peers = this.#byRank.get(rank)!
    const last = peers.pop()!
    if (last !== node) {
      peers[index] = last
      this.#places.get(last)!.index = index
    }
    if (peers.length === 0) this.#byRank.delete(rank)
  }
}
