// Numbers given out once at a time: any free one from the upper part first, so that the lower part stays for those who ask for a certain one.
import type { Random } from '#lib/random.ts'

export interface PoolOptions {
  size: number
  /** How many of the lowest numbers are kept for explicit requests as long as others are free. */
  reserved: number
  random: Random
}

const RANDOM_PROBES = 16

export class NumberPool {
  readonly #options: PoolOptions
  #taken = new Set<number>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#options.size
  }

  has(number: number): boolean {
    return this.#taken.has(number)
  }

  /** False when somebody holds it. */
  take(number: number): boolean {
    if (this.#taken.has(number)) return false
    this.#taken.add(number)
    return true
  }

  /** Some free number, now taken; undefined when none is left. */
  takeAny(): number | undefined {
    const { size, reserved } = this.#options
    const found = this.#freeIn(reserved, size) ?? this.#freeIn(0, reserved)
    if (found !== undefined) this.#taken.add(found)
    return found
  }

  release(number: number): void {
    this.#taken.delete(number)
  }

  clear(): void {
    this.#taken.clear()
  }

  #freeIn(from: number, to: number): number | undefined {
    const span = to - from
    if (span <= 0) return undefined
    for (let i = 0; i < RANDOM_PROBES; i++) {
      const number = from + Math.floor(this.#options.random.float() * span)
      if (!this.#taken.has(number)) return number
    }
    for (let number = from; number < to; number++) if (!this.#taken.has(number)) return number
    return undefined
  }
}

/** Upstream's split: a fraction of the range, within bounds; a small range is not split at all. */
export function reservedBand(size: number, { least, most, divisor }: { least: number; most: number; divisor: number }): number {
  if (size < least) return 0
  return Math.min(Math.max(least, Math.floor(size / divisor)), most)
}
