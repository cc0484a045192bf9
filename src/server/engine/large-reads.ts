// Large objects of a custom kind that are not stored as they are shown: in another version, or from before the definition last changed. The thread
// that reads large bodies makes them; what it made is kept for the recent ones. Small ones are made where they are sent.
import type { Kind } from '#api/kind.ts'
import { LruMap } from '#lib/lru-map.ts'
import { StoredObject } from '#server/cache/stored-object.ts'
import type { BodyReader } from '#server/decoding/body-reader.ts'
import { MAX_OBJECT_BYTES, textOf } from './text-of.ts'

/** From here on showing an object takes milliseconds. */
export const LARGE_SHOWN_BYTES = 64 * 1024
const RECENT = 16

/** The bytes as the kind shows them. */
export async function showApart(
  bodies: BodyReader,
  { group, version, kind, madeOf }: Kind,
  { bytes, converted = false }: { bytes: Uint8Array; converted?: boolean },
): Promise<Buffer> {
  const name = { group, version, kind }
  const texts = [bytes, await textOf(madeOf, MAX_OBJECT_BYTES)]
  const { value } = await bodies.step({ step: 'show', converted, kind: name, siblings: [], custom: true }, texts)
  return Buffer.from(value as string)
}

export class LargeReads {
  readonly #bodies: BodyReader
  readonly #kind: Kind
  readonly #recent = new LruMap<StoredObject, StoredObject>(RECENT)
  readonly #underWay = new Map<StoredObject, Promise<void>>()

  constructor(bodies: BodyReader, kind: Kind) {
    this.#bodies = bodies
    this.#kind = kind
  }

  /** As it is shown, where that was prepared. */
  known(stored: StoredObject): StoredObject | undefined {
    return stored.bytes.length < LARGE_SHOWN_BYTES ? undefined : this.#recent.get(stored)
  }

  /** Nothing to wait for where it is small, or known. */
  prepare(stored: StoredObject): Promise<void> | undefined {
    if (stored.bytes.length < LARGE_SHOWN_BYTES || this.#recent.get(stored)) return undefined
    const underWay = this.#underWay.get(stored)
    if (underWay) return underWay
    // What the thread cannot do is done where it is sent.
    const work = this.#show(stored)
      .catch(() => undefined)
      .then(() => void this.#underWay.delete(stored))
    this.#underWay.set(stored, work)
    return work
  }

  /** Those of a list, if they can be kept that long. */
  async prepareAll(stored: readonly StoredObject[]): Promise<void> {
    const large = stored.filter(({ bytes }) => bytes.length >= LARGE_SHOWN_BYTES)
    if (large.length > 0 && large.length <= RECENT) await Promise.all(large.map((one) => this.prepare(one)))
  }

  async #show(stored: StoredObject): Promise<void> {
    const bytes = await showApart(this.#bodies, this.#kind, { bytes: stored.bytes })
    this.#recent.set(stored, bytes.equals(stored.bytes) ? stored : new StoredObject(stored.key, bytes, stored.revision))
  }
}
