// What is derived from all objects of a kind: first told of those there are, in slices between which others have their turn, then of every change.
// Invariant: each object is told of once, whatever happens to it while the slices last.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { nextTurn, paced } from '#lib/paced.ts'
import type { ChangeOptions, ObjectChange, ObjectReader } from './request.ts'

/** Of pods, whose reading takes 12 us each. */
const OBJECTS_PER_TURN = 500

export interface FollowingOptions<T> extends ChangeOptions {
  kind: Kind<T & KubeObject>
  /** `previous` is what was told of before; `object` is absent once it is gone. */
  tell(change: ObjectChange<T>): void
}

export class Following<T extends KubeObject> implements Disposable {
  readonly #tell: (change: ObjectChange<T>) => void
  readonly #subscription: Disposable
  #rest: Iterator<T> | undefined
  /** In the order in which they are read: up to here they have been told of. */
  #last = ''
  /** Of the rest, those that have been told of because they changed. */
  readonly #early = new Set<string>()

  constructor(reader: ObjectReader, { kind, tell, glance = false }: FollowingOptions<T>) {
    this.#tell = tell
    this.#subscription = reader.onChange<T>(kind, (change) => this.#changed(change), { glance })
    this.#rest = reader.list<T>(kind, undefined, { glance })[Symbol.iterator]()
  }

  /** Tells of those there are; undefined where that is done: there were few. */
  load(perTurn = OBJECTS_PER_TURN): Promise<void> | undefined {
    const slices = this.#slices()
    for (let i = 0; i < perTurn; i++) if (slices.next().done) return undefined
    return nextTurn().then(() => paced(slices, perTurn))
  }

  /** All that is left of it at once, for who cannot wait. */
  whole(): void {
    if (this.#rest) for (const _ of this.#slices());
  }

  *#slices(): Generator<number, void> {
    for (let next = this.#rest?.next(); this.#rest && next && !next.done; next = this.#rest?.next()) {
      this.#last = keyOf(next.value)
      if (!this.#early.delete(this.#last)) this.#tell({ object: next.value })
      yield 1
    }
    this.#rest = undefined
    this.#early.clear()
  }

  #changed(change: ObjectChange<T>): void {
    const key = this.#rest && keyOf((change.object ?? change.previous)!)
    if (key === undefined || key <= this.#last || this.#early.has(key)) return this.#tell(change)
    this.#early.add(key)
    if (change.object) this.#tell({ object: change.object })
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]()
  }
}

/** As objects are ordered where they are kept. */
const keyOf = ({ metadata }: KubeObject): string =>
  metadata?.namespace ? `${metadata.namespace}/${metadata.name}` : (metadata?.name ?? '')
