// node-ipam-controller: a range of pod addresses for every node, in order, each used again only after the others had their turn.
import { Node } from '#api/kinds/core/node.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'
import { formatIpv4, ipv4Range, parseIpv4Range } from '#lib/ipv4.ts'

/** Length of the prefix of one node's part. */
const NODE_PREFIX = 24

export interface NodeIpamOptions {
  /** All pod addresses of the cluster: `10.244.0.0/16`. */
  clusterCidr: string
}

export function nodeIpamController({ clusterCidr }: NodeIpamOptions): Controller {
  const ranges = new Ranges(clusterCidr, NODE_PREFIX)
  const held = new Map<string, number>()
  let complete = false
  return {
    name: 'node-ipam-controller',
    account: 'node-controller',
    component: 'cidrAllocator',
    // One at a time: what was just given away must be known before the next is chosen.
    workers: 1,
    triggers: [itself(Node)],
    async reconcile({ name }, { client, informers, events }) {
      const nodes = informers.of(Node)
      if (!complete) {
        for (const node of nodes.list()) occupy(node)
        complete = true
      }
      const node = nodes.get({ name })
      if (!node || node.metadata?.deletionTimestamp) {
        const index = held.get(name)
        if (node || index === undefined) return
        held.delete(name)
        return ranges.release(index)
      }
      if (node.spec?.podCIDR) return occupy(node)
      const index = held.get(name) ?? ranges.allocate()
      if (index === undefined) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        throw new Error(`no pod range is left for node ${name} in ${clusterCidr}`)
      }
      held.set(name, index)
      const podCIDR = ranges.text(index)
      const { uid } = node.metadata!
      await client.patch(Node, { name }, { type: 'merge', patch: { metadata: { uid }, spec: { podCIDR, podCIDRs: [podCIDR] } } })
    },
  }

  function occupy({ metadata, spec }: Node): void {
    const index = spec?.podCIDR ? ranges.occupy(spec.podCIDR) : undefined
    if (index !== undefined) held.set(metadata?.name ?? '', index)
  }
}

/** Equal parts of one IPv4 range, by number. */
class Ranges {
  #base: number
  #mask: number
  #size: number
  #count: number
  #used = new Set<number>()
  #next = 0

  constructor(cidr: string, mask: number) {
    const { first, prefix } = ipv4Range(cidr)
    if (!(prefix <= mask && mask <= 32)) throw new RangeError(`cannot cut ${cidr} into parts of /${mask}`)
    this.#mask = mask
    this.#size = 2 ** (32 - mask)
    this.#count = 2 ** (mask - prefix)
    this.#base = first
  }

  allocate(): number | undefined {
    for (let tried = 0; tried < this.#count; tried++) {
      const index = (this.#next + tried) % this.#count
      if (this.#used.has(index)) continue
      this.#used.add(index)
      this.#next = (index + 1) % this.#count
      return index
    }
    return undefined
  }

  /** The part that `cidr` is, now taken; undefined where it is none of ours. */
  occupy(cidr: string): number | undefined {
    const range = parseIpv4Range(cidr)
    if (range?.prefix !== this.#mask) return undefined
    const index = (range.first - this.#base) / this.#size
    if (index < 0 || index >= this.#count) return undefined
    this.#used.add(index)
    return index
  }

  release(index: number): void {
    this.#used.delete(index)
  }

  text(index: number): string {
    return `${formatIpv4(this.#base + index * this.#size)}/${this.#mask}`
  }
}
