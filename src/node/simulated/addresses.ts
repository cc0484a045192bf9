// Addresses of simulated nodes and their pods: a /24 per node, first out of 10.244.0.0/16, then, for very many nodes, out of 10.128.0.0/9.
import { addressAt, subnetAt } from '#lib/ipv4.ts'

const SUBNETS = 256
/** How many ranges there are: the first, and those of the second network. */
export const MOST_SUBNETS = SUBNETS + 2 ** 15

export function subnetOf(index: number): string {
  return index < SUBNETS ? subnetAt('10.244.0.0/16', 24, index) : subnetAt('10.128.0.0/9', 24, index - SUBNETS)
}

export function nodeAddressOf(index: number): string {
  return addressAt('100.64.0.0/10', index + 1)
}

/** From .2 to .254: the first is the gateway's. */
const ADDRESSES = 253

/** Hands out the addresses of one /24, the least recently freed first. */
export class AddressPool {
  readonly #prefix: string
  readonly #used = new Set<number>()
  readonly #waiting = new Set<() => void>()
  #next = 2

  constructor(cidr: string) {
    this.#prefix = cidr.slice(0, cidr.lastIndexOf('.') + 1)
  }

  /** As those who hand out addresses of real nodes name it. */
  get range(): string {
    return `${this.#prefix}1-${this.#prefix}254`
  }

  /** undefined when all are taken. */
  take(): string | undefined {
    for (let tries = 0; tries < ADDRESSES; tries++) {
      const host = this.#next
      this.#next = host === 254 ? 2 : host + 1
      if (this.#used.has(host)) continue
      this.#used.add(host)
      return this.#prefix + host
    }
    return undefined
  }

  reserve(ip: string): void {
    if (ip.startsWith(this.#prefix)) this.#used.add(Number(ip.slice(this.#prefix.length)))
  }

  free(ip: string): void {
    if (ip.startsWith(this.#prefix)) this.#used.delete(Number(ip.slice(this.#prefix.length)))
    const [first] = this.#waiting
    if (!first || this.#used.size >= ADDRESSES) return
    this.#waiting.delete(first)
    first()
  }

  /** Calls once, when there is an address to take; first come, first served. */
  wait(call: () => void): Disposable {
    this.#waiting.add(call)
    return { [Symbol.dispose]: () => void this.#waiting.delete(call) }
  }
}
