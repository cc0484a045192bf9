// Who holds which node port, where several API servers work on one store: each port is a key there, whose creation decides between two claimants.
// The keys lie beside the objects, not among them. A claim without a service is taken away when it was one at two repairs running: a server died
// between the claim and the service, or between the service's end and the claim's.
import type { ObjectKey } from '#api/object.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type Entry, type Revision, RevisionMismatch, type Store } from '#store/store.ts'
import { type Claim, type NodePorts, portPool, type PortRange } from './node-ports.ts'

const PREFIX = '/sampan/ranges/servicenodeports/'
/** Ports that are tried before all claims are looked at. */
const TRIES = 8

interface SharedPortsParts {
  store: Store
  random: Random
  log: Logger
}

export class SharedPorts implements NodePorts {
  readonly #range: PortRange
  readonly #parts: SharedPortsParts
  /** Claims without a service at the last repair, by when they were made. */
  #orphans = new Map<number, Revision>()

  constructor(range: PortRange, parts: SharedPortsParts) {
    this.#range = range
    this.#parts = parts
  }

  async take(port: number, { service, dryRun }: Claim): Promise<boolean> {
    if (dryRun) return (await this.#parts.store.get(keyOf(port))) === undefined
    try {
      await this.#parts.store.put(keyOf(port), Buffer.from(nameOf(service)), 0)
      return true
    } catch (error) {
      if (error instanceof RevisionMismatch) return false
      throw error
    }
  }

  async takeAny(claim: Claim): Promise<number | undefined> {
    const { random } = this.#parts
    const pool = portPool(this.#range, random)
    for (let tries = 0; ; tries++) {
      if (tries === TRIES) for (const port of (await this.#claims()).keys()) pool.take(port - this.#range.first)
      const number = pool.takeAny()
      if (number === undefined) return undefined
      const port = number + this.#range.first
      if (await this.take(port, claim)) return port
    }
  }

  release(port: number, service: ObjectKey): void {
    this.#release(port, service).catch((error: unknown) => this.#parts.log.warn('a node port is not given back', { port, error }))
  }

  async repair(held: ReadonlyMap<number, ObjectKey>): Promise<void> {
    const claims = await this.#claims()
    for (const [port, service] of held) if (!claims.has(port)) await this.take(port, { service, dryRun: false })
    const orphans = new Map<number, Revision>()
    for (const [port, { revision }] of claims) {
      if (held.has(port)) continue
      if (this.#orphans.get(port) === revision) await this.#delete(port, revision)
      else orphans.set(port, revision)
    }
    this.#orphans = orphans
  }

  /** Only what the service itself claimed. */
  async #release(port: number, service: ObjectKey): Promise<void> {
    const entry = await this.#parts.store.get(keyOf(port))
    if (entry && Buffer.from(entry.value).toString() === nameOf(service)) await this.#delete(port, entry.revision)
  }

  async #delete(port: number, revision: Revision): Promise<void> {
    await this.#parts.store.delete(keyOf(port), revision).catch((error: unknown) => {
      if (!(error instanceof RevisionMismatch)) throw error
    })
  }

  async #claims(): Promise<Map<number, Entry>> {
    const { entries } = await this.#parts.store.list(PREFIX)
    return new Map(entries.map((entry) => [Number(entry.key.slice(PREFIX.length)), entry]))
  }
}

const keyOf = (port: number): string => `${PREFIX}${port}`
const nameOf = ({ namespace = '', name }: ObjectKey): string => `${namespace}/${name}`
