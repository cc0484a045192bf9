// Who holds which node port, as seen by one API server alone on its store.
import type { ObjectKey } from '#api/object.ts'
import type { Random } from '#lib/random.ts'
import { NumberPool, reservedBand } from './number-pool.ts'

export interface PortRange {
  first: number
  /** Inclusive. */
  last: number
}

export interface Claim {
  service: ObjectKey
  /** Nothing is kept: only whether it could be. */
  dryRun: boolean
}

export interface NodePorts {
  /** False where it is taken; the port is in the range. */
  take(port: number, claim: Claim): boolean | Promise<boolean>
  /** Some port nobody holds; undefined when none is left. */
  takeAny(claim: Claim): (number | undefined) | Promise<number | undefined>
  release(port: number, service: ObjectKey): void
  /** Brings the record in line with the services there are. */
  repair(held: ReadonlyMap<number, ObjectKey>): void | Promise<void>
}

export function portPool({ first, last }: PortRange, random: Random): NumberPool {
  const size = last - first + 1
  return new NumberPool({ size, reserved: reservedBand(size, { least: 16, most: 128, divisor: 32 }), random })
}

export class LocalPorts implements NodePorts {
  readonly #first: number
  readonly #pool: NumberPool

  constructor(range: PortRange, random: Random) {
    this.#first = range.first
    this.#pool = portPool(range, random)
  }

  take(port: number, { dryRun }: Claim): boolean {
    const number = port - this.#first
    return dryRun ? !this.#pool.has(number) : this.#pool.take(number)
  }

  takeAny({ dryRun }: Claim): number | undefined {
    const number = this.#pool.takeAny()
    if (number === undefined) return undefined
    if (dryRun) this.#pool.release(number)
    return number + this.#first
  }

  release(port: number): void {
    this.#pool.release(port - this.#first)
  }

  repair(held: ReadonlyMap<number, ObjectKey>): void {
    for (const port of held.keys()) this.#pool.take(port - this.#first)
  }
}
