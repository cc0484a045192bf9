// Writers of one object who were overtaken go on one after the other: each of them works its change out anew, and of all who do that at once only one
// gets through. Nobody queues for an object that is not crowded. A courtesy, not a lock: correctness is the store's, and nobody waits for ever.
import { StatusError } from '#api/status.ts'
import type { Clock } from '#lib/clock.ts'
import type { Entry } from '#store/store.ts'
import type { Engine, Write } from './engine.ts'

/** Who is at it may be asking a stranger (a webhook) who writes the same object before it answers. */
const PATIENCE_MS = 1000

export class WriteQueues {
  readonly #clock: Clock
  readonly #queues = new Map<string, Place[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For one write of what is stored under `key`; given back when the write is over. */
  place(key: string): Place {
    return new Place({ key, queues: this.#queues, clock: this.#clock })
  }
}

export class Place implements Disposable {
  readonly #key: string
  readonly #queues: Map<string, Place[]>
  readonly #clock: Clock
  #wake: (() => void) | undefined
  #queued = false

  constructor({ key, queues, clock }: { key: string; queues: Map<string, Place[]>; clock: Clock }) {
    this.#key = key
    this.#queues = queues
    this.#clock = clock
  }

  get isCrowded(): boolean {
    return this.#queues.has(this.#key)
  }

  /** Resolves when everyone before has had their turn, or they take too long. Keeps its place until it is given back. */
  async turn(): Promise<void> {
    this.#queued = true
    const queue = this.#queues.get(this.#key) ?? []
    if (queue.length === 0) this.#queues.set(this.#key, queue)
    if (!queue.includes(this)) queue.push(this)
    if (queue[0] === this) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    using _patience = this.#clock.after(PATIENCE_MS, resolve)
    await promise
  }

  [Symbol.dispose](): void {
    if (!this.#queued) return
    const queue = this.#queues.get(this.#key)
    const at = queue?.indexOf(this) ?? -1
    if (!queue || at < 0) return
    queue.splice(at, 1)
    if (queue.length === 0) this.#queues.delete(this.#key)
    else if (at === 0) queue[0]!.#wake?.()
  }
}

/** Another writer was faster: what he wrote is seen, and it is the turn of whoever has waited. Refuses where nobody waits for the answer any more. */
export async function overtaken(
  engine: Engine,
  { within }: Write,
  { place, actual }: { place: Place; actual: Entry | undefined },
): Promise<void> {
  const why = within?.signal?.aborted ? 'canceled' : (within?.remainingMs() ?? Infinity) <= 0 ? 'deadline exceeded' : undefined
  if (why) throw new StatusError('Timeout', `Timeout: request did not complete within requested timeout - context ${why}`, { details: {} })
  if (actual) await engine.mirror.seen(actual.revision)
  await place.turn()
}
