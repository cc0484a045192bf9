// What an owner has to make again and again, since it does not stay: round after round, the next has to wait ever longer.
import { LruMap } from '#lib/lru-map.ts'

/** A daemon may be in trouble on every node of a large cluster. */
const MOST_REMEMBERED = 65_536
const INITIAL_MS = 1000
/** Rounds before the next has to wait. */
const PATIENT_ROUNDS = 3
const MOST_WAIT_MS = 300_000
const FORGOTTEN_MS = 2 * MOST_WAIT_MS

interface Known {
  count: number
  latestMs: number
  last: string
  generation?: number
}

/** `last`: which was the last, and why it was of no use. */
export class Repeats {
  readonly #known = new LruMap<string, Known>(MOST_REMEMBERED)

  note(owner: string, last: string, now: number): void {
    const known = this.#known.get(owner)
    const before = known && now - known.latestMs <= FORGOTTEN_MS ? known.count : 0
    this.#known.set(owner, { ...known, count: before + 1, latestMs: now, last })
  }

  /** An owner of another generation than before wants something else: what became of the rest says nothing of that. */
  ofGeneration(owner: string, generation: number): this {
    const known = this.#known.get(owner)
    if (known && (known.generation ?? generation) !== generation) this.#known.delete(owner)
    else if (known) known.generation = generation
    return this
  }

  last(owner: string): string | undefined {
    return this.#known.get(owner)?.last
  }

  /** Milliseconds until the next of `wanted` may be made. */
  waitMs(owner: string, wanted: number, now: number): number {
    const known = this.#known.get(owner)
    return known ? waitAfter(known, wanted, now) : 0
  }
}

export function waitAfter({ count, latestMs }: Pick<Known, 'count' | 'latestMs'>, wanted: number, now: number): number {
  const rounds = Math.floor(count / Math.max(1, wanted)) - PATIENT_ROUNDS
  return rounds < 0 ? 0 : Math.max(0, latestMs + Math.min(MOST_WAIT_MS, INITIAL_MS * 2 ** rounds) - now)
}
