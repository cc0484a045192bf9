// node-ipam-controller: a range of pod addresses for every node, in order, each used again only after the others had their turn.
import { Node } from '#api/kinds/core/node.ts'
import { hasReason } from '#api/status.ts'
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
  const held = new Map<string, Span[]>()
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
        return node ? undefined : release(name)
      }
      if (node.spec?.podCIDR) return occupy(node)
      const kept = ranges.part(held.get(name))
      if (kept === undefined) release(name)
      const index = kept ?? ranges.allocate()
      if (index === undefined) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        throw new Error(`no pod range is left for node ${name} in ${clusterCidr}`)
      }
      held.set(name, [{ first: index, last: index }])
      const podCIDR = ranges.text(index)
      const { uid } = node.metadata!
      const patch = { metadata: { uid }, spec: { podCIDR, podCIDRs: [podCIDR] } }
      await client.patch(Node, { name }, { type: 'merge', patch }).catch((error: unknown) => {
        // Unless it is gone, or another by now.
        if (!hasReason(error, 'NotFound', 'Conflict'))
          events.event(node, 'Normal', 'CIDRAssignmentFailed', `Node ${name} status is now: CIDRAssignmentFailed`)
        throw error
      })
    },
  }

  /** Also what somebody else gave it: larger than a part, smaller, or the same as another node's. */
  function occupy({ metadata, spec }: Node): void {
    const name = metadata?.name ?? ''
    const spans = (spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])).flatMap((cidr) => ranges.occupy(cidr) ?? [])
    release(name)
    if (spans.length > 0) held.set(name, spans)
  }

  function release(name: string): void {
    for (const span of held.get(name) ?? []) ranges.release(span)
    held.delete(name)
  }
}

/** Numbers of parts, both included. */
interface Span {
  first: number
  last: number
}

/** Equal parts of one IPv4 range, by number. */
class Ranges {
  #base: number
  #mask: number
  #size: number
  #count: number
  /** How many hold a part. */
  #holders = new Map<number, number>()
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
      if (this.#holders.has(index)) continue
      this.#holders.set(index, 1)
      this.#next = (index + 1) % this.#count
      return index
    }
    return undefined
  }

  /** The part kept from an attempt that failed, unless it is another's by now; what an earlier node of that name had may be several. */
  part(spans: readonly Span[] = []): number | undefined {
    const [span, ...more] = spans
    if (!span || more.length > 0 || span.first !== span.last) return undefined
    return this.#holders.get(span.first) === 1 ? span.first : undefined
  }

  /** The parts that `cidr` touches, now held once more; undefined where it touches none of ours. */
  occupy(cidr: string): Span | undefined {
    const range = parseIpv4Range(cidr)
    if (!range) return undefined
    const partOf = (address: number) => Math.floor((address - this.#base) / this.#size)
    const first = Math.max(0, partOf(range.first))
    const last = Math.min(this.#count - 1, partOf(range.first + range.size - 1))
    if (first > last) return undefined
    for (let index = first; index <= last; index++) this.#holders.set(index, (this.#holders.get(index) ?? 0) + 1)
    return { first, last }
  }

  release({ first, last }: Span): void {
    for (let index = first; index <= last; index++) {
      const holders = (this.#holders.get(index) ?? 0) - 1
      if (holders > 0) this.#holders.set(index, holders)
      else this.#holders.delete(index)
    }
  }

  text(index: number): string {
    return `${formatIpv4(this.#base + index * this.#size)}/${this.#mask}`
  }
}
