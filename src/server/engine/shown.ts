// Stored objects as a resource shows them. Only where a stranger converts between versions does that take a call; everything else is stored as
// it is shown, or converted on the spot where it is sent.
import type { CacheEvent } from '#server/cache/resource-cache.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { Resource } from '#server/registry.ts'
import type { LargeReads } from './large-reads.ts'

/** Whether it may take time to see what is stored. */
export const isShownApart = ({ conversion, large }: Resource): boolean => conversion !== undefined || large !== undefined

export async function shown(resource: Resource, stored: StoredObject): Promise<StoredObject> {
  const { conversion, large } = resource
  if (conversion) return (await conversion.read(resource, [stored]))[0]!
  await large?.prepare(stored)
  return stored
}

export async function allShown(resource: Resource, stored: StoredObject[]): Promise<StoredObject[]> {
  const { conversion, large } = resource
  if (conversion && stored.length > 0) return conversion.read(resource, stored)
  await large?.prepareAll(stored)
  return stored
}

/** Hands events on in their order, however long each takes to be converted. */
export class EventOrder {
  readonly #resource: Resource
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(resource: Resource) {
    this.#resource = resource
  }

  /** `act` at once where nothing is to be converted, nor was before. */
  take(event: CacheEvent, act: (event: CacheEvent) => void, failed: (error: unknown) => void): void {
    const { conversion, large } = this.#resource
    const prepared = conversion ? undefined : large && preparing(large, event)
    if (!conversion && !prepared && this.#waiting === 0) return act(event)
    this.#waiting++
    this.#last = this.#last
      .then(() => (conversion ? conversion.event(this.#resource, event) : prepared?.then(() => event)) ?? event)
      .then(act)
      .catch(failed)
      .finally(() => this.#waiting--)
  }

  /** After everything taken so far. */
  after(act: () => void): void {
    if (this.#waiting === 0) return act()
    this.#last = this.#last.then(act)
  }
}

function preparing(large: LargeReads, { object, previous }: CacheEvent): Promise<unknown> | undefined {
  const work = [large.prepare(object), previous && large.prepare(previous)].filter((one) => one !== undefined)
  return work.length > 0 ? Promise.all(work) : undefined
}
