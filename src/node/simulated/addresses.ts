// Addresses of simulated nodes and their pods: a /24 per node, first out of 10.244.0.0/16, then, for very many nodes, out of 10.128.0.0/9.

const SUBNETS = 256

export function subnetOf(index: number): string {
  if (index < SUBNETS) return `10.244.${index}.0/24`
  const rest = index - SUBNETS
  return `10.${128 + Math.floor(rest / 256)}.${rest % 256}.0/24`
}

export function nodeAddressOf(index: number): string {
  const host = index + 1
  return `100.64.${Math.floor(host / 256)}.${host % 256}`
}

/** Hands out the addresses of one /24, the least recently freed first. */
export class AddressPool {
  readonly #prefix: string
  readonly #used = new Set<number>()
  #next = 2

  constructor(cidr: string) {
    this.#prefix = cidr.slice(0, cidr.lastIndexOf('.') + 1)
  }

  /** undefined when all are taken. */
  take(): string | undefined {
    for (let tries = 0; tries < 253; tries++) {
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
  }
}
