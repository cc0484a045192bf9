// Nodes ordered by how well they suit pods of one shape, so that the next pod of that shape costs what changed since and not all nodes again.
// Holds for shapes whose rating of a node depends on that node alone, and on its zone where a zoned score is added; says nothing of a shape it
// meets for the first time.
import { HOSTNAME_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import type { Random } from '#lib/random.ts'
import type { NodeInfo } from './node-info.ts'
import type { ZonedScore } from './plugin.ts'

export interface Rating {
  nodes: readonly NodeInfo[]
  random: Random
  /** A whole number from 0; undefined where the node will not do. */
  rate(node: NodeInfo): number | undefined
  /** Added to the rating; not part of the shape. */
  zoned: { weight: number; score: ZonedScore } | undefined
}

const MAX_SHAPES = 32
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
  best(shape: string, { nodes, random, rate, zoned }: Rating): NodeInfo | undefined {
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
    return zoned ? ranks.bestWith(zoned, random) : ranks.best(random)
  }
}

/** Nodes alike, and one of them. */
interface Offer {
  nodes: readonly NodeInfo[]
  rank: number
  one: NodeInfo
}

class Ranks {
  readonly stale: Set<NodeInfo>
  readonly #places = new Map<NodeInfo, { rank: number; index: number; zone: Zone }>()
  readonly #zones = new Map<string, Zone>()

  constructor(nodes: Iterable<NodeInfo>) {
    this.stale = new Set(nodes)
  }

  best(random: Random): NodeInfo | undefined {
    const choice = new Choice()
    for (const { highest, top } of this.#zones.values()) if (top) choice.offer(top, highest)
    return choice.make(random)
  }

  /** The same with the score of each node's zone, or of itself where it stands apart, added. */
  bestWith({ weight, score: { apart, over } }: NonNullable<Rating['zoned']>, random: Random): NodeInfo | undefined {
    const offers: Offer[] = []
    for (const zone of this.#zones.values()) {
      const offer = zone.bestBut(apart)
      if (offer) offers.push(offer)
    }
    // In a single zone nobody can be better than the highest who is like the rest.
    const sole = this.#zones.size === 1 ? offers[0] : undefined
    if (sole && sole.rank === [...this.#zones.values()][0]!.highest) {
      const choice = new Choice()
      choice.offer(sole.nodes, sole.rank, apart)
      return choice.make(random)
    }
    const alike = offers.length
    offers.push(...this.#bestApart(apart))
    const some = offers.map(({ one }) => one)
    const score = over(some, this.#places.size)
    const points = some.map((node) => score.of(node))
    score.normalize?.(points)
    const choice = new Choice()
    for (const [i, { nodes, rank }] of offers.entries()) choice.offer(nodes, rank + weight * points[i]!, i < alike ? apart : undefined)
    return choice.make(random)
  }

  /** Of those apart that are alike to the score the highest rank, and all of that rank. */
  #bestApart(apart: ReadonlyMap<NodeInfo, unknown>): Offer[] {
    const groups: (Offer & { zone: Zone; like: unknown; nodes: NodeInfo[] })[] = []
    // Asked for every pod and often hundreds: no iterator, whose results would be garbage.
    apart.forEach((like, one) => {
      const place = this.#places.get(one)
      if (!place) return
      const { zone, rank } = place
      const group = groups.find((other) => other.like === like && other.zone === zone)
      if (!group) groups.push({ zone, like, rank, nodes: [one], one })
      else if (rank === group.rank) group.nodes.push(one)
      else if (rank > group.rank) Object.assign(group, { rank, nodes: [one], one })
    })
    return groups
  }

  set(node: NodeInfo, rank: number | undefined): void {
    const place = this.#places.get(node)
    const zone = rank === undefined ? undefined : this.#zoneOf(node)
    if (place?.rank === rank && place?.zone === zone) return
    if (place) {
      this.#places.delete(node)
      const moved = place.zone.takeOut(place)
      if (moved !== node) this.#places.get(moved)!.index = place.index
    }
    if (zone) this.#places.set(node, { rank: rank!, index: zone.put(node, rank!), zone })
  }

  #zoneOf({ labels }: NodeInfo): Zone {
    // Without a name of its own a node is not like those that have one.
    const key = `${Object.hasOwn(labels, HOSTNAME_LABEL)} ${Object.hasOwn(labels, ZONE_LABEL) ? JSON.stringify(labels[ZONE_LABEL]) : ''}`
    let zone = this.#zones.get(key)
    if (!zone) this.#zones.set(key, (zone = new Zone()))
    return zone
  }
}

class Zone {
  readonly #byRank = new Map<number, NodeInfo[]>()
  #highest = -1

  get highest(): number {
    while (this.#highest >= 0 && !this.#byRank.has(this.#highest)) this.#highest--
    return this.#highest
  }

  get top(): readonly NodeInfo[] | undefined {
    return this.#byRank.get(this.highest)
  }

  /** The highest rank that a node has which is none of these; one such node, and all of that rank. Looks at no more nodes than `others` are. */
  bestBut(others: Nodes): Offer | undefined {
    for (let rank = this.highest; rank >= 0; rank--) {
      const nodes = this.#byRank.get(rank)
      const one = nodes?.find((node) => !others.has(node))
      if (one) return { nodes: nodes!, rank, one }
    }
    return undefined
  }

  /** Answers its place among those of its rank. */
  put(node: NodeInfo, rank: number): number {
    const peers = this.#byRank.get(rank) ?? []
    peers.push(node)
    this.#byRank.set(rank, peers)
    this.#highest = Math.max(this.#highest, rank)
    return peers.length - 1
  }

  /** Answers the node whose place it is now. */
  takeOut({ rank, index }: { rank: number; index: number }): NodeInfo {
    const peers = this.#byRank.get(rank)!
    const last = peers.pop()!
    if (index < peers.length) peers[index] = last
    if (peers.length === 0) this.#byRank.delete(rank)
    return last
  }
}

interface Nodes {
  has(node: NodeInfo): boolean
}

const MAX_DRAWS = 16

/** One of the nodes offered at the highest price, each with the same chance. */
class Choice {
  #offers: { nodes: readonly NodeInfo[]; but: Nodes | undefined }[] = []
  #highest = -Infinity

  offer(nodes: readonly NodeInfo[], points: number, but?: Nodes): void {
    if (points < this.#highest) return
    if (points > this.#highest) {
      this.#highest = points
      this.#offers = []
    }
    this.#offers.push({ nodes, but })
  }

  make(random: Random): NodeInfo | undefined {
    const all = this.#offers.reduce((sum, { nodes }) => sum + nodes.length, 0)
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      let index = Math.floor(random.float() * all)
      for (const { nodes, but } of this.#offers) {
        if (index < nodes.length && !but?.has(nodes[index]!)) return nodes[index]
        index -= nodes.length
        if (index < 0) break
      }
    }
    const left = this.#offers.flatMap(({ nodes, but }) => nodes.filter((node) => !but?.has(node)))
    return left[Math.floor(random.float() * left.length)]
  }
}
